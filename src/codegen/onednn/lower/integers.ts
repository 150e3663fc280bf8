/** Sums and products of s32 tensors, as of the literal ways to correct a zero point, and of weighted positions. */
import { type OpWith, type Shape, sameShape, sizeOf, tensor, type View } from '../../../ir/index.ts';
import type { Recorder } from '../recorder.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { wordBinary } from './word_binary.ts';

/** a · b over s32, wrapping. */
export const integerProduct: Lowering<OpWith<'a' | 'b'>> = {
  refuses: ({ a, b }, graph) =>
    [a, b].every((id) => graph.dtype(id) === 's32') ? undefined : 'its kernel computes f32 and s32 only',
  lower: (pair, r) => wordBinary(pair, r, 'mul', 's32'),
};

type Sum = View<OpWith<'a' | 'b'>>;
type Known = Pick<GraphView, 'shape' | 'constant'>;

/** Sums that the requantize kernel computes. */
function isRequantized({ a, b }: Sum, graph: Known): boolean {
  const [sum, added] = [graph.shape(a), graph.shape(b)];
  const isServed = sameShape(sum, added) || (isPerChannel(added, sum) && graph.constant(b) !== undefined);
  return isServed && sum.length >= 2;
}

/**
 * a ± b over s32, wrapping. One shape: the kernel's row·column with as many rows as channels, columns ±1. A constant per
 * channel: the kernel's bias. Other sums have a kernel of their own.
 */
export const integerSum = (sign: 1 | -1): Lowering<OpWith<'a' | 'b'>> => ({
  refuses: ({ a, b }, graph) =>
    [a, b].every((id) => graph.dtype(id) === 's32') ? undefined : 'no primitive or kernel adds this type',
  lower(view, r) {
    if (isRequantized(view, r)) byRequantizing(view, r, sign);
    else wordBinary(view, r, sign === 1 ? 'add' : 'sub', 's32');
  },
});

function byRequantizing({ a, b, y }: Sum, r: Recorder, sign: 1 | -1): void {
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
    { source: r.use(a, layout), ...terms, destination: r.define(y, layout) },
  );
}

/** [C, 1, …] or [1, C, 1, …] beside [N, C, …]. */
function isPerChannel(added: Shape, sum: Shape): boolean {
  const missing = sum.length - added.length;
  const isAligned = sum.length > 2 && (missing === 0 || missing === 1);
  return isAligned && added.every((dim, i) => dim === (i + missing === 1 ? sum[1] : 1));
}
