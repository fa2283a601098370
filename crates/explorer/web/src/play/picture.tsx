// A descent on a curve, or on a map.

import { useMemo } from "preact/hooks";
import { contours } from "./contours";
import type { Cost, Point } from "./costs";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [640, 420, 52, 44, 12, 12];

export interface Path {
  name: string;
  points: Point[];
  /** the number of its colour */
  color: number;
}

interface Props {
  cost: Cost;
  paths: Path[];
  /** the number of steps that are shown */
  shown: number;
  onStart: (at: Point) => void;
}

export function Picture({ cost, paths, shown, onStart }: Props) {
  const flat = cost.from.length === 2;
  const curve = useMemo(() => (flat ? [] : curveOf(cost)), [cost]);
  const lines = useMemo(() => (flat ? contours(cost) : []), [cost]);
  const ys = curve.map((p) => p[1]);
  const [x0, x1] = [cost.from[0], cost.to[0]];
  const air = 0.06 * (Math.max(...ys) - Math.min(...ys));
  const [y0, y1] = flat ? [cost.from[1], cost.to[1]] : [Math.min(...ys) - air, Math.max(...ys) + air];
  const px = (x: number) => LEFT + ((x - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT);
  const py = (y: number) => TOP + ((y1 - y) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);
  // a path that diverges is drawn up to a picture's width beyond the edge
  const near = ([x, y]: Point) => Math.abs(px(x)) < 3 * WIDTH && Math.abs(py(y)) < 3 * HEIGHT;
  const places = (path: Path) => {
    const points = path.points.slice(0, shown + 1).map((p) => (flat ? p : [p[0], cost.value(p)]));
    const far = points.findIndex((p) => !near(p));
    return far < 0 ? points : points.slice(0, far);
  };
  const text = ([x, y]: Point) => `${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
  const click = (event: MouseEvent) => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    const [u, v] = [
      ((event.clientX - box.left) / box.width) * WIDTH,
      ((event.clientY - box.top) / box.height) * HEIGHT,
    ];
    const x = x0 + ((u - LEFT) / (WIDTH - LEFT - RIGHT)) * (x1 - x0);
    const y = y1 - ((v - TOP) / (HEIGHT - TOP - BOTTOM)) * (y1 - y0);
    if (x < x0 || x > x1 || y < y0 || y > y1) return;
    onStart(flat ? [x, y] : [x]);
  };
  const ticks = (from: number, to: number) => [from, (from + to) / 2, to];
  const label = (x: number) => String(Math.round(100 * x) / 100).replace("-", "−");
  return (
    <svg
      class="descent"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      onClick={click}
      aria-label={`${flat ? "a map" : "a curve"} of the cost ${cost.formula}, with the steps of the descent`}
    >
      <clipPath id="frame">
        <rect x={LEFT} y={TOP} width={WIDTH - LEFT - RIGHT} height={HEIGHT - TOP - BOTTOM} />
      </clipPath>
      <path class="axis" d={`M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}`} />
      {ticks(x0, x1).map((x, i) => (
        <text x={px(x)} y={HEIGHT - BOTTOM + 16} class={i === 0 ? "" : i === 1 ? "middle" : "end"}>
          {label(x)}
        </text>
      ))}
      {ticks(y0, y1).map((y) => (
        <text x={LEFT - 6} y={py(y) + 4} class="end">
          {label(y)}
        </text>
      ))}
      <text x={(LEFT + WIDTH) / 2} y={HEIGHT - 6} class="middle">
        {flat ? "x" : "θ"}
      </text>
      <text x={14} y={HEIGHT / 2} class="middle" transform={`rotate(-90 14 ${HEIGHT / 2})`}>
        {flat ? "y" : "cost"}
      </text>
      <g clip-path="url(#frame)">
        {lines.map(({ pieces }) => (
          <path class="level" d={pieces.map(([a, b, c, d]) => `M${text([a, b])}L${text([c, d])}`).join("")} />
        ))}
        {curve.length > 0 && <path class="cost" d={`M${curve.map(text).join("L")}`} />}
        {paths.map((path) => {
          const points = places(path);
          const [x, y] = points[points.length - 1] ?? path.points[0];
          return (
            <g class={`path c${path.color}`}>
              <path d={`M${points.map(text).join("L")}`} />
              {points.map(([x, y]) => (
                <circle cx={px(x)} cy={py(y)} r={2.5} />
              ))}
              <circle class="ball" cx={px(x)} cy={py(y)} r={7} />
            </g>
          );
        })}
      </g>
    </svg>
  );
}

function curveOf(cost: Cost): Point[] {
  const [from, to] = [cost.from[0], cost.to[0]];
  return Array.from({ length: 241 }, (_, i) => from + ((to - from) * i) / 240).map((x) => [x, cost.value([x])]);
}
