// The sizes of values and gradients along the tape: what vanishes, what explodes, which units are dead.

import { type Numbers, type Step, type Trace, count, nameOf, short } from "./data";
import { index } from "./heat";
import { Plot } from "./plot";

/** Gradients this many times smaller or larger than the largest or smallest beside them are pointed out. */
const FAR = 1e4;

/** Sentences about what is wrong. */
export function findings(trace: Trace): string[] {
  const found: string[] = [];
  const bad = trace.steps.find((step) => step.value.not_finite > 0);
  if (bad)
    found.push(
      `The first number that is not finite is in the value of ${nameOf(bad)} (line ${bad.line} of ${bad.file}).`,
    );
  const back = [...trace.steps].reverse().find((step) => (step.gradient?.not_finite ?? 0) > 0);
  if (back) found.push(`On the way back, the gradient of ${nameOf(back)} is the first that is not finite.`);
  for (const step of trace.steps.filter((s) => s.operation === "relu")) {
    const { dead, units } = deadUnits(step.value);
    if (dead > 0)
      found.push(
        `${dead} of ${units} units of ${nameOf(step)} (line ${step.line}) are dead here: they are 0 for all rows, and no gradient passes.`,
      );
  }
  const leaves = trace.steps.filter((step) => step.operation === "leaf" && step.gradient && count(step.gradient) > 0);
  for (const step of leaves.filter((s) => s.gradient?.rms === 0))
    found.push(`The gradient of ${nameOf(step)} is 0 everywhere.`);
  const parameters = leaves.filter((step) => step.gradient?.rms);
  const sizes = parameters.map((step) => step.gradient?.rms ?? 0).filter(Number.isFinite);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  if (sizes.length > 1 && most > FAR * least) {
    const name = (size: number) => nameOf(parameters.find((step) => step.gradient?.rms === size));
    found.push(
      `The gradient of ${name(least)} is ${short(most / least)} times smaller than that of ${name(most)}: it vanishes, or the other explodes.`,
    );
  }
  return found;
}

/** Units that are 0 in all rows: of images N × C × H × W the channels, else the last axis. */
function deadUnits(value: Numbers): { dead: number; units: number } {
  const { shape, data } = value;
  const axis = shape.length === 4 ? 1 : shape.length - 1;
  const units = shape[axis] ?? 1;
  if (!data || data.length === 0) return { dead: 0, units };
  const alive = new Set<number>();
  data.forEach((x, i) => x !== 0 && alive.add(index(i, shape)[axis] ?? 0));
  return { dead: units - alive.size, units };
}

export function Health({ trace, step }: { trace: Trace; step: Step }) {
  const steps = trace.steps.filter((s) => s.operation !== "constant");
  const numbers = (of: (s: Step) => number | null | undefined) => ({
    x: steps.map((s) => s.step),
    y: steps.map((s) => of(s) || NaN),
  });
  const found = findings(trace);
  const leaves = trace.steps.filter((s) => s.operation === "leaf" || s.value.zeros > 0);
  return (
    <div class="slopes">
      <div>
        <Plot
          label="The size of each step's value and gradient"
          across="place on the tape"
          up="size, logarithmic"
          log
          lines={[
            { ...numbers((s) => s.value.rms), kind: "value" },
            { ...numbers((s) => s.gradient?.rms), kind: "gradient" },
            { x: [step.step, step.step], y: [1e-12, 1e12], kind: "place" },
          ]}
        />
        <p class="legend">
          <span class="value">value</span> <span class="gradient">gradient</span> (root of the mean square)
        </p>
        {found.length === 0 ? (
          <p>
            Nothing was found: all numbers are finite, no gradient of a leaf is 0 everywhere, and none is {short(FAR)}{" "}
            times smaller than another.
          </p>
        ) : (
          <ul>
            {found.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        )}
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label="Sizes">
        <table class="check">
          <caption>Leaves, and steps with zeros</caption>
          <thead>
            <tr>
              <th>step</th>
              <th>value</th>
              <th>gradient</th>
              <th>zeros</th>
            </tr>
          </thead>
          <tbody>
            {leaves.map((s) => (
              <tr key={s.step}>
                <th>{nameOf(s)}</th>
                <td>{short(s.value.rms)}</td>
                <td>{short(s.gradient?.rms)}</td>
                <td>
                  {s.value.zeros} of {count(s.value)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
