/** Operators that pick elements by indices. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnEqual, nnGather, nnGatherNd, nnMul, nnWhere, type Value } from '../../../ir/index.ts';
import { tensor } from '../../../tensors/index.ts';
import { laid, regrouped, withNew, without } from '../axes.ts';
import { defineTfliteOp, last, type Result, type TfliteOp } from '../define_tflite_op.ts';
import { axisIn } from '../layouts.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';

/** Indices of a type that the operators of the IR take. */
function indicesOf(ctx: OperatorContext, operand: Operand): Value {
  const value = ctx.last(operand);
  return operand.dtype === 's64' ? value : ctx.cast(value, 's32');
}

/** The axis is replaced by the axes of the indices. */
function gathered(ctx: OperatorContext, x: Operand, indices: Operand, axis: number): Result {
  const rank = indices.shape.length;
  const { value, layout, order } = laid(ctx, x, rank > 1 ? 'last' : undefined);
  const at = axisIn(layout, x.shape.length, axis);
  const picked = ctx.emit(nnGather, { x: value, indices: indicesOf(ctx, indices) }, { axis: at });
  if (rank === 1 || layout === 'last') return { value: picked, layout };
  const kept = without(x.shape.length, [axis]);
  const renamed = order.filter((a) => a !== axis).map((a) => kept.indexOf(a));
  return regrouped(ctx, { value: picked, layout, order: renamed }, [...kept.keys()]);
}

/** The first `count` axes go along in x and in the indices. */
function gatheredInBatches(ctx: OperatorContext, x: Operand, indices: Operand, axis: number, count: number): Result {
  const rank = x.shape.length;
  const [batch, between, after] = [without(count, []), range(count, axis), range(axis + 1, rank)];
  const moved = ctx.transpose(ctx.last(x), [...batch, axis, ...between, ...after]);
  const rows = ctx.reshape(indicesOf(ctx, indices), [...indices.shape, 1]);
  const picked = ctx.emit(nnGatherNd, { x: moved, indices: rows }, { batchDims: count });
  // [batch…, indices…, between…, after…]
  const own = indices.shape.length - count;
  const places = range(count, count + own);
  const betweenNow = between.map((a) => a + own);
  const end = range(axis + own, rank - 1 + own);
  return last(ctx.transpose(picked, [...batch, ...betweenNow, ...places, ...end]));
}

const range = (from: number, to: number): readonly number[] => Array.from({ length: to - from }, (_, i) => from + i);

const gather = defineTfliteOp({
  name: 'GATHER',
  inputs: ['x', 'indices'],
  options: tfliteOptions.gatherOptions,
  import(ctx, options) {
    const [x, indices] = [ctx.get('x'), ctx.get('indices')];
    const axis = ctx.axis(options.axis, x.shape.length);
    const count = options.batchDims < 0 ? options.batchDims + indices.shape.length : options.batchDims;
    if (count < 0 || count > axis || count > indices.shape.length)
      ctx.refuse(`${options.batchDims} axes of batches do not fit axis ${axis}`, 'U2005');
    return count === 0 ? gathered(ctx, x, indices, axis) : gatheredInBatches(ctx, x, indices, axis, count);
  },
});

const gatherNd = defineTfliteOp({
  name: 'GATHER_ND',
  inputs: ['x', 'indices'],
  import: (ctx) =>
    last(ctx.emit(nnGatherNd, { x: ctx.last(ctx.get('x')), indices: indicesOf(ctx, ctx.get('indices')) })),
});

/** Rows of a table. 8-bit rows become floats by their scale; the kernel has no zero point. */
const embeddingLookup = defineTfliteOp({
  name: 'EMBEDDING_LOOKUP',
  inputs: ['indices', 'x'],
  import(ctx) {
    const [indices, x] = [ctx.get('indices'), ctx.get('x')];
    const rows = ctx.emit(nnGather, { x: ctx.last(x), indices: indicesOf(ctx, indices) }, { axis: 0 });
    if (x.dtype === ctx.outputType()) return last(rows);
    if (x.dtype !== 's8' || ctx.outputType() !== 'f32')
      return ctx.unsupported(`rows of ${x.dtype} that become ${ctx.outputType()}`);
    const { scale } = ctx.perTensor(x.tensor);
    return last(ctx.emit(nnMul, { a: ctx.cast(rows, 'f32'), b: ctx.scalar('f32', scale, 'scale') }));
  },
});

/** y = on where the index along the new axis is the given one, else off. */
const oneHot = defineTfliteOp({
  name: 'ONE_HOT',
  inputs: ['indices', 'depth', 'on', 'off'],
  options: tfliteOptions.oneHotOptions,
  import(ctx, options) {
    const indices = ctx.get('indices');
    const rank = indices.shape.length;
    const [depth] = ctx.integers(ctx.get('depth'));
    if (!(depth >= 0)) ctx.refuse(`a depth of ${depth}`, 'U2005');
    const axis = ctx.axis(options.axis, rank + 1);
    const spread = regrouped(ctx, laid(ctx, indices, 'last'), withNew(rank, axis)).value;
    const numbers = Array.from({ length: depth }, (_, i) => i);
    const along = [depth, ...Array<number>(rank - axis).fill(1)];
    const positions = ctx.cast(ctx.constant(tensor('s32', numbers, along), 'positions'), indices.dtype);
    const cond = ctx.emit(nnEqual, { a: spread, b: positions });
    const [a, b] = [ctx.last(ctx.get('on')), ctx.last(ctx.get('off'))];
    return last(ctx.emit(nnWhere, { cond, a, b }));
  },
});

export const gatherOps: readonly TfliteOp[] = [gather, gatherNd, embeddingLookup, oneHot];
