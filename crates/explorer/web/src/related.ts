// Which numbers of an input and of an output belong together.

import { type Step, count } from "./data";
import { index } from "./heat";

/** The entries of input `slot` on which entry `entry` of the output depends. */
export function behind(step: Step, slot: number, entry: number, shapeOfInput: number[]): Set<number> {
  const size = shapeOfInput.reduce((a, b) => a * b, 1);
  const data = step.inputs[slot].derivative?.data;
  if (data) return where(size, (j) => data[entry * size + j] !== 0);
  const output = index(entry, step.value.shape);
  return where(size, (j) => belongs(step, slot, output, index(j, shapeOfInput), shapeOfInput));
}

/** The entries of the output that depend on entry `entry` of input `slot`. */
export function ahead(step: Step, slot: number, entry: number, shapeOfInput: number[]): Set<number> {
  const size = shapeOfInput.reduce((a, b) => a * b, 1);
  const data = step.inputs[slot].derivative?.data;
  const outputs = count(step.value);
  if (data) return where(outputs, (i) => data[i * size + entry] !== 0);
  const input = index(entry, shapeOfInput);
  return where(outputs, (i) => belongs(step, slot, index(i, step.value.shape), input, shapeOfInput));
}

const LARGEST = 4096;

function where(size: number, holds: (i: number) => boolean): Set<number> {
  const found = new Set<number>();
  if (size <= LARGEST) for (let i = 0; i < size; i += 1) if (holds(i)) found.add(i);
  return found;
}

/** Without a local derivative, the operation's name and the shapes decide. */
function belongs(step: Step, slot: number, output: number[], input: number[], shape: number[]): boolean {
  const [o, x] = [output.length, input.length];
  switch (step.operation) {
    case "matmul":
    case "linear": {
      // a row of the left operand, and a column of the right one; a linear layer's weight has a row for each output
      if (slot === 0) return x < 2 || o < 2 || input[x - 2] === output[o - 2];
      if (slot === 2 || step.operation === "linear") return input[0] === output[o - 1];
      const columns = step.value.shape[o - 1];
      return shape[x - 1] === columns ? input[x - 1] === output[o - 1] : input[x - 2] === output[o - 1];
    }
    case "softmax":
    case "log_softmax":
      return input.slice(0, -1).every((i, axis) => i === output[axis]);
    case "sum":
    case "mean":
      if (o === 0) return true;
      return o === x && input.every((i, axis) => step.value.shape[axis] !== shape[axis] || i === output[axis]);
    default: {
      // broadcasting: axes are aligned at the right, and an axis of size 1 is repeated
      const fits = (of: number[]) => of.length <= o && of.every((size, axis) => size === 1 || size === step.value.shape[axis + o - of.length]);
      return fits(shape) && input.every((i, axis) => shape[axis] === 1 || i === output[axis + o - x]);
    }
  }
}
