// The card of a step: its formula, its arrays, and how the gradient passes through it.

import { useState } from "preact/hooks";
import { type Numbers, type Step, type Trace, nameOf, only, told } from "./data";
import { Formula } from "./formula";
import { Heat } from "./heat";
import { ahead, behind } from "./related";
import { isLeaf, terms, written } from "./timeline";

interface Props {
  trace: Trace;
  step: Step;
  backward: boolean;
  /** hides the gradients until a question is answered */
  hidden: boolean;
}

/** Which array the pointer is over: the output's (−1) or an input's, and which entry. */
interface Pointed {
  slot: number;
  entry: number;
}

export function Card({ trace, step, backward, hidden }: Props) {
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const by = new Map(trace.steps.map((s) => [s.step, s]));
  const point = (slot: number) => (entry: number | null) => setPointed(entry === null ? null : { slot, entry });
  const inputs = step.inputs.map((input, slot) => ({ ...input, slot, from: by.get(input.step) }));
  const marked = (slot: number): Set<number> | undefined => {
    if (!pointed) return undefined;
    if (pointed.slot === slot) return new Set([pointed.entry]);
    const shape = (s: number) => inputs[s].from?.value.shape ?? [];
    if (pointed.slot === -1) return behind(step, slot, pointed.entry, shape(slot));
    return slot === -1 ? ahead(step, pointed.slot, pointed.entry, shape(pointed.slot)) : undefined;
  };
  return (
    <section class="card" aria-label="The step">
      <h2>
        {nameOf(step)} <small>{backward ? "backward" : "forward"}</small>
      </h2>
      {step.formula && <Formula text={step.formula} />}
      {step.operation === "leaf" && <p>A leaf that is differentiated: its gradient is what the sweep is for.</p>}
      {step.operation === "constant" && <p>A constant: no gradient flows into it.</p>}
      {!backward && (
        <div class="arrays">
          {inputs.map(({ slot, from }) =>
            from ? <Heat key={slot} numbers={from.value} label={`input: ${nameOf(from)}`} marked={marked(slot)} point={point(slot)} /> : <p>An input was left out.</p>,
          )}
          <Heat numbers={step.value} label={isLeaf(step) ? "value" : "output"} marked={marked(-1)} point={point(-1)} />
        </div>
      )}
      {backward && hidden && <p>The gradient is hidden until you answer the question.</p>}
      {backward && !hidden && step.gradient && (
        <>
          <Sum trace={trace} step={step} />
          <div class="arrays">
            <Heat numbers={step.value} label="value" marked={marked(-1)} point={point(-1)} />
            <Heat numbers={step.gradient} label="gradient that arrives" marked={marked(-1)} point={point(-1)} />
          </div>
          {inputs.map(({ slot, from, derivative, contribution }) => (
            <section class="passed" key={slot}>
              <h3>to {nameOf(from)}</h3>
              {contribution ? (
                <div class="arrays">
                  {from && <Heat numbers={from.value} label="its value" marked={marked(slot)} point={point(slot)} />}
                  {derivative && <Local derivative={derivative} step={step} pointed={pointed} />}
                  <Heat numbers={contribution} label="passed on" marked={marked(slot)} point={point(slot)} />
                </div>
              ) : (
                <p>{already(step, slot) ?? "It is a constant, so nothing is passed on."}</p>
              )}
            </section>
          ))}
        </>
      )}
    </section>
  );
}

/** An operand that occurs twice got both parts at its first place. */
function already(step: Step, slot: number): string | null {
  const first = step.inputs.findIndex((input) => input.step === step.inputs[slot].step);
  return first < slot ? "This operand occurs twice. Both parts are in the sum above." : null;
}

/** The gradient of the step, written out as the sum of what its users passed back. */
function Sum({ trace, step }: { trace: Trace; step: Step }) {
  const line = written(trace, step);
  const parts = terms(trace, step);
  if (step.step === trace.cost) return <p class="sum">The cost's gradient by itself is 1: the sweep begins here.</p>;
  if (line) {
    return (
      <p class="sum">
        <math>
          <mover accent><mi>{step.name ?? `#${step.step}`}</mi><mo>¯</mo></mover>
        </math>{" "}
        = {line}
      </p>
    );
  }
  return (
    <p class="sum">
      {parts.length === 1 ? "It has one part: " : `It is the sum of ${parts.length} parts: `}
      {parts.map(({ user, contribution }, i) => (
        <span key={i}>
          {i > 0 && " + "}
          {told(contribution)} from {nameOf(user)}
        </span>
      ))}
    </p>
  );
}

/** A local derivative: a number, the numbers of a diagonal, or one row for each number of the output. */
function Local({ derivative, step, pointed }: { derivative: Numbers; step: Step; pointed: Pointed | null }) {
  const one = only(derivative);
  if (one !== null) return <Heat numbers={derivative} label="local derivative" />;
  const data = derivative.data;
  const outputs = step.value.shape.reduce((a, b) => a * b, 1);
  if (!data || outputs === 0) return null;
  const inputs = data.length / outputs;
  const diagonal = inputs === outputs && data.every((x, at) => x === 0 || at % (inputs + 1) === 0);
  if (diagonal) {
    const numbers = data.filter((_, at) => at % (inputs + 1) === 0);
    return <Heat numbers={{ ...summary(numbers), shape: step.value.shape }} label="local derivative, number by number" />;
  }
  const row = pointed?.slot === -1 ? pointed.entry : null;
  return (
    <Heat
      numbers={{ ...summary(data), shape: [outputs, inputs] }}
      label={row === null ? "local derivative: a row for each output" : `local derivative: row ${row} belongs to the output under the pointer`}
      marked={row === null ? undefined : new Set(Array.from({ length: inputs }, (_, j) => row * inputs + j))}
    />
  );
}

function summary(data: number[]): Numbers {
  const mean = data.reduce((a, b) => a + b, 0) / data.length;
  const rms = Math.sqrt(data.reduce((a, b) => a + b * b, 0) / data.length);
  const finite = data.filter(Number.isFinite);
  return {
    shape: [data.length], mean, rms, data, blocks: null,
    min: Math.min(...finite), max: Math.max(...finite),
    zeros: data.filter((x) => x === 0).length,
    not_finite: data.length - finite.length,
  };
}

