/** How large accumulators can become, from the weights themselves. */
import { dtypes, type ITensor } from '../../ir/index.ts';
import type { ConvMatch, Eight } from './operands.ts';

/**
 * max over filters of Σ |x − zx|·|w|, the most that any partial sum of the convolution can be, in any order of summation.
 * Needs constant weights, filters first, and a constant zero point (or none).
 */
export function accumulatorBound(
  { data, shape }: ITensor<Eight>,
  { x, zx, constant }: Pick<ConvMatch, 'x' | 'zx' | 'constant'>,
): number {
  const zero = constant(zx)?.data[0] ?? 0;
  const { min, max } = dtypes[x.type.dtype];
  const reach = Math.max(max - zero, zero - min);
  const perFilter = data.length / Math.max(shape[0], 1);
  let bound = 0;
  for (let o = 0, at = 0; o < shape[0]; o++) {
    let sum = 0;
    for (const end = at + perFilter; at < end; at++) sum += Math.abs(data[at]);
    bound = Math.max(bound, sum);
  }
  return bound * reach;
}
