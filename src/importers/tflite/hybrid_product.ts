/**
 * Layers with float sources and int8 weights: rows of the source are quantized while the model runs.
 *
 *   reference kernels   fl(bias + fl(Σ·fl(scale·sw)))
 *   XNNPACK             fma(fl(Σ·scale), sw, bias): computed in binary64 and rounded once more, which only an exact tie would show
 */
import {
  nnAdd,
  nnConcat,
  nnMul,
  nnSlice,
  nnWhere,
  qnnDynamicQuantizeRows,
  qnnMatmul,
  type Value,
} from '../../ir/index.ts';
import type { RowRecipe } from '../../numerics/index.ts';
import { sizeOf, tensor } from '../../tensors/index.ts';
import type { Operand, OperatorContext } from './operator_context.ts';
import type { TfliteProfile } from './profiles.ts';
import { weightScales, zeroPointOf } from './quantized_product.ts';

/** Rows as integers; scales and zero points are [M]. */
interface QuantizedRows {
  readonly y: Value;
  readonly scale: Value;
  /** Absent where all are 0. */
  readonly zp: Value | undefined;
}

/** The rows of x: [M, K]. */
export function quantizedRows(ctx: OperatorContext, x: Value, recipe: RowRecipe): QuantizedRows {
  const { y, scale, zp } = ctx.emit(qnnDynamicQuantizeRows, { x }, { recipe });
  return { y, scale, zp: recipe === 'symmetric' ? undefined : zp };
}

/** The layer x·w of rows of floats, [M, K], and int8 weights: `w` is [K, O], `weights` the tensor of the file that it comes from. */
export function hybridRows(
  ctx: OperatorContext,
  x: Value,
  w: Value,
  {
    weights,
    bias,
    recipe,
  }: { readonly weights: Operand; readonly bias: Operand | undefined; readonly recipe: RowRecipe },
): Value {
  const { y, scale, zp } = quantizedRows(ctx, x, recipe);
  const sum = ctx.emit(qnnMatmul, { a: y, b: w, za: zp, zb: zeroPointOf(ctx, weights) });
  const parts = { scale, scales: weightScales(ctx, weights, 0), bias: bias && ctx.last(bias) };
  const row = (v: Value) => ctx.reshape(v, [...v.type.shape, 1]);
  return dequantizedProduct(ctx, sum, parts, { row, channel: (v) => v });
}

/** Images whose sums are computed one by one: the zero point of a convolution is one for all of its source. */
const MOST_IMAGES = 16;

/** The order of the products of a sum, the scale of its channel and that of its image. */
export type HybridEnd = 'fused' | 'weights-first' | 'scales-first' | 'lanes';

interface HybridConvolution {
  readonly end: HybridEnd;
  readonly recipe: RowRecipe;
  readonly scales: readonly number[];
  readonly bias: Value | undefined;
  /** The sum of products of an image of bytes. */
  sum(x: Value, zx: Value): Value;
}

/**
 * A convolution of floats, [N, C, H, W], by int8 filters: every image is a row that is quantized. `fused` is XNNPACK; the other ends:
 *
 *   weights-first   fl(fl(fl(Σ·sw)·scale) + bias)    the reference CONV_2D
 *   scales-first    fl(fl(Σ·fl(sw·scale)) + bias)    the reference DEPTHWISE_CONV_2D, and filters of one scale
 *   lanes           the optimized DEPTHWISE_CONV_2D: weights-first, and fl(fl(Σ·scale)·sw) for channels that do not fill a group of 4
 */
export function hybridConvolution(
  ctx: OperatorContext,
  x: Value,
  { end, recipe, scales, bias, sum }: HybridConvolution,
): Value {
  const shape = ctx.staticShape(x.type.shape, 'a convolution of floats by integers');
  const [images, ...image] = shape;
  if (images > MOST_IMAGES) ctx.unsupported(`a batch of ${images} images that are quantized one by one`);
  const rows = ctx.reshape(x, [images, sizeOf(image)]);
  const { y, scale, zp } = ctx.emit(qnnDynamicQuantizeRows, { x: rows }, { recipe });
  const one = (list: Value, n: number) =>
    images === 1 ? list : ctx.emit(nnSlice, { x: list }, { starts: [n], ends: [n + 1], axes: [0], steps: [1] });
  const perChannel = (v: Value) => ctx.reshape(v, [...v.type.shape, ...Array<number>(image.length - 1).fill(1)]);
  const results = Array.from({ length: images }, (_, n) => {
    const bytes = ctx.reshape(one(y, n), [1, ...image]);
    const total = sum(bytes, ctx.reshape(one(zp, n), []));
    const own = ctx.reshape(one(scale, n), []);
    const integer = ctx.cast(total, 'f32');
    const weights = perChannel(scaleList(ctx, scales));
    const times = (a: Value, b: Value) => ctx.emit(nnMul, { a, b });
    if (end === 'fused') return fusedEnd(ctx, integer, own, weights, bias && perChannel(bias));
    const whole = end === 'lanes' ? scales.length - (scales.length % LANES) : scales.length;
    const inLanes = (a: Value, b: Value) =>
      ctx.emit(nnWhere, { cond: perChannel(firstOf(ctx, scales.length, whole)), a, b });
    const real =
      end === 'scales-first'
        ? times(integer, times(weights, own))
        : whole === scales.length
          ? times(times(integer, weights), own)
          : times(times(integer, inLanes(weights, own)), inLanes(own, weights));
    return bias ? ctx.emit(nnAdd, { a: real, b: perChannel(bias) }) : real;
  });
  return images === 1 ? results[0] : ctx.emit(nnConcat, { xs: results }, { axis: 0 });
}

const LANES = 4;

/** True for the first `count` of a list. */
const firstOf = (ctx: OperatorContext, length: number, count: number): Value =>
  ctx.constant(
    tensor(
      'bool',
      Array.from({ length }, (_, i) => Number(i < count)),
      [length],
    ),
    'lanes',
  );

const scaleList = (ctx: OperatorContext, scales: readonly number[]): Value =>
  ctx.constant(tensor('f32', scales, [scales.length]), 'scale');

/** fma(fl(sum·scale), weights, bias). */
function fusedEnd(ctx: OperatorContext, sum: Value, scale: Value, weights: Value, bias: Value | undefined): Value {
  const scaled = ctx.cast(ctx.emit(nnMul, { a: sum, b: scale }), 'f64');
  const product = ctx.emit(nnMul, { a: scaled, b: ctx.cast(weights, 'f64') });
  return ctx.cast(bias ? ctx.emit(nnAdd, { a: product, b: ctx.cast(bias, 'f64') }) : product, 'f32');
}

/**
 * From integer sums to floats. `scales` are those of the weights, one or one for each channel; `row` and `channel` bring a list of
 * one for each row or channel to the shape in which it broadcasts with the sums; `engine` computes the operator.
 */
export function dequantizedProduct(
  ctx: OperatorContext,
  sum: Value,
  {
    scale,
    scales,
    bias,
  }: { readonly scale: Value; readonly scales: readonly number[]; readonly bias: Value | undefined },
  { row, channel }: { row(x: Value): Value; channel(x: Value): Value },
  engine: TfliteProfile = ctx.profile,
): Value {
  const weights = channel(scaleList(ctx, scales));
  const offset = bias && channel(bias);
  const real = ctx.cast(sum, 'f32');
  if (engine === 'xnnpack') return fusedEnd(ctx, real, row(scale), weights, offset);
  const factor = ctx.emit(nnMul, { a: row(scale), b: weights });
  // exact in binary64, so rounded once; ONNX Runtime 1.30 makes an operator of its own of a product in binary32, which is wrong for s8
  const product = ctx.cast(ctx.emit(nnMul, { a: ctx.cast(real, 'f64'), b: ctx.cast(factor, 'f64') }), 'f32');
  return offset ? ctx.emit(nnAdd, { a: product, b: offset }) : product;
}
