/** How large accumulators can become, from the weights themselves. */
import {
  dtypes,
  filterCount,
  forEachFilterRun,
  type ITensor,
  type ProductLayout,
  weightsLayout,
} from '../../ir/index.ts';
import type { Eight, ProductMatch } from './operands.ts';

/**
 * max over filters of Σ |x − zx|·|w|, the most that any partial sum of the product can be, in any order of summation.
 * Needs constant weights and a constant zero point (or none).
 */
export function accumulatorBound(
  w: ITensor<Eight>,
  { x, zx, layout, constant }: Pick<ProductMatch, 'x' | 'zx' | 'layout' | 'constant'>,
): number {
  const zero = constant(zx)?.data[0] ?? 0;
  const { min, max } = dtypes[x.type.dtype];
  const reach = Math.max(max - zero, zero - min);
  return largestMagnitude(w, layout) * reach;
}

/** max over filters of Σ|w − zero|, of zero points one for each filter. */
export function largestMagnitude({ data, shape }: ITensor<Eight>, of: ProductLayout): number {
  const sums = new Float64Array(filterCount(of, shape));
  forEachFilterRun(weightsLayout(of, shape), (start, end, filter) => {
    let sum = 0;
    for (let at = start; at < end; at++) sum += Math.abs(data[at]);
    sums[filter] += sum;
  });
  return sums.reduce((a, b) => Math.max(a, b), 0);
}
