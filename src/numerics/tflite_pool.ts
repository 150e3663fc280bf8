/**
 * AVERAGE_POOL_2D of integers, as the reference and the optimized kernels of TensorFlow Lite compute it (AveragePool of
 * reference_integer_ops): the mean of the raw integers of the n cells that a window covers, without scale or zero point, as x and y
 * have the same ones. Ties go away from zero; / cuts towards zero.
 *
 *   y = (Σq + ⌊n/2⌋)/n for Σq > 0, else (Σq − ⌊n/2⌋)/n
 */
import { nextFloat32, roundHalfEven } from './rounding.ts';

export function averageOfRaw(sum: number, count: number): number {
  const half = Math.floor(count / 2);
  return Math.trunc((sum > 0 ? sum + half : sum - half) / count);
}

/** The largest number of cells for which a factor is looked for: its time grows with the number of sums. */
const MOST_CELLS = 2 ** 14;

/**
 * A binary32 factor m with rne(fl(Σ·m)) = averageOfRaw(Σ, n) for every sum of n integers in [low, high], where there is one: a factor a
 * little above 1/n moves ties away from zero.
 */
export function averageFactor(count: number, low: number, high: number): number | undefined {
  if (count > MOST_CELLS) return undefined;
  const fits = (factor: number): boolean => {
    for (let sum = low * count; sum <= high * count; sum++)
      if (roundHalfEven(Math.fround(sum * factor)) !== averageOfRaw(sum, count)) return false;
    return true;
  };
  return [0, 1, 2].map((steps) => nextFloat32(1 / count, steps)).find(fits);
}
