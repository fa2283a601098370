// The card of a step: its formula, its arrays, and how the gradient passes through it.

import { useState } from "preact/hooks";
import { type Numbers, type Source, type Step, type Trace, nameOf, only, short } from "./data";
import { Formula } from "./formula";
import { Heat } from "./heat";
import { ahead, behind } from "./related";
import { calledAs } from "./source";
import { isLeaf, terms, written } from "./timeline";

interface Props {
  sources: Source[];
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

export function Card({ sources, trace, step, backward, hidden }: Props) {
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const by = new Map(trace.steps.map((s) => [s.step, s]));
  const called = calledAs(sources, step, trace.steps);
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
      <Plain step={step} input={inputs[0]?.from} />
      {called && (
        <p>
          A part of what <code>{called}</code> does.
        </p>
      )}
      {step.operation === "leaf" && (
        <p>A leaf: a number or an array that the program was given. Its gradient is a result of the sweep back.</p>
      )}
      {step.operation === "constant" && <p>A constant: no gradient is passed to it.</p>}
      {!backward && (
        <div class="arrays">
          {inputs.map(({ slot, from }) =>
            from ? (
              <Heat
                key={slot}
                numbers={from.value}
                label={`input: ${nameOf(from)}`}
                marked={marked(slot)}
                point={point(slot)}
              />
            ) : (
              <p>An input was left out.</p>
            ),
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
                <p>
                  {from?.operation === "constant"
                    ? "It is a constant, so nothing is passed on."
                    : "Nothing is passed on to it."}
                </p>
              )}
            </section>
          ))}
        </>
      )}
    </section>
  );
}

/** The plain number of an operation such as `w * 2.0`, as far as input and output tell it. */
function Plain({ step, input }: { step: Step; input?: Step }) {
  const [x, y] = [input?.value.data?.[0], step.value.data?.[0]];
  if (x === undefined || y === undefined) return null;
  const number: Record<string, number> = {
    add_number: y - x,
    sub_from: y + x,
    mul_number: y / x,
    div_number: x / y,
    div_into: y * x,
  };
  const c = number[step.operation];
  return c === undefined || !Number.isFinite(c) ? null : <p>Here, c is {short(c)}.</p>;
}

/** The gradient of the step, written out as the sum of what its users passed back. */
function Sum({ trace, step }: { trace: Trace; step: Step }) {
  const line = written(trace, step);
  const parts = terms(trace, step);
  if (step.step === trace.cost)
    return <p class="sum">The sweep back begins here: the cost changes by 1 when the cost changes by 1.</p>;
  const named = step.name && /^\w$/.test(step.name) ? step.name : null;
  if (line) {
    return (
      <p class="sum">
        {named ? (
          <math>
            <mover accent>
              <mi>{named}</mi>
              <mo>¯</mo>
            </mover>
          </math>
        ) : (
          `gradient of ${nameOf(step)}`
        )}{" "}
        = {line}
      </p>
    );
  }
  if (parts.length === 1) return <p class="sum">The gradient that arrives comes from {nameOf(parts[0].user)} alone.</p>;
  return (
    <div class="sum">
      <p>The gradient that arrives is the sum of {parts.length} parts.</p>
      <div class="arrays">
        {parts.map(({ user, contribution }, i) => (
          <Heat key={i} numbers={contribution} label={`from ${nameOf(user)}`} />
        ))}
      </div>
    </div>
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
    return (
      <Heat numbers={{ ...summary(numbers), shape: step.value.shape }} label="local derivative, number by number" />
    );
  }
  const row = pointed?.slot === -1 ? pointed.entry : null;
  return (
    <Heat
      numbers={{ ...summary(data), shape: [outputs, inputs] }}
      label={
        row === null
          ? "local derivative: a row for each number of the output, a column for each of the input"
          : `local derivative: the marked row belongs to the number under the pointer`
      }
      marked={row === null ? undefined : new Set(Array.from({ length: inputs }, (_, j) => row * inputs + j))}
    />
  );
}

function summary(data: number[]): Numbers {
  const mean = data.reduce((a, b) => a + b, 0) / data.length;
  const rms = Math.sqrt(data.reduce((a, b) => a + b * b, 0) / data.length);
  const finite = data.filter(Number.isFinite);
  return {
    shape: [data.length],
    mean,
    rms,
    data,
    blocks: null,
    min: Math.min(...finite),
    max: Math.max(...finite),
    zeros: data.filter((x) => x === 0).length,
    not_finite: data.length - finite.length,
  };
}
