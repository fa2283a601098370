// Questions about the gradient that comes next.

import { useEffect, useState } from "preact/hooks";
import { type Step, type Trace, count, nameOf, only, short } from "./data";
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

/** Answers may differ from the number by this part of it. */
const NEAR = 0.02;

/** Whether a gradient can be asked for. */
export const canAsk = (step: Step): boolean =>
  !!step.gradient && count(step.gradient) > 0 && step.gradient.not_finite === 0;

/** A number as people write it: with a comma, or as a fraction. */
function numberOf(text: string): number {
  const [above, below = "1"] = text.replaceAll("−", "-").replaceAll(",", ".").split("/");
  return above.trim() === "" || below.trim() === "" ? NaN : Number(above) / Number(below);
}

export function Quiz({ trace, step, score, answered, answer }: Props) {
  const [text, setText] = useState("");
  const [sign, setSign] = useState<Sign>("positive");
  const [size, setSize] = useState("");
  const [verdict, setVerdict] = useState("");
  useEffect(() => {
    setText("");
    setVerdict("");
  }, [trace, step]);
  const gradient = step.gradient;
  if (!gradient) return null;
  const number = only(gradient);
  const signOf: Sign =
    (gradient.min ?? 0) < 0
      ? (gradient.max ?? 0) > 0
        ? "both"
        : "negative"
      : (gradient.max ?? 0) > 0
        ? "positive"
        : "zero";
  const power = gradient.rms ? Math.floor(Math.log10(gradient.rms)) : 0;
  const shift = step.step % 5; // so that the place of the answer in the list tells nothing
  const submit = (event: Event) => {
    event.preventDefault();
    let right: boolean;
    let why: string;
    if (number !== null) {
      const given = numberOf(text);
      if (Number.isNaN(given)) {
        setVerdict("Write a number, such as −0.5 or 1/3.");
        return;
      }
      right = Math.abs(given - number) <= NEAR * Math.abs(number);
      const sum = written(trace, step);
      why = sum ? `It is ${sum}.` : `It is ${short(number)}.`;
    } else {
      if (size === "" && sign !== "zero") {
        setVerdict("Choose a size.");
        return;
      }
      right = sign === signOf && (signOf === "zero" || Math.abs(Number(size) - power) <= 1);
      why = `Its numbers go from ${short(gradient.min)} to ${short(gradient.max)}, and their size (the root of the mean square) is ${short(gradient.rms)}.`;
    }
    setVerdict(`${right ? "Right." : "Not right."} ${why}`);
    answer(right);
  };
  return (
    <form class="quiz" onSubmit={submit} aria-label="Quiz">
      <p>
        What is the gradient of the cost with respect to <strong>{nameOf(step)}</strong>?{" "}
        <span class="score">
          {score.right} of {score.asked} right
        </span>
      </p>
      {!answered && number !== null && (
        <label>
          A number:{" "}
          <input
            type="text"
            inputMode="text"
            autocomplete="off"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
      )}
      {!answered && number === null && (
        <>
          <label>
            Its numbers are{" "}
            <select value={sign} onChange={(event) => setSign(event.currentTarget.value as Sign)}>
              <option value="positive">positive or 0</option>
              <option value="negative">negative or 0</option>
              <option value="both">of both signs</option>
              <option value="zero">all 0</option>
            </select>
          </label>
          <label>
            and their size is about{" "}
            <select value={size} onChange={(event) => setSize(event.currentTarget.value)}>
              <option value="">choose</option>
              {[4, 3, 2, 1, 0, -1, -2, -3, -4]
                .map((d) => power + d + 2 - shift)
                .map((p) => (
                  <option key={p} value={p}>
                    {short(10 ** p)}
                  </option>
                ))}
            </select>
          </label>
        </>
      )}
      {!answered && <button type="submit">Answer</button>}
      <p role="status" class="verdict">
        {verdict}
      </p>
    </form>
  );
}
