// The costs of the course, with their gradients.

export type Point = number[];

export interface Cost {
  formula: string;
  value(p: Point): number;
  gradient(p: Point): Point;
  /** the part of the line or of the plane that is shown */
  from: Point;
  to: Point;
  start: Point;
}

export const bowl: Cost = {
  formula: "5 θ²",
  value: ([x]) => 5 * x * x,
  gradient: ([x]) => [10 * x],
  from: [-2],
  to: [2],
  start: [-1],
};

export const twoValleys: Cost = {
  formula: "¼ θ⁴ − ½ θ² + 0.1 θ",
  value: ([x]) => 0.25 * x ** 4 - 0.5 * x * x + 0.1 * x,
  gradient: ([x]) => [x ** 3 - x + 0.1],
  from: [-1.8],
  to: [1.8],
  start: [1.6],
};

export const himmelblau: Cost = {
  formula: "(x² + y − 11)² + (x + y² − 7)²",
  value: ([x, y]) => (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2,
  gradient: ([x, y]) => {
    const [a, b] = [x * x + y - 11, x + y * y - 7];
    return [4 * x * a + 2 * b, 2 * a + 4 * y * b];
  },
  from: [-5, -5],
  to: [5, 5],
  start: [4.5, 4.5],
};

export const ravine: Cost = {
  formula: "½ (100 x² + y²)",
  value: ([x, y]) => 50 * x * x + 0.5 * y * y,
  gradient: ([x, y]) => [100 * x, y],
  from: [-1.4, -1],
  to: [1.4, 3.4],
  start: [1, 3],
};
