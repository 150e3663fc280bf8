/** Mean and standard deviation of a tensor's elements, in real units. */
export interface Moments {
  readonly mean: number;
  readonly deviation: number;
}

const STEPS = 801;
/** Points of a standard normal variable in [-5, 5] and their probabilities. */
const POINTS = Array.from({ length: STEPS }, (_, i) => -5 + (10 * i) / (STEPS - 1));
const DENSITY = POINTS.map((z) => Math.exp((-z * z) / 2));
const TOTAL = DENSITY.reduce((a, b) => a + b);
const PROBABILITY = DENSITY.map((d) => d / TOTAL);

/** Moments of the largest of `count` independent normal variables, clipped to [low, high]; `count` may be fractional. */
export function clippedNormal({ mean, deviation }: Moments, low: number, high: number, count = 1): Moments {
  let cumulative = 0;
  let first = 0;
  let second = 0;
  for (let i = 0; i < STEPS; i++) {
    // P(max in this cell) = F^count - (F before)^count.
    const before = cumulative;
    cumulative = Math.min(1, cumulative + PROBABILITY[i]!);
    const p = cumulative ** count - before ** count;
    const value = Math.min(high, Math.max(low, mean + deviation * POINTS[i]!));
    first += p * value;
    second += p * value * value;
  }
  return { mean: first, deviation: Math.sqrt(Math.max(0, second - first * first)) };
}
