/** RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: elements are gathered along both axes, and weighted. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import {
  type ByteType,
  byteTypes,
  isOfType,
  nnAdd,
  nnGather,
  nnMul,
  nnResize,
  qnnLinearResize,
  type Value,
} from '../../../ir/index.ts';
import {
  integerResizeAxis,
  nearestPositions,
  optimizedNearestPositions,
  type ResizeAxis,
  type ResizeConvention,
  type ResizeCoordinates,
} from '../../../numerics/index.ts';
import { isByteType, tensor } from '../../../tensors/index.ts';
import { held } from '../aligned.ts';
import { defineTfliteOp, type TfliteOp } from '../define_tflite_op.ts';
import { isDelegable, isOfFile } from '../delegate.ts';
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
const along = (ctx: OperatorContext, axis: number, values: readonly number[]): Value =>
  ctx.constant(tensor('s64', values.map(BigInt), [values.length, ...Array<number>(3 - axis).fill(1)]), 'weights');

/** Σ w·x over the two neighbours along an axis, in s64. */
function weighted(ctx: OperatorContext, x: Value, axis: number, { low, high, weight, unit }: ResizeAxis): Value {
  const term = (places: readonly number[], weights: readonly number[]) =>
    ctx.emit(nnMul, { a: gathered(ctx, x, axis, places), b: along(ctx, axis, weights) });
  const rest = weight.map((w) => unit - w);
  return ctx.emit(nnAdd, { a: term(low, rest), b: term(high, weight) });
}

/** 16-bit integers, by 10 bits and halves away from zero: exact up to the last rounding. */
function ofWords(ctx: OperatorContext, x: Value, axes: readonly Axis[], how: ResizeConvention): Value {
  const wide = ctx.cast(x, 's64');
  const sum = axes.reduce((y, { at, from, to }) => weighted(ctx, y, at, integerResizeAxis(how, from, to)), wide);
  return rescaled(ctx, sum, [2 ** -20], { to: 's16', arithmetic: 'f64', rounding: 'half-away' });
}

function ofBytes(ctx: OperatorContext, x: Value<ByteType>, axes: readonly Axis[], how: ResizeConvention): Value {
  const isDelegated = isDelegable(ctx, [ctx.get('x')]) && isOfFile(ctx.get('size'));
  if (ctx.profile === 'xnnpack' && !isDelegated && x.type.dtype === 'u8')
    ctx.unsupported('RESIZE_BILINEAR of u8 to a size that is computed');
  const recipe = isDelegated ? 'xnnpack' : 'tflite';
  const sizes = axes.map(({ to }) => to);
  return ctx.emit(qnnLinearResize, { x }, { sizes, axis: axes[0].at, coordinates: coordinatesOf(how), recipe });
}

const coordinatesOf = ({ alignCorners, halfPixelCenters }: ResizeConvention): ResizeCoordinates =>
  alignCorners ? 'align_corners' : halfPixelCenters ? 'half_pixel' : 'asymmetric';

function ofFloats(ctx: OperatorContext, x: Value, axes: readonly Axis[], how: ResizeConvention): Value {
  const shape = x.type.shape.map((size, at) => axes.find((axis) => axis.at === at)?.to ?? size);
  const coordinates = coordinatesOf(how);
  const scales = shape.map((_, at) => (axes.some((axis) => axis.at === at) ? 0 : 1));
  return ctx.emit(nnResize, { x }, { shape, scales, mode: 'linear', coordinates });
}

const bilinear = defineTfliteOp({
  name: 'RESIZE_BILINEAR',
  inputs: ['x', 'size'],
  options: tfliteOptions.resizeBilinearOptions,
  import(ctx, how) {
    if (how.alignCorners && how.halfPixelCenters) ctx.refuse('it aligns corners and centers of pixels', 'U2005');
    const operand = ctx.get('x');
    const { x, layout, result } = held(ctx, operand);
    const axes = axesOf(ctx, layout);
    const { dtype } = operand;
    if (dtype === 'f32') return result(ofFloats(ctx, x, axes, how));
    if (isOfType(x, ...byteTypes)) return result(ofBytes(ctx, x, axes, how));
    return dtype === 's16' ? result(ofWords(ctx, x, axes, how)) : ctx.unsupported(`RESIZE_BILINEAR of ${dtype}`);
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
