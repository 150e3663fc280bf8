/** Sums of s32 tensors, and casts of integer-valued f32 to s32: what the literal ways to correct a zero point need. */
import { type ITensor, isStatic, type Shape, sizeOf, tensor, type ValueId } from '../../../ir/index.ts';
import type { GraphView, Lowering } from './lowering.ts';

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

/** A reorder rounds where a cast truncates and saturates where it wraps: the same for integers inside s32. */
export const castToInteger: Lowering = {
  refuses: (node, view) =>
    boundOf(node.operands[0]!, view) < 2 ** 31 ? undefined : 'the cast may truncate or wrap, and a reorder does not',
  lower(node, r) {
    const [x] = node.operands as [ValueId];
    const [y] = node.results;
    const layout = r.preferredLayout(x);
    const primitive = r.binding.reorder(r.desc(x, layout), r.desc(y, layout), r.threads);
    r.primitive(primitive, { source: r.use(x, layout), destination: r.define(y, layout) });
  },
};

/**
 * The largest magnitude that an f32 value can have when it holds integers alone, else infinity. Sums and products of
 * integers are integers in f32 as well, however they are rounded.
 */
function boundOf(id: ValueId, view: GraphView): number {
  const constant = view.constant(id);
  if (constant) {
    const values = Array.from(constant.data as ArrayLike<number>, Number);
    return values.every(Number.isInteger) ? values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) : Infinity;
  }
  const node = view.producer(id);
  const [a, b] = node?.operands ?? [];
  if (node === undefined || !a) return Infinity;
  if (node.op === 'nn.cast') return { u8: 255, s8: 128 }[view.dtype(a) ?? ''] ?? Infinity;
  if (!b) return Infinity;
  if (node.op === 'nn.sub' || node.op === 'nn.add') return boundOf(a, view) + boundOf(b, view);
  const filterAxis = { 'nn.conv': 0, 'nn.conv_transpose': 1 }[node.op];
  const weights = view.shape(b);
  if (filterAxis === undefined || node.operands[2] || !isStatic(weights)) return Infinity;
  return boundOf(a, view) * boundOf(b, view) * (sizeOf(weights) / weights[filterAxis]);
}
