// Questions about the gradient that comes next.

import { useEffect, useState } from "preact/hooks";
import { type Step, type Trace, nameOf, only, short } from "./data";
import { written } from "./timeline";

export interface Score {
  right: number;
  asked: number;
}

interface Props {
  trace: Trace;
  step: Step;
  score: Score;
  answered: boolean;
  answer: (right: boolean) => void;
}

type Sign = "positive" | "negative" | "both" | "zero";

/** Answers may differ from the number by this part of it, or by this much. */
const NEAR = 0.02;

export function Quiz({ trace, step, score, answered, answer }: Props) {
  const [text, setText] = useState("");
  const [sign, setSign] = useState<Sign>("positive");
  const [size, setSize] = useState("0");
  const [verdict, setVerdict] = useState("");
  useEffect(() => {
    setText("");
    setVerdict("");
  }, [trace, step]);
  const gradient = step.gradient;
  if (!gradient) return null;
  const number = only(gradient);
  const signOf: Sign = (gradient.min ?? 0) < 0 ? ((gradient.max ?? 0) > 0 ? "both" : "negative") : (gradient.max ?? 0) > 0 ? "positive" : "zero";
  const power = gradient.rms ? Math.floor(Math.log10(gradient.rms)) : -99;
  const submit = (event: Event) => {
    event.preventDefault();
    let right: boolean;
    let why: string;
    if (number !== null) {
      const given = Number(text.replace("−", "-").replace(",", "."));
      right = text.trim() !== "" && (Object.is(given, number) || Math.abs(given - number) <= NEAR * Math.max(Math.abs(number), 0.1));
      const sum = written(trace, step);
      why = sum ? `It is ${sum}.` : `It is ${short(number)}.`;
    } else {
      right = sign === signOf && (signOf === "zero" || Math.abs(Number(size) - power) <= 1);
      why = `Its numbers go from ${short(gradient.min)} to ${short(gradient.max)}, and their usual size is ${short(gradient.rms)}.`;
    }
    setVerdict(`${right ? "Right." : "Not right."} ${why}`);
    answer(right);
  };
  return (
    <form class="quiz" onSubmit={submit} aria-label="Quiz">
      <p>
        What is the gradient of the cost by <strong>{nameOf(step)}</strong>?{" "}
        <span class="score">{score.right} of {score.asked} right</span>
      </p>
      {!answered && number !== null && (
        <label>A number: <input type="text" inputMode="text" autocomplete="off" value={text} onInput={(event) => setText(event.currentTarget.value)} /></label>
      )}
      {!answered && number === null && (
        <>
          <label>
            Its numbers are{" "}
            <select value={sign} onChange={(event) => setSign(event.currentTarget.value as Sign)}>
              <option value="positive">positive or 0</option><option value="negative">negative or 0</option>
              <option value="both">of both signs</option><option value="zero">all 0</option>
            </select>
          </label>
          <label>
            and their size is about{" "}
            <select value={size} onChange={(event) => setSize(event.currentTarget.value)}>
              {[2, 1, 0, -1, -2, -3, -4, -5, -6].map((p) => <option key={p} value={p}>{short(10 ** p)}</option>)}
            </select>
          </label>
        </>
      )}
      {!answered && <button type="submit">Answer</button>}
      <p role="status" class="verdict">{verdict}</p>
    </form>
  );
}
