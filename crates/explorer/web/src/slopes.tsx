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
  if (!slope) return <p>No leaf was moved: there is none, or the tape is too large for it.</p>;
  const cost = slope.costs[slope.at.indexOf(slope.value)] ?? NaN;
  const ends = [slope.at[0], slope.at[slope.at.length - 1]];
  const tangent = ends.map((x) => cost + slope.gradient * (x - slope.value));
  const name = title(slope);
  return (
    <div class="slopes">
      <div>
        <label>
          The cost along{" "}
          <select value={String(trace.slopes.indexOf(slope))} onChange={(event) => choose(Number(event.currentTarget.value))}>
            {trace.slopes.map((s, i) => <option key={i} value={i}>{title(s)}</option>)}
          </select>
        </label>
        <Plot
          label={`The cost along ${name}, and its tangent`}
          across={name}
          up="cost"
          lines={[{ x: slope.at, y: slope.costs, kind: "value" }, { x: ends, y: tangent, kind: "aside" }]}
          dot={[slope.value, cost]}
        />
        <p>
          All other leaves stay where they are. At {name} = {short(slope.value)}, the tangent has the slope {short(slope.gradient)}: this is the gradient.{" "}
          {slope.gradient > 0 ? "To lower the cost, make the number smaller." : slope.gradient < 0 ? "To lower the cost, make the number larger." : "The cost is level here."}
        </p>
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label="Gradients and differences">
        <table class="check">
          <caption>Check me: the gradient beside a finite difference of the cost</caption>
          <thead><tr><th>leaf</th><th>value</th><th>gradient</th><th>difference</th></tr></thead>
          <tbody>
            {trace.slopes.map((s, i) => (
              <tr key={i}><th>{title(s)}</th><td>{short(s.value)}</td><td>{short(s.gradient)}</td><td>{short(s.difference)}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
