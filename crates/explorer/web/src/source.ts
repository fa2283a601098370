// Which part of the source a step is.

import { type Operator, operatorsFrom } from "./expression";
import type { Source, Step } from "./data";

/** The operators that each operation may be written with. */
const FAMILIES: [string[], string[]][] = [
  [
    ["add", "sub", "add_number", "sub_from"],
    ["+", "-"],
  ],
  [
    ["mul", "div", "mul_number", "div_number", "div_into"],
    ["*", "/", "%"],
  ],
  [["negative"], ["neg"]],
];

/** What to light: characters of a line, from and to. */
export interface Lit {
  line: number;
  from: number;
  to: number;
}

function partOf(sources: Source[], step: Step) {
  const parts = sources.find((source) => source.file === step.file)?.parts;
  return parts?.find((part) => step.line >= part.first && step.line < part.first + part.lines.length);
}

/**
 * What to light for a step. The compiler gives the column of a method's name, or that at which an expression begins.
 * Several operators can belong to expressions that begin at one column, and a line can run many times: then the nth step
 * of the column belongs to the nth operator, and after the last one the first comes again.
 */
export function litPart(sources: Source[], step: Step, steps: Step[]): Lit | null {
  const part = partOf(sources, step);
  if (!part) return null;
  const lines = part.lines.slice(step.line - part.first, step.line - part.first + 30);
  const text = lines.join("\n");
  const start = [...lines[0]].slice(0, step.column - 1).join("").length;
  const range = rangeOf(text, start, step, steps);
  const before = text.slice(0, range[0]).split("\n");
  const from = before[before.length - 1].length;
  const lit = text.slice(range[0], range[1]).split("\n")[0];
  return { line: step.line + before.length - 1, from, to: from + Math.max(lit.length, 1) };
}

function rangeOf(text: string, start: number, step: Step, steps: Step[]): [number, number] {
  const here = steps.filter((s) => s.line === step.line && s.column === step.column && s.file === step.file);
  const operator = operatorOf(text, start, step, here);
  if (operator) return [operator.at, operator.at + 1];
  // an array that an operator was given has the operator's place: it is one of the operands
  if (step.operation === "constant") {
    const user = here.find((s) => s.inputs.some((input) => input.step === step.step));
    const used = user && operatorOf(text, start, user, here);
    const slot = user?.inputs.findIndex((input) => input.step === step.step) ?? 0;
    if (used?.operands[slot]) return used.operands[slot];
  }
  const word = /^\w+(::\w+)*!?/.exec(text.slice(start));
  return [start, start + (word ? word[0].length : 1)];
}

function operatorOf(text: string, start: number, step: Step, here: Step[]): Operator | null {
  const family = FAMILIES.find(([operations]) => operations.includes(step.operation));
  if (!family) return null;
  const candidates = operatorsFrom(text, start).filter((o) => o.start === start && family[1].includes(o.kind));
  const same = here.filter((s) => family[0].includes(s.operation));
  return candidates[same.findIndex((s) => s.step === step.step) % candidates.length] ?? null;
}

/** The name of the method or function that is lit, if the step is only a part of it. */
export function calledAs(sources: Source[], step: Step, steps: Step[]): string | null {
  const part = partOf(sources, step);
  const lit = litPart(sources, step, steps);
  if (!part || !lit || step.operation === "leaf" || step.operation === "constant") return null;
  const text = part.lines[lit.line - part.first].slice(lit.from, lit.to);
  const name = text.split("::").pop() ?? "";
  return /^[a-z_]\w*$/.test(name) && name !== step.operation ? name : null;
}
