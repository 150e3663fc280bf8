/** Means as one product of binary32, where a factor rounds like them for every sum there can be. */
import { clampTo, nextFloat32, roundHalfEven } from './rounding.ts';

/** The sums that occur, and the integers of the result. */
export interface SumRange {
  readonly least: number;
  readonly most: number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
}

/** The most sums for which a factor is looked for. */
const MOST_SUMS = 2 ** 22;

/**
 * A binary32 number m next to `near` with sat(rne(fl(Σ·m)) + zeroPoint) = mean(Σ) for all sums, where there is one: ties that go away
 * from zero, and products of two factors, are met by a neighbour.
 */
export function factorLike(
  mean: (sum: number) => number,
  near: number,
  { least, most, zeroPoint, low, high }: SumRange,
): number | undefined {
  if (most - least > MOST_SUMS) return undefined;
  const fits = (factor: number): boolean => {
    for (let sum = least; sum <= most; sum++)
      if (clampTo(low, high, roundHalfEven(Math.fround(sum * factor)) + zeroPoint) !== mean(sum)) return false;
    return true;
  };
  return [0, 1, -1, 2, -2].map((steps) => nextFloat32(near, steps)).find(fits);
}
