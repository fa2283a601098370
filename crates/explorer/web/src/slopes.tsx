// The cost along one number of a leaf, with the tangent whose slope is the gradient.

import { useState } from "preact/hooks";
import { type Slope, type Trace, count, nameOf, short } from "./data";
import { index } from "./heat";
import { Plot } from "./plot";

export function Slopes({ trace }: { trace: Trace }) {
  const [chosen, choose] = useState(0);
  const by = new Map(trace.steps.map((step) => [step.step, step]));
  const title = (slope: Slope): string => {
    const leaf = by.get(slope.step);
    const one = !leaf || leaf.value.shape.length === 0 || count(leaf.value) === 1;
    return one ? nameOf(leaf) : `${nameOf(leaf)}[${index(slope.entry, leaf.value.shape).join(", ")}]`;
  };
  const slope = trace.slopes[Math.min(chosen, trace.slopes.length - 1)];
  if (!slope) return <p>No number of a leaf was moved: there is none, or the tape is too large to run again.</p>;
  const cost = slope.costs[slope.at.indexOf(slope.value)] ?? NaN;
  const ends = [slope.at[0], slope.at[slope.at.length - 1]];
  const tangent = ends.map((x) => cost + slope.gradient * (x - slope.value));
  const name = title(slope);
  return (
    <div class="slopes">
      <div>
        <label>
          The cost along{" "}
          <select
            value={String(trace.slopes.indexOf(slope))}
            onChange={(event) => choose(Number(event.currentTarget.value))}
          >
            {trace.slopes.map((s, i) => (
              <option key={i} value={i}>
                {title(s)}
              </option>
            ))}
          </select>
        </label>
        <Plot
          label={`The cost along ${name}, and its tangent`}
          across={name}
          up="cost"
          lines={[
            { x: slope.at, y: slope.costs, kind: "value" },
            { x: ends, y: tangent, kind: "aside" },
          ]}
          dot={[slope.value, cost]}
        />
        <p>{verdict(name, slope, cost)}</p>
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label="Gradients and differences">
        <table class="check">
          <caption>A check: the gradient beside a finite difference of the cost (≠ where they are apart)</caption>
          <thead>
            <tr>
              <th>leaf</th>
              <th>value</th>
              <th>gradient</th>
              <th>difference</th>
            </tr>
          </thead>
          <tbody>
            {trace.slopes.map((s, i) => (
              <tr key={i}>
                <th>{title(s)}</th>
                <td>{short(s.value)}</td>
                <td>{short(s.gradient)}</td>
                <td>
                  {short(s.difference)}
                  {apart(s) ? " ≠" : ""}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {trace.slopes.some(apart) && (
          <p>
            A difference is wrong where the cost has a corner nearby, where it is not finite, or where it is so large
            that the change is lost in its rounding.
          </p>
        )}
      </div>
    </div>
  );
}

/** Whether gradient and difference are further apart than rounding explains. */
const apart = (slope: Slope): boolean =>
  !(Math.abs(slope.gradient - slope.difference) <= 0.03 * Math.abs(slope.gradient) + 1e-4);

function verdict(name: string, slope: Slope, cost: number): string {
  if (!Number.isFinite(cost))
    return `The cost is ${short(cost)} here, so it has no slope. The panel “Health” says where the first such number came from.`;
  if (!Number.isFinite(slope.gradient))
    return `The gradient by ${name} is ${short(slope.gradient)}: it says nothing about the way down.`;
  const way =
    slope.gradient > 0
      ? "To lower the cost, make the number a little smaller."
      : slope.gradient < 0
        ? "To lower the cost, make the number a little larger."
        : "A small step changes the cost by nothing here.";
  return `All other leaves stay where they are. At ${name} = ${short(slope.value)}, the tangent has the slope ${short(slope.gradient)}: this is the gradient. ${way}`;
}
