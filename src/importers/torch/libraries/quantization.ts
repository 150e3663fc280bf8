/** The building blocks of both quantization libraries, quantized_decomposed and torchao. */

import {
  isPerTensor,
  isWordOf,
  lutOf,
  nnAdd,
  nnClip,
  nnDiv,
  nnExpand,
  nnMax,
  nnMul,
  nnNeg,
  nnReciprocal,
  nnRound,
  nnSub,
  qnnDequantize,
  qnnLut,
  qnnQuantize,
  type Value,
} from '../../../ir/index.ts';
import { quantizeByReciprocal, reciprocal32 } from '../../../numerics/index.ts';
import { type DType, dtypes, isByteType, numbersOf, tensor } from '../../../tensors/index.ts';
import type { TorchContext } from '../operators/context.ts';

/** Scales and zero points of x: one, one for each index of `axis`, or broadcast to x. */
export interface Parameters {
  readonly scale: Value;
  /** Absent for 0. */
  readonly zeroPoint: Value | undefined;
  readonly axis: number;
}

/** The integers that a quantization may give, all of them values of the type. */
export interface Range {
  readonly dtype: DType;
  readonly low: number;
  readonly high: number;
}

/** Refuses bounds outside of the type. */
export function rangeOf(ctx: TorchContext, dtype: DType, low: number, high: number): Range {
  const { min, max, onnx } = dtypes[dtype];
  if (!(low >= min && high <= max && low < high))
    ctx.refuse(`the range ${low} to ${high} is not one of ${onnx}`, 'U2007', { input: 'quant_min' });
  return { dtype, low, high };
}

const isWhole = ({ dtype, low, high }: Range): boolean => low === dtypes[dtype].min && high === dtypes[dtype].max;

/**
 * clamp(rne(x·fl(1/scale)) + zp, low, high), as both libraries define it. A range narrower than the type becomes bounds
 * of x when this means the same, since quantization is monotone: rewrites look for a clip in front of a quantize.
 * PyTorch divides by a scale in binary64; here it is rounded to binary32 first, as quantizers store it.
 */
export function quantized(ctx: TorchContext, x: Value, parameters: Parameters, range: Range): Value {
  const real = ctx.cast(x, 'f32');
  const scale = ctx.cast(parameters.scale, 'f32');
  const { axis } = parameters;
  const { dtype } = range;
  if (!isWordOf(qnnQuantize.attrs.dtype, dtype)) return literally(ctx, real, { ...parameters, scale }, range);
  const zp = zeroPointAs(ctx, parameters.zeroPoint, range.dtype);
  const quantize = (v: Value) => ctx.emit(qnnQuantize, { x: v, scale, zp }, { axis, dtype, arithmetic: 'reciprocal' });
  if (isWhole(range)) return quantize(real);
  const bounds = realBounds(ctx, scale, zp, range);
  if (bounds !== undefined && ctx.constantOf(real) === undefined)
    return quantize(ctx.emit(nnClip, { x: real }, bounds));
  return clamped(ctx, quantize(real), range);
}

/** The real values of the ends of the range, except for ends that limit nothing. */
function realBounds(
  ctx: TorchContext,
  scale: Value,
  zp: Value | undefined,
  { dtype, low, high }: Range,
): { min?: number; max?: number } | undefined {
  const [s, z] = [ctx.constantOf(scale), zp ? ctx.constantOf(zp) : tensor('s8', [0])];
  if (!s || !z || !isPerTensor(s.shape)) return undefined;
  const [step, zero] = [Number(s.data[0]), Number(z.data[0])];
  const { min, max } = dtypes[dtype];
  const real = (q: number): number => Math.fround(Math.fround(q - zero) * step);
  const isFixed = (q: number) => quantizeByReciprocal(real(q), reciprocal32(step), zero, min, max) === q;
  if (!isFixed(low) || !isFixed(high)) return undefined;
  return { ...(low > min && { min: real(low) }), ...(high < max && { max: real(high) }) };
}

/** Integers limited to the range. */
function clamped(ctx: TorchContext, q: Value, { dtype, low, high }: Range): Value {
  if (!isByteType(dtype)) return ctx.emit(nnClip, { x: q }, { min: low, max: high });
  const table = lutOf(dtype, dtype, (value) => Math.min(Math.max(value, low), high));
  return ctx.emit(qnnLut, { x: q, table: ctx.constant(table, 'range') });
}

/** The same in float arithmetic, for types that qnn.quantize does not write. */
function literally(ctx: TorchContext, x: Value, { scale, zeroPoint, axis }: Parameters, range: Range): Value {
  const rank = x.type.shape.length;
  const spread = (v: Value): Value =>
    v.type.shape.length === 1 && v.type.shape[0] !== 1
      ? ctx.reshape(v, [...v.type.shape, ...Array<number>(rank - 1 - axis).fill(1)])
      : v;
  const steps = ctx.emit(nnRound, { x: ctx.emit(nnMul, { a: x, b: spread(ctx.emit(nnReciprocal, { x: scale })) }) });
  const moved = zeroPoint ? ctx.emit(nnAdd, { a: steps, b: spread(ctx.cast(zeroPoint, 'f32')) }) : steps;
  return ctx.cast(ctx.emit(nnClip, { x: moved }, { min: range.low, max: range.high }), range.dtype);
}

/** (q − zp)·scale as `to`. */
export function dequantized(ctx: TorchContext, q: Value, parameters: Parameters, to: DType): Value {
  const dtype = q.type.dtype;
  const zp = zeroPointAs(ctx, parameters.zeroPoint, dtype);
  const scale = ctx.cast(parameters.scale, 'f32');
  return ctx.cast(ctx.emit(qnnDequantize, { x: q, scale, zp }, { axis: parameters.axis }), to);
}

/** Zero points in the type of the integers they belong to: programs hold them as int64. */
function zeroPointAs(ctx: TorchContext, zeroPoint: Value | undefined, dtype: DType): Value | undefined {
  if (zeroPoint === undefined || zeroPoint.type.dtype === dtype) return zeroPoint;
  const known = ctx.constantOf(zeroPoint);
  if (known === undefined) return ctx.cast(zeroPoint, dtype);
  const { min, max } = dtypes[dtype];
  const numbers = numbersOf(known);
  const wrong = numbers.find((z) => !(Number.isInteger(z) && z >= min && z <= max));
  if (wrong !== undefined) ctx.unsupported(`the zero point ${wrong} of integers of ${dtypes[dtype].onnx}`);
  return ctx.constant(tensor(dtype, numbers, known.shape), 'zero_point');
}

/** The rule that chooses parameters from the least and the greatest value, with 0 among the values. */
export interface Choice {
  readonly symmetric: boolean;
  readonly eps: number;
  /** The zero point where it is symmetric. */
  readonly middle: number;
}

/**
 * affine:     scale = max(fl(fl(hi − lo)/(high − low)), eps)         zp = clamp(low − rne(fl(lo/scale)))
 * symmetric:  scale = max(fl(max(−lo, hi)/((high − low)/2)), eps)    zp = middle
 *
 * @returns the scale and the zero point as f32
 */
export function chosen(
  ctx: TorchContext,
  least: Value,
  greatest: Value,
  { low, high }: Range,
  { symmetric, eps, middle }: Choice,
): readonly [scale: Value, zeroPoint: Value] {
  const number = (value: number) => ctx.scalar('f32', value);
  const lo = ctx.emit(nnClip, { x: least }, { max: 0 });
  const hi = ctx.emit(nnClip, { x: greatest }, { min: 0 });
  const reach = symmetric
    ? ctx.emit(nnMax, { a: ctx.emit(nnNeg, { x: lo }), b: hi })
    : ctx.emit(nnSub, { a: hi, b: lo });
  const steps = symmetric ? (high - low) / 2 : high - low;
  const scale = ctx.emit(nnClip, { x: ctx.emit(nnDiv, { a: reach, b: number(steps) }) }, { min: eps });
  if (symmetric) return [scale, ctx.emit(nnExpand, { x: number(middle) }, { shape: scale.type.shape })];
  const offset = ctx.emit(nnRound, { x: ctx.emit(nnDiv, { a: lo, b: scale }) });
  return [scale, ctx.emit(nnClip, { x: ctx.emit(nnSub, { a: number(low), b: offset }) }, { min: low, max: high })];
}
