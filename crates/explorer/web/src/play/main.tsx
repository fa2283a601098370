// Three pages to play with: the learning rate on a curve, momentum on a map, and the ravine.

import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import "../style.css";
import "./play.css";
import { bowl, himmelblau, ravine, twoValleys, type Cost, type Point } from "./costs";
import { METHODS, descend, type Method } from "./descent";
import { Picture, type Path } from "./picture";

const STEPS = 120;

interface Lesson {
  title: string;
  try: string;
  costs: Cost[];
  methods: Method[];
  /** the momentum at the start, if one can change it */
  keep?: number;
  rates: Partial<Record<Method, number>>;
}

const LESSONS: Record<string, Lesson> = {
  rate: {
    title: "The learning rate on a curve",
    try: "Move the rate. For 5 θ², the border is 2/10 = 0.2: below it the descent arrives, above it the steps grow.",
    costs: [bowl, twoValleys],
    methods: ["plain"],
    rates: { plain: 0.03 },
  },
  momentum: {
    title: "Momentum on a map",
    try: "Move the momentum from 0.8 to 0.9: the ball ends in another minimum. Click on the map to start elsewhere.",
    costs: [himmelblau, twoValleys],
    methods: ["plain", "momentum", "Nesterov"],
    keep: 0.8,
    rates: { plain: 0.002, momentum: 0.002, Nesterov: 0.002 },
  },
  ravine: {
    title: "The ravine",
    try: "Plain descent has one rate for both directions, which must stay below 2/100. The methods with a rate for each parameter need not.",
    costs: [ravine],
    methods: ["plain", "momentum", "AdaGrad", "RMSprop", "Adam"],
    keep: 0.8,
    rates: { plain: 0.019, momentum: 0.01, AdaGrad: 0.6, RMSprop: 0.05, Adam: 0.3 },
  },
};

const chosen = () => (location.hash.slice(1) in LESSONS ? location.hash.slice(1) : "rate");

function Page() {
  const [name, setName] = useState(chosen);
  useEffect(() => {
    const follow = () => setName(chosen());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return (
    <>
      <header class="top">
        <h1>{LESSONS[name].title}</h1>
        <Theme />
      </header>
      <nav class="tabs">
        {Object.entries(LESSONS).map(([key, lesson]) => (
          <a href={`#${key}`} aria-current={key === name ? "page" : undefined}>
            {lesson.title}
          </a>
        ))}
      </nav>
      <Lesson key={name} lesson={LESSONS[name]} />
    </>
  );
}

function Lesson({ lesson }: { lesson: Lesson }) {
  const [cost, setCost] = useState(lesson.costs[0]);
  const [start, setStart] = useState<Point>(cost.start);
  const [active, setActive] = useState<Method[]>(lesson.methods.slice(0, lesson.methods.length > 3 ? 5 : 2));
  const [rates, setRates] = useState(lesson.rates);
  const [keep, setKeep] = useState(lesson.keep ?? 0);
  const [shown, setShown] = useState(STEPS);
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => setShown((step) => Math.min(step + 1, STEPS)), 60);
    return () => clearInterval(timer);
  }, [playing]);
  useEffect(() => {
    if (shown === STEPS) setPlaying(false);
  }, [shown]);
  const paths: Path[] = useMemo(
    () =>
      active.map((method) => ({
        name: method,
        points: descend(cost, start, { method, rate: rates[method] ?? 0.01, keep, steps: STEPS }),
        color: METHODS.indexOf(method),
      })),
    [cost, start, active, rates, keep],
  );
  const choose = (next: Cost) => {
    setCost(next);
    setStart(next.start);
  };
  const play = () => {
    if (!playing && shown === STEPS) setShown(0);
    setPlaying(!playing);
  };
  return (
    <main class="lesson">
      <section>
        <Picture cost={cost} paths={paths} shown={shown} onStart={setStart} />
        <p>{lesson.try}</p>
      </section>
      <section class="settings">
        {lesson.costs.length > 1 && (
          <label>
            Cost{" "}
            <select
              onChange={(event) => choose(lesson.costs[Number((event.currentTarget as HTMLSelectElement).value)])}
            >
              {lesson.costs.map((cost, i) => (
                <option value={i}>{cost.formula}</option>
              ))}
            </select>
          </label>
        )}
        {lesson.costs.length === 1 && <p>Cost: {cost.formula}</p>}
        {lesson.methods.map((method) => (
          <fieldset class={`c${METHODS.indexOf(method)}`}>
            <legend>
              <label>
                <input
                  type="checkbox"
                  checked={active.includes(method)}
                  onChange={() => setActive(lesson.methods.filter((m) => (m === method) !== active.includes(m)))}
                />{" "}
                {method}
              </label>
            </legend>
            <Rate name={method} rate={rates[method] ?? 0.01} set={(rate) => setRates({ ...rates, [method]: rate })} />
          </fieldset>
        ))}
        {lesson.keep !== undefined && (
          <label class="slider">
            Momentum <output>{keep.toFixed(2)}</output>
            <input
              type="range"
              aria-label="momentum"
              min="0"
              max="0.99"
              step="0.01"
              value={keep}
              onInput={(event) => setKeep(Number((event.currentTarget as HTMLInputElement).value))}
            />
          </label>
        )}
        <label class="slider">
          Step <output>{shown}</output>
          <input
            type="range"
            aria-label="step"
            min="0"
            max={STEPS}
            step="1"
            value={shown}
            onInput={(event) => setShown(Number((event.currentTarget as HTMLInputElement).value))}
          />
        </label>
        <p class="tools">
          <button onClick={play}>{playing ? "Stop" : "Play"}</button>
          <button onClick={() => setStart(cost.start)}>Start at {cost.start.map(told).join(", ")}</button>
        </p>
        <table class="check" aria-live="polite">
          <caption>After {shown} steps</caption>
          <thead>
            <tr>
              <th scope="col">method</th>
              <th scope="col">cost</th>
              <th scope="col">what happens</th>
            </tr>
          </thead>
          <tbody>
            {paths.map((path) => (
              <tr>
                <th scope="row">{path.name}</th>
                <td>{told(cost.value(at(path.points, shown)))}</td>
                <td>{verdict(cost, path.points, shown)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </main>
  );
}

/** A learning rate, on a logarithmic scale. */
function Rate({ name, rate, set }: { name: string; rate: number; set: (rate: number) => void }) {
  return (
    <label class="slider">
      Learning rate <output>{told(rate)}</output>
      <input
        type="range"
        min="-4"
        max="0.3"
        step="0.01"
        value={Math.log10(rate)}
        aria-label={`learning rate, ${name}`}
        onInput={(event) => set(Number((10 ** Number((event.currentTarget as HTMLInputElement).value)).toPrecision(3)))}
      />
    </label>
  );
}

const at = (path: Point[], step: number) => path[Math.min(step, path.length - 1)];

function told(x: number): string {
  const size = Math.abs(x);
  return (size !== 0 && (size < 1e-3 || size >= 1e5) ? x.toExponential(1) : String(Number(x.toPrecision(3)))).replace(
    "-",
    "−",
  );
}

function verdict(cost: Cost, path: Point[], step: number): string {
  const here = at(path, step);
  const slope = Math.hypot(...cost.gradient(here));
  const first = Math.hypot(...cost.gradient(path[0]));
  if (path.length <= step) return `diverges at step ${path.length}`;
  if (slope > 3 * first) return "diverges";
  if (slope < 1e-3 * first) return "has arrived";
  return "is on its way";
}

function Theme() {
  const [dark, setDark] = useState(matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  }, [dark]);
  return <button onClick={() => setDark(!dark)}>{dark ? "Light" : "Dark"}</button>;
}

const page = document.getElementById("page");
if (page) {
  page.textContent = "";
  render(<Page />, page);
}
// for the test that compares these descents with those of gradus
Object.assign(window, { descend, costs: { bowl, twoValleys, himmelblau, ravine } });
