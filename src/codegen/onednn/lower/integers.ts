/** Sums of s32 tensors, for the literal ways to correct a zero point. */
import { type OpWith, type Shape, sameShape, sizeOf, tensor } from '../../../ir/index.ts';
import type { Lowering } from './lowering.ts';

/**
 * a ± b over s32, wrapping. One shape: the kernel's row·column with as many rows as channels, columns ±1. A constant per
 * channel: the kernel's bias.
 */
export const integerSum = (sign: 1 | -1): Lowering<OpWith<'a' | 'b'>> => ({
  refuses({ a, b }, graph) {
    if ([a, b].some((id) => graph.dtype(id) !== 's32')) return 'no primitive or kernel adds this type';
    const [sum, added] = [graph.shape(a), graph.shape(b)];
    const isServed = sameShape(sum, added) || (isPerChannel(added, sum) && graph.constant(b));
    return isServed && sum.length >= 2 ? undefined : 'an s32 sum that broadcasts';
  },
  lower({ a, b, y }, r) {
    const shape = r.shape(y);
    const added = sameShape(r.shape(b), shape) ? undefined : r.constantOf(b, 's32');
    const layout = shape.length <= 2 ? 'row-major' : added ? 'channels-last' : r.preferredLayout(a);
    const channels = layout === 'channels-last' ? shape[1] : shape[shape.length - 1];
    const terms = added
      ? {
          bias: r.data(
            tensor(
              's32',
              added.data.map((v) => sign * v),
            ),
          ),
        }
      : { row: r.use(b, layout), column: r.data(tensor('s32', new Int32Array(channels).fill(sign))) };
    r.kernel(
      {
        name: 'requantize',
        type: 's32',
        outer: sizeOf(shape) / channels,
        channels,
        inner: 1,
        groups: added ? 1 : channels,
        mapRows: 0,
        zeroPoint: 0,
        low: -(2 ** 31),
        high: 2 ** 31 - 1,
      },
      {
        source: r.use(a, layout),
        ...terms,
        destination: r.define(y, layout),
      },
    );
  },
});

/** [C, 1, …] or [1, C, 1, …] beside [N, C, …]. */
function isPerChannel(added: Shape, sum: Shape): boolean {
  const missing = sum.length - added.length;
  const isAligned = sum.length > 2 && (missing === 0 || missing === 1);
  return isAligned && added.every((dim, i) => dim === (i + missing === 1 ? sum[1] : 1));
}
