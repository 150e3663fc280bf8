/**
 * A monotone step function of an integer is known by where it steps. Two of them with at most 256 levels are equal on
 * an interval iff their thresholds are: about 32 evaluations per level instead of 2^32.
 */
type Step = (accumulator: number) => number;

const int32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };

/**
 * For each level in low + 1 … high the least accumulator in [min, max] with f(accumulator) ≥ level, or max + 1.
 * @param f monotone (not decreasing)
 */
export function requantizeThresholds(
  f: Step,
  low: number,
  high: number,
  min: number = int32.min,
  max: number = int32.max,
): Float64Array {
  const thresholds = new Float64Array(high - low);
  let from = min;
  for (let level = low + 1; level <= high; level++) thresholds[level - low - 1] = from = reach(f, level, from, max);
  return thresholds;
}

/**
 * Compares two monotone step functions on all integers of [min, max]. Returns the least accumulator at which they
 * differ, or undefined when they agree.
 */
export function sameRequantize(f: Step, g: Step, min: number, max: number): number | undefined {
  let from = min;
  for (let level = Math.min(f(min), g(min)) + 1; level <= Math.max(f(max), g(max)); level++) {
    const byF = reach(f, level, from, max);
    const byG = reach(g, level, from, max);
    if (byF !== byG) return Math.min(byF, byG);
    from = byF;
  }
  return undefined;
}

/**
 * True when two monotone step functions agree on all integers of [min, max]. `near(level)` is about the least
 * accumulator with f ≥ level, so that a level needs only four evaluations.
 */
export function sameStepsNear(f: Step, g: Step, near: (level: number) => number, min: number, max: number): boolean {
  const [first, last] = [f(min), f(max)];
  if (first !== g(min) || last !== g(max)) return false;
  for (let level = first + 1; level <= last; level++) {
    let at = Math.min(Math.max(Math.ceil(near(level)), min + 1), max);
    for (let tries = 0; f(at) < level; at++) if (++tries > NEAR) return sameRequantize(f, g, min, max) === undefined;
    for (let tries = 0; f(at - 1) >= level; at--)
      if (++tries > NEAR) return sameRequantize(f, g, min, max) === undefined;
    if (g(at) < level || g(at - 1) >= level) return false;
  }
  return true;
}

/** The largest error of a guess; beyond it, bisection is faster. */
const NEAR = 64;

/** The least x in [from, max] with f(x) ≥ level, or max + 1. Steps lie near each other: gallop, then bisect. */
function reach(f: Step, level: number, from: number, max: number): number {
  let below = from - 1;
  let stride = 1;
  let above = from;
  while (above <= max && f(above) < level) {
    below = above;
    above += stride;
    stride *= 2;
  }
  if (above > max) above = max + 1;
  while (above - below > 1) {
    const middle = Math.floor((above + below) / 2);
    if (f(middle) < level) below = middle;
    else above = middle;
  }
  return above;
}
