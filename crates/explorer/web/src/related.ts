// Which numbers of an input and of an output belong together.

import { type Numbers, type Step, count } from "./data";
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

/** Operations that compute each number of the output from the numbers at its place. */
const ELEMENTWISE = new Set(
  (
    "add sub mul div add_number mul_number div_number sub_from div_into negative exp exp_m1 ln ln_1p sqrt rsqrt square recip " +
    "abs sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf sigmoid logsigmoid relu leaky_relu elu selu gelu " +
    "silu mish softplus softsign maximum minimum where pow_number pow_var broadcast_to"
  ).split(" "),
);

/** Without a local derivative, the operation's name and the shapes decide, where they say it surely. */
function belongs(step: Step, slot: number, output: number[], input: number[], shape: number[]): boolean {
  if (ELEMENTWISE.has(step.operation)) {
    // broadcasting: axes are aligned at the right, and an axis of size 1 is repeated
    return input.every((i, axis) => shape[axis] === 1 || i === output[axis + output.length - input.length]);
  }
  // a layer: row i of x and row j of the weight make entry i, j; the weight has a row for each output
  if (step.operation === "linear") {
    const last = output[output.length - 1];
    return slot === 0 ? input.slice(0, -1).every((i, axis) => i === output[axis]) : input[0] === last;
  }
  // a product: row i of the left and column j of the right matrix make entry i, j. Either may be stored transposed, which
  // the sizes tell unless the matrix is square.
  if (step.operation === "matmul" && output.length === 2 && shape.length === 2) {
    const size = step.value.shape[slot];
    const axis = shape[slot] === size ? slot : 1 - slot;
    return shape[0] !== shape[1] && shape[axis] === size && input[axis] === output[slot];
  }
  // each row of logits makes one entry
  if (step.operation === "cross_entropy") return slot === 0 && output.every((i, axis) => i === input[axis]);
  if (step.operation === "softmax")
    return rowsOfOne(step.value) && input.slice(0, -1).every((i, axis) => i === output[axis]);
  const whole = step.value.shape.every((size) => size === 1);
  return whole && (step.operation === "sum" || step.operation === "mean");
}

/** Whether the numbers along the last axis add up to 1, so that the softmax was taken along it. */
function rowsOfOne(value: Numbers): boolean {
  const size = value.shape[value.shape.length - 1] ?? 1;
  const sums = new Map<number, number>();
  value.data?.forEach((x, i) => sums.set(Math.floor(i / size), (sums.get(Math.floor(i / size)) ?? 0) + x));
  return sums.size > 0 && [...sums.values()].every((sum) => Math.abs(sum - 1) < 1e-3);
}
