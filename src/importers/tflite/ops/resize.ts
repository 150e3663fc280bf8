/** RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: elements are gathered along both axes, and weighted. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnAdd, nnGather, nnMul, nnResize, qnnRequantize, type Value } from '../../../ir/index.ts';
import {
  floatResizeAxis,
  integerResizeAxis,
  nearestPositions,
  optimizedNearestPositions,
  type ResizeAxis,
  type ResizeConvention,
  xnnpackResizeAxis,
} from '../../../numerics/index.ts';
import { type DType, isByteType, scalar, tensor } from '../../../tensors/index.ts';
import { held } from '../aligned.ts';
import { defineTfliteOp, type TfliteOp } from '../define_tflite_op.ts';
import { isDelegable } from '../delegate.ts';
import { axisIn } from '../layouts.ts';
import type { OperatorContext } from '../operator_context.ts';
import { rescaled } from '../rescale.ts';

/** One of the two axes: its place in the value, and its sizes before and after. */
interface Axis {
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

function axesOf(ctx: OperatorContext, layout: 'first' | 'last'): readonly Axis[] {
  const { shape } = ctx.get('x');
  if (shape.length !== 4) ctx.refuse(`the input has rank ${shape.length}, not 4`, 'U2005');
  const from = ctx.staticShape(shape, 'resizing').slice(1, 3);
  const to = ctx.integers(ctx.get('size'));
  if (to.length !== 2 || to.some((size) => !(size > 0))) ctx.refuse(`the new size is [${to.join(', ')}]`, 'U2005');
  return to.map((size, i) => ({ at: axisIn(layout, 4, i + 1), from: from[i], to: size }));
}

const gathered = (ctx: OperatorContext, x: Value, axis: number, places: readonly number[]): Value => {
  const indices = ctx.constant(tensor('s32', places), 'positions');
  return ctx.emit(nnGather, { x, indices }, { axis });
};

/** A number for each position along an axis, beside a tensor of rank 4. */
const along = (ctx: OperatorContext, dtype: DType, axis: number, values: readonly number[]): Value =>
  ctx.constant(
    tensor(dtype, dtype === 's64' ? values.map(BigInt) : values, [values.length, ...Array<number>(3 - axis).fill(1)]),
    'weights',
  );

/** Σ w·x over the two neighbours along an axis, in the type of x. */
function weighted(ctx: OperatorContext, x: Value, axis: number, { low, high, weight, unit }: ResizeAxis): Value {
  const term = (places: readonly number[], weights: readonly number[]) =>
    ctx.emit(nnMul, { a: gathered(ctx, x, axis, places), b: along(ctx, x.type.dtype, axis, weights) });
  const rest = weight.map((w) => unit - w);
  return ctx.emit(nnAdd, { a: term(low, rest), b: term(high, weight) });
}

/** Integers, by 10 bits and halves away from zero, or by 11 bits and halves up: exact up to the last rounding. */
function ofIntegers(ctx: OperatorContext, x: Value, axes: readonly Axis[], how: ResizeConvention): Value {
  const { dtype } = x.type;
  const isXnnpack = isByteType(dtype) && isDelegable(ctx, [ctx.get('x')]);
  const axisFor = isXnnpack ? xnnpackResizeAxis : integerResizeAxis;
  const wide = ctx.cast(x, dtype === 's16' ? 's64' : 's32');
  const sum = axes.reduce((y, { at, from, to }) => weighted(ctx, y, at, axisFor(how, from, to)), wide);
  const [factor, rounding] = isXnnpack ? ([2 ** -22, 'half-up'] as const) : ([2 ** -20, 'half-away'] as const);
  if (dtype === 's16') return rescaled(ctx, sum, [factor], { to: 's16', arithmetic: 'f64', rounding });
  const parts = { multiplier: ctx.scalar('f64', factor, 'multiplier'), zy: ctx.scalar(dtype, 0, 'zero_point') };
  const type = { arithmetic: 'f64', rounding, zeroPointAt: 'after' } as const;
  return ctx.emit(qnnRequantize, { x: sum, ...parts }, type);
}

/** Bytes without a sign under the reference kernels: four products in binary32, rows innermost, plus a half, and cut. */
function ofUnsigned(ctx: OperatorContext, x: Value, [rows, columns]: readonly Axis[], how: ResizeConvention): Value {
  const [v, h] = [rows, columns].map(({ from, to }) => floatResizeAxis(how, from, to));
  const real = ctx.cast(x, 'f32');
  const weights = ({ at }: Axis, { weight }: ResizeAxis, isHigh: boolean) =>
    along(ctx, 'f32', at, isHigh ? weight : weight.map((w) => Math.fround(1 - w)));
  const corner = (isLower: boolean, isRight: boolean): Value => {
    const row = gathered(ctx, real, rows.at, isLower ? v.high : v.low);
    const taps = gathered(ctx, row, columns.at, isRight ? h.high : h.low);
    const inRow = ctx.emit(nnMul, { a: taps, b: weights(rows, v, isLower) });
    return ctx.emit(nnMul, { a: inRow, b: weights(columns, h, isRight) });
  };
  const corners = [corner(false, false), corner(true, false), corner(false, true), corner(true, true)];
  const sum = corners.reduce((a, b) => ctx.emit(nnAdd, { a, b }));
  return ctx.cast(ctx.emit(nnAdd, { a: sum, b: ctx.constant(scalar('f32', 0.5), 'half') }), x.type.dtype);
}

function ofFloats(ctx: OperatorContext, x: Value, axes: readonly Axis[], how: ResizeConvention): Value {
  const shape = x.type.shape.map((size, at) => axes.find((axis) => axis.at === at)?.to ?? size);
  const coordinates = how.alignCorners ? 'align_corners' : how.halfPixelCenters ? 'half_pixel' : 'asymmetric';
  const scales = shape.map((_, at) => (axes.some((axis) => axis.at === at) ? 0 : 1));
  return ctx.emit(nnResize, { x }, { shape, scales, mode: 'linear', coordinates });
}

const bilinear = defineTfliteOp({
  name: 'RESIZE_BILINEAR',
  inputs: ['x', 'size'],
  options: tfliteOptions.resizeBilinearOptions,
  import(ctx, how) {
    const operand = ctx.get('x');
    const { x, layout, result } = held(ctx, operand);
    const axes = axesOf(ctx, layout);
    const { dtype } = operand;
    if (dtype === 'f32') return result(ofFloats(ctx, x, axes, how));
    if (dtype === 'u8' && !isDelegable(ctx, [operand])) return result(ofUnsigned(ctx, x, axes, how));
    if (!isByteType(dtype) && dtype !== 's16') return ctx.unsupported(`RESIZE_BILINEAR of ${dtype}`);
    return result(ofIntegers(ctx, x, axes, how));
  },
});

const nearest = defineTfliteOp({
  name: 'RESIZE_NEAREST_NEIGHBOR',
  inputs: ['x', 'size'],
  options: tfliteOptions.resizeNearestNeighborOptions,
  import(ctx, how) {
    const { x, layout, result } = held(ctx, ctx.get('x'));
    const isPlain = !how.alignCorners && !how.halfPixelCenters;
    const isOptimized = ctx.profile === 'xnnpack' && isByteType(x.type.dtype) && isPlain;
    const positions = (from: number, to: number) =>
      isOptimized ? optimizedNearestPositions(from, to) : nearestPositions(how, from, to);
    return result(axesOf(ctx, layout).reduce((y, { at, from, to }) => gathered(ctx, y, at, positions(from, to)), x));
  },
});

export const resizeOps: readonly TfliteOp[] = [bilinear, nearest];
