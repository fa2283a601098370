// Contour lines of a cost over a plane, by marching squares.

import type { Cost } from "./costs";

const GRID = 90;
const LEVELS = 14;

export interface Lines {
  level: number;
  /** pieces of the line, each from one edge of a cell of the grid to another */
  pieces: [number, number, number, number][];
}

/** The lines are closer where the cost is low. */
export function contours(cost: Cost): Lines[] {
  const place = (axis: number, i: number) => cost.from[axis] + ((cost.to[axis] - cost.from[axis]) * i) / GRID;
  const values = Array.from({ length: GRID + 1 }, (_, j) =>
    Array.from({ length: GRID + 1 }, (_, i) => cost.value([place(0, i), place(1, j)])),
  );
  const sorted = values.flat().sort((a, b) => a - b);
  const levels = Array.from(
    { length: LEVELS },
    (_, k) => sorted[Math.floor(sorted.length * ((k + 1) / (LEVELS + 1)) ** 2)],
  );
  return levels.map((level) => ({ level, pieces: pieces(values, level, place) }));
}

function pieces(values: number[][], level: number, place: (axis: number, i: number) => number): Lines["pieces"] {
  const found: Lines["pieces"] = [];
  for (let j = 0; j < GRID; j++) {
    for (let i = 0; i < GRID; i++) {
      const corners: [number, number][] = [
        [i, j],
        [i + 1, j],
        [i + 1, j + 1],
        [i, j + 1],
      ];
      const crossings: [number, number][] = [];
      for (let k = 0; k < 4; k++) {
        const [[ai, aj], [bi, bj]] = [corners[k], corners[(k + 1) % 4]];
        const [a, b] = [values[aj][ai], values[bj][bi]];
        if (a < level === b < level) continue;
        const t = (level - a) / (b - a);
        crossings.push([place(0, ai + t * (bi - ai)), place(1, aj + t * (bj - aj))]);
      }
      for (let k = 0; k + 1 < crossings.length; k += 2) found.push([...crossings[k], ...crossings[k + 1]]);
    }
  }
  return found;
}
