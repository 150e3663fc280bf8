/**
 * AVERAGE_POOL_2D of integers, as the reference and the optimized kernels of TensorFlow Lite compute it (AveragePool of
 * reference_integer_ops): the mean of the raw integers of the n cells that a window covers, without scale or zero point, as x and y
 * have the same ones. Ties go away from zero; / cuts towards zero.
 *
 *   y = (Σq + ⌊n/2⌋)/n for Σq > 0, else (Σq − ⌊n/2⌋)/n
 */
import { factorLike } from './mean_factor.ts';

export function averageOfRaw(sum: number, count: number): number {
  const half = Math.floor(count / 2);
  return Math.trunc((sum > 0 ? sum + half : sum - half) / count);
}

/** A binary32 factor that rounds every sum of `count` integers in [low, high] like their mean, where there is one. */
export const averageFactor = (count: number, low: number, high: number): number | undefined =>
  factorLike((sum) => averageOfRaw(sum, count), 1 / count, {
    least: low * count,
    most: high * count,
    zeroPoint: 0,
    low,
    high,
  });
