// The page: where the reader is, and the parts that show it.

import { render } from "preact";
import { useEffect, useLayoutEffect, useMemo, useState } from "preact/hooks";
import { Card } from "./card";
import { type Story, read } from "./data";
import { Graph } from "./graph";
import { Health, findings } from "./health";
import { Program } from "./program";
import { Quiz, type Score, canAsk } from "./quiz";
import { Slopes } from "./slopes";
import "./style.css";
import { positions, sentence } from "./timeline";
import { Training } from "./training";

/** The place that the address names: `#record=3&step=12`, counted from 1. */
function addressed(story: Story): { record: number; at: number } {
  const fields = new URLSearchParams(location.hash.slice(1));
  const bounded = (name: string, count: number) =>
    Math.min(Math.max(Math.trunc(Number(fields.get(name) ?? 1)) || 1, 1), count) - 1;
  const record = bounded("record", story.records.length);
  return { record, at: bounded("step", positions(story.records[record].trace).length) };
}

const PLAY_MS = 900;

type Panel = "slope" | "health" | "training";

function Page({ story }: { story: Story }) {
  const [{ record, at }, setPlace] = useState(() => addressed(story));
  const [playing, setPlaying] = useState(false);
  const [quiz, setQuiz] = useState(false);
  const [score, setScore] = useState<Score>({ right: 0, asked: 0 });
  const [answers, setAnswers] = useState<Set<string>>(new Set());
  const several = story.records.length > 1;
  const [panel, setPanel] = useState<Panel>("slope");
  const { trace } = story.records[record];
  const all = useMemo(() => positions(trace), [trace]);
  const { step, backward } = all[at];
  const place = `${record}:${step.step}`;
  const asks = quiz && backward && step.step !== trace.cost && canAsk(step);
  const answered = answers.has(place);

  /** Goes to another place, as far as there is one. The place before is not that of this rendering: keys are faster. */
  const go = (to: (before: { record: number; at: number }) => { record: number; at: number }) =>
    setPlace((before) => {
      const wanted = to(before);
      const inRecord = Math.min(Math.max(wanted.record, 0), story.records.length - 1);
      const last = positions(story.records[inRecord].trace).length - 1;
      return { record: inRecord, at: Math.min(Math.max(wanted.at, 0), last) };
    });
  const goTo = (to: number) => go((before) => ({ ...before, at: to }));
  const goBy = (by: number) => go((before) => ({ ...before, at: before.at + by }));
  // Written together with what is shown. Written later, it could replace an address that was set in between.
  useLayoutEffect(() => {
    try {
      history.replaceState(null, "", `#${several ? `record=${record + 1}&` : ""}step=${at + 1}`);
    } catch {
      // a page within a page, as in a notebook, has no address of its own
    }
  }, [record, at]);
  useEffect(() => {
    const moved = () => setPlace(addressed(story));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.altKey || event.ctrlKey || event.metaKey || target.closest("input, select, textarea")) return;
      // a part of the page that scrolls keeps its keys
      if (event.shiftKey || (target.closest(".code, .scroll") && event.key !== " ")) return;
      if (event.key === "ArrowRight") goBy(1);
      else if (event.key === "ArrowLeft") goBy(-1);
      else if (event.key === "Home") goTo(0);
      else if (event.key === "End") goTo(Infinity);
      else if (event.key === "ArrowDown" && several) go((before) => ({ ...before, record: before.record + 1 }));
      else if (event.key === "ArrowUp" && several) go((before) => ({ ...before, record: before.record - 1 }));
      else if (event.key === " " && !target.closest("button, summary")) setPlaying((before) => !before);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  useEffect(() => {
    if (!playing) return undefined;
    if (at === all.length - 1 || (asks && !answered)) {
      setPlaying(false);
      return undefined;
    }
    const timer = setTimeout(() => goBy(1), PLAY_MS);
    return () => clearTimeout(timer);
  }, [playing, at, answered]);

  const hidden = asks && !answered;
  const answer = (right: boolean) => {
    setAnswers(new Set(answers).add(place));
    setScore({ right: score.right + (right ? 1 : 0), asked: score.asked + 1 });
  };
  const warnings = useMemo(() => findings(trace), [trace]);
  const panels: [Panel, string][] = [
    ["slope", "Slope"],
    ["health", warnings.length > 0 ? `Health (${warnings.length})` : "Health"],
  ];
  if (several) panels.push(["training", "Training"]);
  return (
    <>
      <header class="top">
        <h1>{story.title}</h1>
        <span class="tools">
          <button aria-pressed={quiz} onClick={() => setQuiz(!quiz)}>
            Quiz
          </button>
          <Theme />
        </span>
      </header>
      <nav class="timeline" aria-label="Timeline">
        <span class="tools">
          <button onClick={() => goTo(0)} aria-label="First step">
            First
          </button>
          <button onClick={() => goBy(-1)} aria-label="Previous step">
            ‹ Back
          </button>
          <button onClick={() => setPlaying((before) => !before)}>{playing ? "Pause" : "Play"}</button>
          <button onClick={() => goBy(1)} aria-label="Next step">
            Next ›
          </button>
          <button onClick={() => goTo(Infinity)} aria-label="Last step">
            Last
          </button>
        </span>
        <label class="scrub">
          <span>
            {backward ? "backward" : "forward"} {at + 1} / {all.length}
          </span>
          <input
            type="range"
            min={1}
            max={all.length}
            value={at + 1}
            aria-label="Step"
            onInput={(event) => goTo(Number(event.currentTarget.value) - 1)}
          />
        </label>
        {several && (
          <label class="scrub">
            <span>{story.records[record].label}</span>
            <input
              type="range"
              min={1}
              max={story.records.length}
              value={record + 1}
              aria-label="Record"
              onInput={(event) => {
                const to = Number(event.currentTarget.value) - 1;
                go((before) => ({ ...before, record: to }));
              }}
            />
          </label>
        )}
      </nav>
      <p class="sentence" aria-live="polite">
        {hidden ? `Step ${at + 1} of ${all.length}, backward: a question.` : sentence(trace, all, at)}
      </p>
      {trace.left_out > 0 && (
        <p class="note">
          The tape is long. The {trace.steps.length} steps nearest to the cost are here, and {trace.left_out} before
          them are left out.
        </p>
      )}
      {asks && <Quiz trace={trace} step={step} score={score} answered={answered} answer={answer} />}
      <main>
        <div class="left">
          <Program sources={story.sources} trace={trace} step={step} backward={backward} />
          <Graph
            trace={trace}
            step={step}
            backward={backward}
            choose={(chosen) => {
              const found = all.findIndex((p) => p.step.step === chosen && p.backward === backward);
              goTo(found >= 0 ? found : all.findIndex((p) => p.step.step === chosen));
            }}
          />
        </div>
        <Card key={place} sources={story.sources} trace={trace} step={step} backward={backward} hidden={hidden} />
        <section class="panels" aria-label="More about the trace">
          <div class="tabs" role="group" aria-label="Panels">
            {panels.map(([name, title]) => (
              <button key={name} aria-pressed={panel === name} onClick={() => setPanel(name)}>
                {title}
              </button>
            ))}
          </div>
          {hidden && <p>The gradients are hidden until you answer the question.</p>}
          {!hidden && panel === "slope" && <Slopes trace={trace} />}
          {!hidden && panel === "health" && <Health trace={trace} step={step} />}
          {!hidden && panel === "training" && <Training story={story} record={record} />}
        </section>
      </main>
      <footer>
        <p>
          Keys: ← and → step, Home and End jump, space plays
          {several && ", ↑ and ↓ go to the training step that was recorded before or after"}. The address names the
          place: copy it to share it. A bar, as in{" "}
          <math>
            <mover accent>
              <mi>w</mi>
              <mo>¯</mo>
            </mover>
          </math>
          , means the gradient of the cost with respect to w.
        </p>
      </footer>
    </>
  );
}

function Theme() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches;
  const [dark, setDark] = useState(system);
  useEffect(() => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    document.dispatchEvent(new Event("theme"));
  }, [dark]);
  return <button onClick={() => setDark(!dark)}>{dark ? "Light" : "Dark"}</button>;
}

const story = read(document.getElementById("story")?.textContent ?? "");
const page = document.getElementById("page");
if (page) {
  page.textContent = "";
  if (typeof story !== "string") document.title = story.title;
  render(
    typeof story === "string" ? (
      <p class="fault" role="alert">
        {story}
      </p>
    ) : (
      <Page story={story} />
    ),
    page,
  );
}
