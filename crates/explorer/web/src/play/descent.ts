// The rules of the course, with the formulas and the defaults of gradus. A test compares their paths with those that
// gradus computes.

import type { Cost, Point } from "./costs";

export const METHODS = ["plain", "momentum", "Nesterov", "AdaGrad", "RMSprop", "Adam"] as const;
export type Method = (typeof METHODS)[number];

export interface Settings {
  method: Method;
  rate: number;
  /** how much of the velocity is kept, with momentum */
  keep: number;
  steps: number;
}

/** The difference between a parameter and the next one, given its gradient; with memory of its own. */
function rule({ method, rate, keep }: Settings): (g: number, t: number) => number {
  let [m, v] = [0, 0];
  switch (method) {
    case "plain":
      return (g) => rate * g;
    case "momentum":
      return (g) => {
        m = keep * m + g;
        return rate * m;
      };
    case "Nesterov":
      return (g) => {
        m = keep * m + g;
        return rate * (g + keep * m);
      };
    case "AdaGrad":
      return (g) => {
        v += g * g;
        return (rate * g) / (Math.sqrt(v) + 1e-10);
      };
    case "RMSprop":
      return (g) => {
        v = 0.99 * v + 0.01 * g * g;
        return (rate * g) / (Math.sqrt(v) + 1e-8);
      };
    case "Adam":
      return (g, t) => {
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        return (rate * (m / (1 - 0.9 ** t))) / (Math.sqrt(v / (1 - 0.999 ** t)) + 1e-8);
      };
  }
}

/** The path of a descent, the start included. It ends early if it leaves all bounds. */
export function descend(cost: Cost, start: Point, settings: Settings): Point[] {
  const rules = start.map(() => rule(settings));
  const path = [start];
  for (let t = 1; t <= settings.steps; t++) {
    const at = path[path.length - 1];
    const gradient = cost.gradient(at);
    const next = at.map((x, i) => x - rules[i](gradient[i], t));
    if (!next.every((x) => Math.abs(x) < 1e6)) break;
    path.push(next);
  }
  return path;
}
