// Which part of a source line a step is.

import type { Source, Step } from "./data";

const OPERATORS: Record<string, string> = { add: "+", sub: "-", mul: "*", div: "/" };

export interface Lit {
  /** the characters of the line that are lit, from and to */
  from: number;
  to: number;
}

export function lineOf(sources: Source[], file: string, line: number): string | null {
  const part = sources.find((source) => source.file === file)?.parts.find((p) => line >= p.first && line < p.first + p.lines.length);
  return part ? part.lines[line - part.first] : null;
}

/**
 * What to light in the line of a step. The compiler gives the column of a method's name, or of the first character of
 * an expression with an operator: there, the operator is looked for, and the nth if n such steps begin at that column.
 */
export function litPart(line: string, step: Step, steps: Step[]): Lit {
  const start = [...line].slice(0, step.column - 1).join("").length;
  const operator = OPERATORS[step.operation];
  if (operator) {
    const same = steps.filter((s) => s.line === step.line && s.column === step.column && s.file === step.file && s.operation === step.operation);
    const at = operatorAt(line, start, operator, same.findIndex((s) => s.step === step.step));
    if (at !== null) return { from: at, to: at + 1 };
  }
  const word = /^[A-Za-z0-9_]+[!]?/.exec(line.slice(start));
  return { from: start, to: start + (word ? word[0].length : 1) };
}

function operatorAt(line: string, start: number, operator: string, nth: number): number | null {
  // an expression in parentheses begins at its parenthesis: what stands in those belongs to it too
  const leading = /^\(*/.exec(line.slice(start))?.[0].length ?? 0;
  let own = leading;
  let depth = leading;
  let operand = false; // whether an operand stands before: `*` and `-` after an operator are not binary
  for (let i = start + leading; i < line.length; i += 1) {
    const c = line[i];
    if ("([{".includes(c)) depth += 1;
    if (")]}".includes(c)) depth -= 1;
    own = Math.min(own, depth);
    if (depth < 0) return null;
    if (depth === own && c === operator && operand) {
      if (nth <= 0) return i;
      nth -= 1;
    }
    if ("+-*/,&=".includes(c)) operand = false;
    else if (c !== " ") operand = true;
  }
  return null;
}
