/** Sums of s32 tensors, and casts of integer-valued f32 to s32: what the literal ways to correct a zero point need. */
import { isStatic, sizeOf, tensor, type ValueId } from '../../../ir/index.ts';
import type { GraphView, Lowering } from './lowering.ts';

/** a ± b over s32 tensors of one shape, wrapping: the kernel's row·column with as many rows as channels, columns ±1. */
export const integerSum = (sign: 1 | -1): Lowering => ({
  refuses(node, view) {
    const shapes = node.operands.map((id) => view.shape(id!));
    if (node.operands.some((id) => view.dtype(id) !== 's32')) return 'no primitive or kernel adds this type';
    const isSame = shapes[0].length === shapes[1].length && shapes[0].every((d, i) => d === shapes[1][i]);
    return isSame && shapes[0].length >= 2 ? undefined : 'an s32 sum that broadcasts';
  },
  lower(node, r) {
    const [a, b] = node.operands as [ValueId, ValueId];
    const [y] = node.results;
    const shape = r.shape(y);
    const layout = shape.length > 2 ? r.preferredLayout(a) : 'row-major';
    const channels = layout === 'channels-last' ? shape[1] : shape[shape.length - 1];
    r.kernel(
      {
        name: 'requantize',
        type: 's32',
        outer: sizeOf(shape) / channels,
        channels,
        inner: 1,
        groups: channels,
        mapRows: 0,
        zeroPoint: 0,
        low: -(2 ** 31),
        high: 2 ** 31 - 1,
      },
      {
        source: r.use(a, layout),
        row: r.use(b, layout),
        column: r.data(tensor('s32', new Int32Array(channels).fill(sign))),
        destination: r.define(y, layout),
      },
    );
  },
});

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
