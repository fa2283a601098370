// Arrays as heatmaps: blue below zero, orange above, so that colour-blind readers tell them apart too.

import { useEffect, useRef, useState } from "preact/hooks";
import { type Numbers, count, shapeOf, short } from "./data";

/** Arrays of up to this many numbers and columns show their numbers. */
const WRITTEN = 64;
const WRITTEN_COLUMNS = 8;

interface Props {
  numbers: Numbers;
  /** what the array is, for its caption and for screen readers */
  label: string;
  /** the entries that belong to the one under the pointer */
  marked?: Set<number>;
  /** told which entry is under the pointer */
  point?: (entry: number | null) => void;
}

export function Heat({ numbers, label, marked, point }: Props) {
  const [under, setUnder] = useState<number | null>(null);
  const at = (entry: number | null) => {
    setUnder(entry);
    point?.(entry);
  };
  const written = numbers.data && numbers.data.length <= WRITTEN && columnsOf(numbers) <= WRITTEN_COLUMNS;
  return (
    <figure class="heat">
      <figcaption>{label}</figcaption>
      {written ? (
        <Written numbers={numbers} label={label} marked={marked} point={at} />
      ) : (
        <Drawn numbers={numbers} label={label} marked={marked} point={at} />
      )}
      <p class="range">
        {numbers.shape.length > 0 && <span>{shapeOf(numbers)}</span>}
        {count(numbers) > 1 && (
          <span>
            min {short(numbers.min)} · mean {short(numbers.mean)} · max {short(numbers.max)}
          </span>
        )}
        {numbers.blocks && <span>a large array: means of blocks</span>}
        {!numbers.data && !numbers.blocks && count(numbers) > 0 && <span>numbers left out</span>}
        {numbers.not_finite > 0 && <strong>{numbers.not_finite} not finite</strong>}
        {under !== null && numbers.data && (
          <span>
            at [{index(under, numbers.shape).join(", ")}]: {short(numbers.data[under])}
          </span>
        )}
      </p>
    </figure>
  );
}

export function columnsOf(numbers: Numbers): number {
  return numbers.shape.length === 0 ? 1 : Math.max(1, numbers.shape[numbers.shape.length - 1]);
}

/** The index of a number along each axis. */
export function index(place: number, shape: number[]): number[] {
  const found: number[] = [];
  for (const size of [...shape].reverse()) {
    found.unshift(place % size);
    place = Math.floor(place / size);
  }
  return found;
}

/** A number from −1 to 1, relative to the largest of the array. */
function strength(x: number, numbers: Numbers): number {
  const largest = Math.max(Math.abs(numbers.min ?? 0), Math.abs(numbers.max ?? 0));
  return Number.isFinite(x) && largest > 0 && Number.isFinite(largest) ? x / largest : 0;
}

function Written({ numbers, label, marked, point }: Props) {
  const data = numbers.data ?? [];
  const columns = columnsOf(numbers);
  const rows = Array.from({ length: Math.ceil(data.length / columns) }, (_, row) => row);
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={label}>
      <table class="numbers" aria-label={label}>
        <tbody>
          {rows.map((row) => (
            <tr key={row}>
              {data.slice(row * columns, (row + 1) * columns).map((x, column) => {
                const entry = row * columns + column;
                const s = strength(x, numbers);
                const side = s < 0 ? "var(--below)" : "var(--above)";
                return (
                  <td
                    key={column}
                    class={marked?.has(entry) ? "marked" : ""}
                    data-value={String(x)}
                    style={{ background: `color-mix(in srgb, ${side} ${Math.round(Math.abs(s) * 45)}%, var(--paper))` }}
                    onPointerEnter={() => point?.(entry)}
                    onPointerLeave={() => point?.(null)}
                  >
                    {short(x)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Drawn({ numbers, label, marked, point }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const data = numbers.data ?? numbers.blocks?.means ?? [];
  const columns = numbers.data ? columnsOf(numbers) : (numbers.blocks?.columns ?? 1);
  const rows = Math.ceil(data.length / columns);
  const side = Math.max(4, Math.min(16, Math.floor(320 / columns), Math.floor(320 / Math.max(rows, 1))));
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const changed = () => setTheme((n) => n + 1);
    document.addEventListener("theme", changed);
    return () => document.removeEventListener("theme", changed);
  }, []);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !canvas.current) return;
    const style = getComputedStyle(canvas.current);
    const [below, above, paper, ink] = ["--below", "--above", "--paper", "--ink"].map((name) =>
      style.getPropertyValue(name).trim(),
    );
    context.fillStyle = paper;
    context.fillRect(0, 0, canvas.current.width, canvas.current.height);
    data.forEach((x, entry) => {
      const [left, top] = [(entry % columns) * side, Math.floor(entry / columns) * side];
      const s = strength(x, numbers);
      context.globalAlpha = Math.abs(s);
      context.fillStyle = s < 0 ? below : above;
      context.fillRect(left, top, side, side);
      context.globalAlpha = 1;
      context.strokeStyle = context.fillStyle = ink;
      if (!Number.isFinite(x)) context.fillRect(left + side / 4, top + side / 4, side / 2, side / 2);
      if (marked?.has(entry)) context.strokeRect(left + 0.5, top + 0.5, side - 1, side - 1);
    });
  }, [numbers, marked, theme]);
  if (data.length === 0) return null;
  const entryAt = (event: PointerEvent) => {
    const bounds = (event.target as HTMLElement).getBoundingClientRect();
    const column = Math.floor(((event.clientX - bounds.left) / bounds.width) * columns);
    const row = Math.floor(((event.clientY - bounds.top) / bounds.height) * rows);
    const entry = row * columns + column;
    point?.(numbers.data && entry >= 0 && entry < data.length ? entry : null);
  };
  return (
    <canvas
      ref={canvas}
      width={columns * side}
      height={rows * side}
      role="img"
      aria-label={`${label}: ${shapeOf(numbers)}, from ${short(numbers.min)} to ${short(numbers.max)}, mean ${short(numbers.mean)}`}
      onPointerMove={entryAt}
      onPointerLeave={() => point?.(null)}
    />
  );
}
