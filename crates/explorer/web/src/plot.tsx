// A small plot of lines over two axes.

import { short } from "./data";

export interface Line {
  x: number[];
  y: number[];
  kind: string;
}

interface Props {
  lines: Line[];
  dot?: [number, number];
  label: string;
  across: string;
  up: string;
  /** a logarithmic axis upwards */
  log?: boolean;
}

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [340, 200, 66, 32, 10];

/** From where to where the axis goes: a pole, where the cost is far larger than elsewhere, does not stretch it. */
function range(heights: number[]): [number, number] {
  const sorted = [...heights].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.round(part * (sorted.length - 1))];
  const room = 3 * (at(0.85) - at(0.15));
  return room > 0 ? [Math.max(at(0), at(0.15) - room), Math.min(at(1), at(0.85) + room)] : [at(0), at(1)];
}

export function Plot({ lines, dot, label, across, up, log }: Props) {
  const height = (y: number) => (log ? Math.log10(Math.max(y, 1e-12)) : y);
  const finite = (numbers: number[]) => numbers.filter(Number.isFinite);
  const xs = finite(lines.flatMap((line) => line.x));
  // lines of the kinds "aside" and "place" do not stretch the axis
  const ys = finite(
    lines.filter((line) => line.kind !== "aside" && line.kind !== "place").flatMap((line) => line.y.map(height)),
  );
  if (xs.length === 0 || ys.length === 0) return <p>There is nothing to draw.</p>;
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  let [y0, y1] = range(ys);
  if (y1 - y0 < 1e-12 * Math.max(1, Math.abs(y0))) [y0, y1] = [y0 - 0.5, y1 + 0.5];
  const px = (x: number) => LEFT + ((x - x0) / (x1 - x0 || 1)) * (WIDTH - LEFT - 10);
  const py = (y: number) => TOP + ((y1 - height(y)) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);
  // a line begins anew after a point that cannot be drawn
  const path = (line: Line) => {
    let drawing = false;
    return line.x
      .map((x, i) => {
        const drawn = Number.isFinite(x) && Number.isFinite(line.y[i]);
        const text = drawn ? `${drawing ? "L" : "M"}${px(x).toFixed(1)} ${py(line.y[i]).toFixed(1)}` : "";
        drawing = drawn;
        return text;
      })
      .join("");
  };
  const told = (y: number) => short(log ? 10 ** y : y);
  const clip = `clip-${label.replace(/\W/g, "")}`;
  return (
    <svg class="plot" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <clipPath id={clip}>
        <rect x={LEFT} y={TOP} width={WIDTH - LEFT} height={HEIGHT - TOP - BOTTOM} />
      </clipPath>
      <path class="axis" d={`M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - 4}`} />
      <text x={LEFT - 5} y={TOP + 8} class="end">
        {told(y1)}
      </text>
      <text x={LEFT - 5} y={HEIGHT - BOTTOM} class="end">
        {told(y0)}
      </text>
      <text x={LEFT} y={HEIGHT - BOTTOM + 13}>
        {short(x0)}
      </text>
      <text x={WIDTH - 6} y={HEIGHT - BOTTOM + 13} class="end">
        {short(x1)}
      </text>
      <text x={(WIDTH + LEFT) / 2} y={HEIGHT - 4} class="middle">
        {across}
      </text>
      <text x={12} y={(HEIGHT - BOTTOM) / 2} class="middle" transform={`rotate(-90 12 ${(HEIGHT - BOTTOM) / 2})`}>
        {up}
      </text>
      <g clip-path={`url(#${clip})`}>
        {lines.map((line, i) => (
          <path key={i} class={`line ${line.kind}`} d={path(line)} />
        ))}
      </g>
      {dot && <circle cx={px(dot[0])} cy={py(dot[1])} r={4.5} />}
    </svg>
  );
}
