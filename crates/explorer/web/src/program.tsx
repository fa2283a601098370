// The reader's program, with the part lit that is the current step.

import { useEffect, useRef } from "preact/hooks";
import type { Source, Step, Trace } from "./data";
import { litPart } from "./source";

interface Props {
  sources: Source[];
  trace: Trace;
  step: Step;
  backward: boolean;
}

export function Program({ sources, trace, step, backward }: Props) {
  const source = sources.find((s) => s.file === step.file);
  const lit = litPart(sources, step, trace.steps);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const line = box.current?.querySelector<HTMLElement>(".here");
    if (!line || !box.current) return;
    box.current.scrollTop = line.offsetTop - box.current.clientHeight / 2;
    const mark = line.querySelector("mark");
    const [left, width] = [mark?.offsetLeft ?? 0, box.current.clientWidth];
    box.current.scrollLeft = left + (mark?.offsetWidth ?? 0) > width - 20 ? left - width / 2 : 0;
  }, [step]);
  return (
    <section class="program" aria-label="The program">
      <h2>
        Program{" "}
        <small>
          {step.file}:{step.line}
        </small>
      </h2>
      {source && lit ? (
        <div class="code" ref={box} tabIndex={0} role="region" aria-label={`Lines of ${step.file}`}>
          {source.parts.map((part, i) => (
            <>
              {i > 0 && <div class="gap">⋮</div>}
              {part.lines.map((line, at) => {
                const number = part.first + at;
                return (
                  <Line
                    key={number}
                    number={number}
                    text={line}
                    lit={number === lit.line ? lit : null}
                    backward={backward}
                  />
                );
              })}
            </>
          ))}
        </div>
      ) : (
        <p>
          The file could not be read where this page was written, so only the line's number is known: {step.file}, line{" "}
          {step.line}.
        </p>
      )}
    </section>
  );
}

function Line({
  number,
  text,
  lit,
  backward,
}: {
  number: number;
  text: string;
  lit: { from: number; to: number } | null;
  backward: boolean;
}) {
  return (
    <div class={lit ? "row here" : "row"}>
      <span class="number">{number}</span>
      <code>
        {lit ? (
          <>
            {text.slice(0, lit.from)}
            <mark class={backward ? "backward" : "forward"}>{text.slice(lit.from, lit.to)}</mark>
            {text.slice(lit.to)}
          </>
        ) : (
          text
        )}
      </code>
    </div>
  );
}
