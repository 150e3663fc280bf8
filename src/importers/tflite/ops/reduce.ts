/** Reductions over axes, and the positions of extremes. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import {
  nnAdd,
  nnArgMax,
  nnArgMin,
  nnDiv,
  nnMul,
  nnReduceMax,
  nnReduceMean,
  nnReduceMin,
  nnReduceProd,
  nnReduceSum,
  nnSub,
  qnnGlobalAveragePool,
  qnnRequantize,
  type Value,
} from '../../../ir/index.ts';
import {
  type FloatEnd,
  optimizedSum,
  referenceReduction,
  requantizeModes,
  xnnpackReduction,
} from '../../../numerics/index.ts';
import { type ByteType, isByteType, isFloat } from '../../../tensors/index.ts';
import { requantizedBy } from '../../kit/requantize.ts';
import { axesOf, axisOf, laid, regrouped, without } from '../axes.ts';
import { defineTfliteOp, type Result, type TfliteOp } from '../define_tflite_op.ts';
import { isDelegable } from '../delegate.ts';
import type { Operand, OperatorContext, PerTensor } from '../operator_context.ts';
import { rescaledBy } from '../rescale.ts';
import { stored } from '../stored.ts';

type Reducer = typeof nnReduceSum | typeof nnReduceProd | typeof nnReduceMax | typeof nnReduceMin | typeof nnReduceMean;

/** `axes` are those of the value, and stay with one position. */
const over = (ctx: OperatorContext, op: Reducer, x: Value, axes: readonly number[]): Value =>
  axes.length === 0 ? x : ctx.emit(op, { x }, { axes, keepdims: true });

/** Computes in the layout of the operand; axes that go are dropped by a reshape. */
function reduced(
  ctx: OperatorContext,
  keepDims: boolean,
  reduce: (value: Value, axes: readonly number[], x: Operand) => Value,
): Result {
  const x = ctx.get('x');
  const rank = x.shape.length;
  const axes = axesOf(ctx, ctx.get('axes'), rank);
  const { value, layout, order } = laid(ctx, x);
  const places = axes.map((axis) => order.indexOf(axis)).sort((a, b) => a - b);
  const result = reduce(value, places, x);
  if (keepDims) return { value: result, layout };
  return regrouped(ctx, { value: result, layout, order }, without(rank, axes));
}

const countOf = (ctx: OperatorContext, { type }: Value, axes: readonly number[]): number =>
  ctx
    .staticShape(
      axes.map((axis) => type.shape[axis]),
      'a mean',
    )
    .reduce((a, b) => a * b, 1);

/** A mean or a sum of bytes: see numerics/tflite_mean.ts. */
function ofBytes(ctx: OperatorContext, kind: 'mean' | 'sum', x: Operand, value: Value, axes: readonly number[]): Value {
  const dtype = ctx.outputType();
  if (dtype !== x.dtype || !isByteType(dtype)) return ctx.unsupported(`a ${kind} of ${x.dtype} that becomes ${dtype}`);
  const [from, to] = [ctx.perTensor(x.tensor), ctx.perTensor(ctx.output())];
  const { layout } = x.placed;
  const isOverImage = layout === 'first' && axes.length > 0 && axes.every((axis, i) => axis === i + 2);
  if (kind === 'mean' && isOverImage && axes.length === x.shape.length - 2) return overImage(ctx, value, from, to);
  const count = countOf(ctx, value, axes);
  const ends = { sx: from.scale, zx: from.zeroPoint, sy: to.scale, zy: to.zeroPoint, count };
  const wide = ctx.cast(value, 's32');
  if (isDelegable(ctx, [x]))
    return endedInFloats(ctx, dtype, over(ctx, nnReduceSum, wide, axes), xnnpackReduction(kind, ends));
  // the reference kernel of sums reads signed bytes as unsigned ones
  if (kind === 'sum' && dtype === 's8')
    return endedInFloats(ctx, dtype, over(ctx, nnReduceSum, wide, axes), optimizedSum(ends));
  const { zeroPoint } = from;
  const centred = zeroPoint === 0 ? wide : ctx.emit(nnSub, { a: wide, b: ctx.scalar('s32', zeroPoint, 'zero_point') });
  const how = { multipliers: [referenceReduction(kind, ends)], mode: requantizeModes.tflite };
  return requantizedBy(
    ctx,
    how,
    over(ctx, nnReduceSum, centred, axes),
    ctx.scalar(dtype, to.zeroPoint, 'zero_point'),
    {},
  );
}

/** A mean of 16-bit integers is the reference kernel's mean of bytes in more bits, a sum the optimized one of signed bytes. */
function ofWords(ctx: OperatorContext, kind: 'mean' | 'sum', x: Operand, value: Value, axes: readonly number[]): Value {
  const [from, to] = [ctx.perTensor(x.tensor), ctx.perTensor(ctx.output())];
  const count = countOf(ctx, value, axes);
  if (ctx.outputType() !== 's16' || count > MOST_WORDS) ctx.unsupported(`a ${kind} of ${count} 16-bit integers`);
  const ends = { sx: from.scale, zx: from.zeroPoint, sy: to.scale, zy: to.zeroPoint, count };
  const wide = ctx.cast(value, 's32');
  if (kind === 'sum') return endedInFloats(ctx, 's16', over(ctx, nnReduceSum, wide, axes), optimizedSum(ends));
  const centred = ctx.emit(nnSub, { a: wide, b: ctx.scalar('s32', from.zeroPoint, 'zero_point') });
  const sum = over(ctx, nnReduceSum, from.zeroPoint === 0 ? wide : centred, axes);
  return rescaledBy(ctx, sum, [referenceReduction('mean', ends)], { to: 's16', zeroPoint: to.zeroPoint });
}

/** So many differences of words add up in 32 bits. */
const MOST_WORDS = 2 ** 15 - 1;

/** round(fl(fl(Σ·factor) + offset)) + zeroPoint */
function endedInFloats(ctx: OperatorContext, dtype: ByteType | 's16', sum: Value, end: FloatEnd): Value {
  const { factor, offset, rounding, zeroPoint } = end;
  const product = ctx.emit(nnMul, { a: ctx.cast(sum, 'f32'), b: ctx.scalar('f32', factor, 'factor') });
  const x = ctx.emit(nnAdd, { a: product, b: ctx.scalar('f32', offset, 'offset') });
  if (dtype === 's16') return stored(ctx, ctx.cast(x, 'f64'), { dtype, zeroPoint }, rounding);
  const operands = { x, multiplier: ctx.scalar('f32', 1, 'one'), zy: ctx.scalar(dtype, zeroPoint, 'zero_point') };
  return ctx.emit(qnnRequantize, operands, { rounding });
}

/** A mean over all positions of an image. */
function overImage(ctx: OperatorContext, x: Value, from: PerTensor, to: PerTensor): Value {
  const parameters = {
    sx: ctx.scalar('f32', from.scale, 'scale'),
    zx: ctx.scalar(x.type.dtype, from.zeroPoint, 'zero_point'),
    sy: ctx.scalar('f32', to.scale, 'scale'),
    zy: ctx.scalar(x.type.dtype, to.zeroPoint, 'zero_point'),
  };
  return ctx.emit(qnnGlobalAveragePool, { x, ...parameters }, { recipe: ctx.profile });
}

const mean = defineTfliteOp({
  name: 'MEAN',
  inputs: ['x', 'axes'],
  options: tfliteOptions.reducerOptions,
  import: (ctx, { keepDims }) =>
    reduced(ctx, keepDims, (value, axes, x) => {
      if (isFloat(x.dtype)) return over(ctx, nnReduceMean, value, axes);
      if (isByteType(x.dtype)) return ofBytes(ctx, 'mean', x, value, axes);
      if (x.dtype === 's16') return ofWords(ctx, 'mean', x, value, axes);
      if (x.dtype !== 's32' && x.dtype !== 's64') return ctx.unsupported(`a mean of ${x.dtype}`);
      // in 64 bits, cut towards zero
      const sum = over(ctx, nnReduceSum, ctx.cast(value, 's64'), axes);
      return ctx.cast(ctx.emit(nnDiv, { a: sum, b: ctx.scalar('s64', countOf(ctx, value, axes), 'count') }), x.dtype);
    }),
});

const sum = defineTfliteOp({
  name: 'SUM',
  inputs: ['x', 'axes'],
  options: tfliteOptions.reducerOptions,
  import: (ctx, { keepDims }) =>
    reduced(ctx, keepDims, (value, axes, x) => {
      if (isByteType(x.dtype)) return ofBytes(ctx, 'sum', x, value, axes);
      if (x.dtype === 's16') return ofWords(ctx, 'sum', x, value, axes);
      if (!isFloat(x.dtype) && x.dtype !== 's32' && x.dtype !== 's64') ctx.unsupported(`a sum of ${x.dtype}`);
      return over(ctx, nnReduceSum, value, axes);
    }),
});

/** A reduction of integers as they are; those with a scale keep it. */
const extreme = (name: string, op: typeof nnReduceMax | typeof nnReduceMin): TfliteOp =>
  defineTfliteOp({
    name,
    inputs: ['x', 'axes'],
    options: tfliteOptions.reducerOptions,
    import: (ctx, { keepDims }) => reduced(ctx, keepDims, (value, axes) => over(ctx, op, value, axes)),
  });

const product = defineTfliteOp({
  name: 'REDUCE_PROD',
  inputs: ['x', 'axes'],
  options: tfliteOptions.reducerOptions,
  import: (ctx, { keepDims }) =>
    reduced(ctx, keepDims, (value, axes, x) => {
      if (!isFloat(x.dtype) && x.dtype !== 's32' && x.dtype !== 's64') ctx.unsupported(`a product of ${x.dtype}`);
      return over(ctx, nnReduceProd, value, axes);
    }),
});

/** Quantifiers over truth values: ∃ is their maximum as bytes, ∀ their minimum. */
const quantifier = (name: string, op: typeof nnReduceMax | typeof nnReduceMin): TfliteOp =>
  defineTfliteOp({
    name,
    inputs: ['x', 'axes'],
    options: tfliteOptions.reducerOptions,
    import: (ctx, { keepDims }) =>
      reduced(ctx, keepDims, (value, axes) => ctx.cast(over(ctx, op, ctx.cast(value, 'u8'), axes), 'bool')),
  });

/** The first of equal extremes. */
const argument = (name: string, op: typeof nnArgMax | typeof nnArgMin): TfliteOp =>
  defineTfliteOp({
    name,
    inputs: ['x', 'axis'],
    import(ctx) {
      const x = ctx.get('x');
      const rank = x.shape.length;
      const axis = axisOf(ctx, ctx.get('axis'), rank);
      const { value, layout, order } = laid(ctx, x);
      const numbers = x.dtype === 'bool' ? ctx.cast(value, 'u8') : value;
      const found = ctx.emit(op, { x: numbers }, { axis: order.indexOf(axis), keepdims: true });
      return regrouped(ctx, { value: ctx.cast(found, ctx.outputType()), layout, order }, without(rank, [axis]));
    },
  });

export const reduceOps: readonly TfliteOp[] = [
  mean,
  sum,
  product,
  extreme('REDUCE_MAX', nnReduceMax),
  extreme('REDUCE_MIN', nnReduceMin),
  quantifier('REDUCE_ANY', nnReduceMax),
  quantifier('REDUCE_ALL', nnReduceMin),
  argument('ARG_MAX', nnArgMax),
  argument('ARG_MIN', nnArgMin),
];
