/** Sums of s32 tensors: what the literal ways to correct a zero point need. */
import { type ITensor, type Shape, sizeOf, tensor, type ValueId } from '../../../ir/index.ts';
import type { Lowering } from './lowering.ts';

/**
 * a ± b over s32, wrapping. One shape: the kernel's row·column with as many rows as channels, columns ±1. A constant per
 * channel: the kernel's bias.
 */
export const integerSum = (sign: 1 | -1): Lowering => ({
  refuses(node, view) {
    const shapes = node.operands.map((id) => view.shape(id!));
    if (node.operands.some((id) => view.dtype(id) !== 's32')) return 'no primitive or kernel adds this type';
    const isServed =
      isSame(shapes[0], shapes[1]) || (isPerChannel(shapes[1], shapes[0]) && view.constant(node.operands[1]));
    return isServed && shapes[0].length >= 2 ? undefined : 'an s32 sum that broadcasts';
  },
  lower(node, r) {
    const [a, b] = node.operands as [ValueId, ValueId];
    const [y] = node.results;
    const shape = r.shape(y);
    const added = isSame(r.shape(b), shape) ? undefined : (r.constant(b) as ITensor<'s32'>);
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

const isSame = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

/** [C, 1, …] or [1, C, 1, …] beside [N, C, …]. */
function isPerChannel(added: Shape, sum: Shape): boolean {
  const missing = sum.length - added.length;
  const isAligned = sum.length > 2 && (missing === 0 || missing === 1);
  return isAligned && added.every((dim, i) => dim === (i + missing === 1 ? sum[1] : 1));
}
