// A training run: the cost and the leaves over the recorded steps.

import { useState } from "preact/hooks";
import { type Story, count, nameOf, only, short, told } from "./data";
import { Plot } from "./plot";

export function Training({ story, record }: { story: Story; record: number }) {
  const costs = story.records.map(
    ({ trace }) => only(trace.steps.find((step) => step.step === trace.cost)?.value) ?? NaN,
  );
  const trace = story.records[record].trace;
  const leaves = trace.steps.filter((step) => step.operation === "leaf");
  const [chosen, choose] = useState(0);
  const leaf = leaves[Math.min(chosen, leaves.length - 1)];
  // the same leaf in each record, by its name or its place among the leaves
  const along = story.records.map(({ trace: other }) => {
    const same = other.steps.filter((step) => step.operation === "leaf");
    return (leaf?.name && same.find((step) => step.name === leaf.name)) || same[leaves.indexOf(leaf)];
  });
  const x = story.records.map((_, i) => i);
  const one = leaf && count(leaf.value) === 1;
  const of = (i: number) => (one ? only(along[i]?.value) : along[i]?.value.rms) ?? NaN;
  const gradient = (i: number) => (one ? only(along[i]?.gradient) : along[i]?.gradient?.rms) ?? NaN;
  return (
    <div class="slopes">
      <div>
        <Plot
          label="The cost over the recorded steps"
          across="recorded step"
          up="cost"
          lines={[{ x, y: costs, kind: "value" }]}
          dot={[record, costs[record]]}
        />
        <p>
          At {story.records[record].label}, the cost is {short(costs[record])}.
        </p>
      </div>
      {leaf && (
        <div>
          <label>
            The leaf{" "}
            <select
              value={String(leaves.indexOf(leaf))}
              onChange={(event) => choose(Number(event.currentTarget.value))}
            >
              {leaves.map((step, i) => (
                <option key={i} value={i}>
                  {nameOf(step)}
                </option>
              ))}
            </select>
          </label>
          <Plot
            label={`${nameOf(leaf)} over the recorded steps`}
            across="recorded step"
            up={one ? "value" : "size"}
            lines={[
              { x, y: x.map(of), kind: "value" },
              { x, y: x.map(gradient), kind: "gradient" },
            ]}
            dot={[record, of(record)]}
          />
          <p class="legend">
            <span class="value">value</span> <span class="gradient">gradient</span>
            {one ? "" : " (root of the mean square)"}
          </p>
          <p>
            Now it is {told(leaf.value)}, and its gradient {told(leaf.gradient)}.
          </p>
        </div>
      )}
    </div>
  );
}
