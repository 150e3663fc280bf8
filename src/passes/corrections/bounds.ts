/** Bounds on accumulators, from the weights themselves. */
import { type ByteType, dtypes, type ITensor, sumByFilter } from '../../ir/index.ts';
import type { ProductMatch } from './operands.ts';

/**
 * max over filters of Σ |x − zx|·|w|, the most that any partial sum of the product can be, in any order of summation.
 * Needs constant weights and a constant zero point (or none).
 */
export function accumulatorBound(
  { data, shape }: ITensor<ByteType>,
  { x, zx, layout, constant }: Pick<ProductMatch, 'x' | 'zx' | 'layout' | 'constant'>,
): number {
  const zero = constant(zx)?.data[0] ?? 0;
  const { min, max } = dtypes[x.type.dtype];
  const reach = Math.max(max - zero, zero - min);
  return sumByFilter(data, layout, shape, Math.abs).reduce((a, b) => Math.max(a, b), 0) * reach;
}
