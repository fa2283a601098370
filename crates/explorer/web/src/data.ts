// The data of the page: what `Story::json` writes. The format is described in docs/explorer.md.

export const VERSION = 1;

/** An array: all its numbers if it is small, else the means of blocks. */
export interface Numbers {
  shape: number[];
  mean: number | null;
  min: number | null;
  max: number | null;
  /** the root of the mean square */
  rms: number | null;
  zeros: number;
  /** how many numbers are NaN or infinite */
  not_finite: number;
  data: number[] | null;
  blocks: Blocks | null;
}

export interface Blocks {
  rows: number;
  columns: number;
  means: number[];
}

export interface Input {
  step: number;
  derivative: Numbers | null;
  contribution: Numbers | null;
}

export interface Step {
  step: number;
  operation: string;
  name: string | null;
  formula: string;
  inputs: Input[];
  value: Numbers;
  gradient: Numbers | null;
  file: string;
  line: number;
  column: number;
}

/** The cost along one number of a leaf, with all others as they are. */
export interface Slope {
  step: number;
  entry: number;
  value: number;
  gradient: number;
  difference: number;
  at: number[];
  costs: number[];
}

export interface Trace {
  cost: number;
  steps: Step[];
  slopes: Slope[];
  left_out: number;
}

export interface Source {
  file: string;
  /** the number of the first line of each part of the file, and its lines */
  parts: { first: number; lines: string[] }[];
}

export interface Story {
  title: string;
  sources: Source[];
  records: { label: string; trace: Trace }[];
}

/** Reads the data, or says in a sentence why that cannot be done. */
export function read(text: string): Story | string {
  if (text.trim() === "") return "This page has no data. A program writes it with `save_html`.";
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return "The data of this page are damaged: they are not JSON. Write the page again.";
  }
  const story = found as Story & { format?: unknown; version?: unknown };
  if (typeof story !== "object" || story === null || story.format !== "gradus story") {
    return "The data of this page are not a story of gradus. Write the page again.";
  }
  if (story.version !== VERSION) {
    return `The data have format version ${String(story.version)}, and this page shows version ${VERSION}. Write the page again with one version of gradus.`;
  }
  const fault = check(story);
  if (!fault) story.records.forEach(({ trace }) => restore(trace));
  return fault ? `The data of this page are damaged: ${fault}. Write the page again.` : story;
}

const number = (x: unknown): number =>
  typeof x === "number" ? x : x === "inf" ? Infinity : x === "-inf" ? -Infinity : NaN;

/** JSON has no NaN and no infinity: where numbers are expected, they are texts. */
function restore(trace: Trace) {
  const maybe = (x: number | null) => (x === null ? null : number(x));
  const numbers = (of: Numbers | null) => {
    if (!of) return;
    [of.mean, of.min, of.max, of.rms] = [of.mean, of.min, of.max, of.rms].map(maybe);
    of.data = of.data?.map(number) ?? null;
    if (of.blocks) of.blocks.means = of.blocks.means.map(number);
  };
  for (const step of trace.steps) {
    [step.value, step.gradient, ...step.inputs.flatMap((i) => [i.derivative, i.contribution])].forEach(numbers);
  }
  for (const slope of trace.slopes) {
    for (const field of ["value", "gradient", "difference"] as const) slope[field] = number(slope[field]);
    slope.at = slope.at.map(number);
    slope.costs = slope.costs.map(number);
  }
}

function check(story: Story): string | null {
  if (!Array.isArray(story.records) || story.records.length === 0) return "there are no records";
  if (!Array.isArray(story.sources)) return "there is no list of sources";
  for (const [at, record] of story.records.entries()) {
    const trace = record?.trace;
    if (!trace || !Array.isArray(trace.steps) || trace.steps.length === 0) return `record ${at} has no steps`;
    if (!Array.isArray(trace.slopes)) return `record ${at} has no list of slopes`;
    for (const step of trace.steps) {
      const whole = step && Array.isArray(step.inputs) && step.value && Array.isArray(step.value.shape);
      if (!whole || typeof step.operation !== "string") return `a step of record ${at} is not complete`;
    }
    if (!trace.steps.some((step) => step.step === trace.cost)) return `record ${at} has no step of its cost`;
  }
  return null;
}

export const count = (numbers: Numbers): number => numbers.shape.reduce((product, size) => product * size, 1);

/** The one number of an array that holds one. */
export const only = (numbers: Numbers | null | undefined): number | null =>
  numbers?.data?.length === 1 ? numbers.data[0] : null;

/** A number with few digits, which are enough to follow by eye. */
export function short(x: number | null | undefined): string {
  if (x === null || x === undefined) return "–";
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  if (size === 0) return "0";
  const text =
    size >= 1e5 || size < 1e-3 ? x.toExponential(2).replace(/\.?0+e/, "e") : String(Number(x.toPrecision(4)));
  return text.replaceAll("-", "−").replace("e+", "e");
}

export const shapeOf = (numbers: Numbers): string =>
  numbers.shape.length === 0
    ? "a number"
    : count(numbers) === 0
      ? `empty, ${numbers.shape.join(" × ")}`
      : numbers.shape.join(" × ");

/** What a value is called: its name, or its operation and its place on the tape. */
export function nameOf(step: Step | undefined): string {
  if (!step) return "a step that was left out";
  return step.name ?? `${step.operation} #${step.step}`;
}

/** One number, or a summary in words. */
export function told(numbers: Numbers | null): string {
  if (!numbers) return "nothing";
  const one = only(numbers);
  if (one !== null) return short(one);
  if (count(numbers) === 0) return "nothing: it is empty";
  if (numbers.data && numbers.data.length <= 4) return nested(numbers.data.map(short), numbers.shape);
  const shape = `${numbers.shape.join(" × ")} numbers`;
  if (numbers.min === numbers.max && numbers.not_finite === 0) return `${shape}, all ${short(numbers.min)}`;
  return `${shape} from ${short(numbers.min)} to ${short(numbers.max)}`;
}

/** The texts of an array's numbers, with brackets around each row. */
function nested(texts: string[], shape: number[]): string {
  if (shape.length <= 1) return `[${texts.join(" ")}]`;
  const size = texts.length / shape[0];
  const rows = Array.from({ length: shape[0] }, (_, i) =>
    nested(texts.slice(i * size, (i + 1) * size), shape.slice(1)),
  );
  return `[${rows.join(" ")}]`;
}
