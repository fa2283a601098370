// The order in which the page tells a trace: forward through all steps, then back through those with a gradient.

import { type Numbers, type Step, type Trace, nameOf, only, told } from "./data";

export interface Position {
  step: Step;
  backward: boolean;
}

export function positions(trace: Trace): Position[] {
  const forward = trace.steps.map((step) => ({ step, backward: false }));
  const backward = trace.steps.filter((step) => step.gradient).reverse();
  return [...forward, ...backward.map((step) => ({ step, backward: true }))];
}

export const isLeaf = (step: Step): boolean => step.operation === "leaf" || step.operation === "constant";

/** A part of a step's gradient: what a step that uses it passed back. */
export interface Term {
  user: Step;
  slot: number;
  contribution: Numbers;
  derivative: Numbers | null;
}

/** The parts that add up to the gradient of a step, in the order in which they arrive. */
export function terms(trace: Trace, of: Step): Term[] {
  const found: Term[] = [];
  for (const user of [...trace.steps].reverse()) {
    user.inputs.forEach(({ step, contribution, derivative }, slot) => {
      if (step === of.step && contribution) found.push({ user, slot, contribution, derivative });
    });
  }
  return found;
}

/** The sentence that a screen reader speaks at a position. */
export function sentence(trace: Trace, all: Position[], at: number): string {
  const { step, backward } = all[at];
  const by = new Map(trace.steps.map((s) => [s.step, s]));
  const place = `line ${step.line} of ${step.file}`;
  const start = `Step ${at + 1} of ${all.length}, ${backward ? "backward" : "forward"}: `;
  if (!backward) {
    if (isLeaf(step)) return `${start}${nameOf(step)} is ${told(step.value)} (${place}).`;
    const inputs = step.inputs.map((input) => nameOf(by.get(input.step))).join(" and ");
    return `${start}${step.operation} of ${inputs} gives ${told(step.value)} (${place}).`;
  }
  if (step.step === trace.cost)
    return `${start}${passes(step, by, `the sweep begins at the cost, with the gradient 1`)}`;
  const parts = terms(trace, step);
  const sum = parts.length > 1 ? `, the sum of ${parts.length} parts` : "";
  return `${start}${passes(step, by, `the gradient of ${nameOf(step)} is ${told(step.gradient)}${sum}`)}`;
}

function passes(step: Step, by: Map<number, Step>, before: string): string {
  const parts = step.inputs.filter((input) => input.contribution);
  if (parts.length === 0 && step.inputs.length > 0) return `${before}. It passes on nothing.`;
  if (parts.length === 0) return `${before}. It was computed from nothing else, so this is its whole gradient.`;
  const texts = parts.map((input) => `${told(input.contribution)} to ${nameOf(by.get(input.step))}`);
  return `${before}. It passes on ${texts.join(", and ")}.`;
}

/** How a gradient adds up, for scalars: `2 · 0.5 + 1 · 3 = 4`. */
export function written(trace: Trace, of: Step): string | null {
  const parts = terms(trace, of);
  if (only(of.gradient) === null || parts.length === 0) return null;
  const products = parts.map(product);
  // a single part that is no product is the gradient itself
  if (parts.length === 1 && products[0] === bracketed(parts[0].contribution)) return null;
  const from = parts.length > 1 ? `  (from ${parts.map((part) => nameOf(part.user)).join(", then ")})` : "";
  return `${products.join(" + ")} = ${told(of.gradient)}${from}`;
}

const bracketed = (x: Numbers): string => (told(x).startsWith("−") ? `(${told(x)})` : told(x));

/** A part as the gradient that arrives times the local derivative, where both are numbers. */
function product({ user, contribution, derivative }: Term): string {
  const [arrives, slope] = [only(user.gradient), only(derivative)];
  if (arrives === null || slope === null || !user.gradient || !derivative) return bracketed(contribution);
  return `${bracketed(user.gradient)} · ${bracketed(derivative)}`;
}
