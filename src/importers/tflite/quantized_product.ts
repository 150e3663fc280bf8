/** Sums of products of 8-bit integers, from the tensors of the file to the requantized result. */
import type { Activation } from '../../formats/tflite/index.ts';
import { nnAdd, type Value } from '../../ir/index.ts';
import {
  requantizeModes,
  type TfliteProduct,
  tfliteModes,
  tfliteMultiplier,
  xnnpackMultiplier,
} from '../../numerics/index.ts';
import { isByteType, tensor } from '../../tensors/index.ts';
import { type Requantize, requantizedBy } from '../kit/requantize.ts';
import { rangeOf } from './activation.ts';
import type { Operand, OperatorContext } from './operator_context.ts';
import type { TfliteProfile } from './profiles.ts';

/** The zero point of a tensor as an operand of a product; absent where it is 0. */
export function zeroPointOf(
  ctx: OperatorContext,
  { tensor: { name, quantization }, dtype }: Operand,
): Value | undefined {
  const { zeroPoint } = quantization ?? ctx.unsupported(`'${name}' has no quantization parameters`);
  if (zeroPoint.every((zero) => zero === 0)) return undefined;
  const { shape, data } = tensor('f64', zeroPoint, zeroPoint.length === 1 ? [] : [zeroPoint.length]);
  return ctx.cast(ctx.constant({ dtype: 'f64', shape, data }, 'zero_point'), dtype);
}

/** The scales of weights: one, or one for each channel along the axis `axis` of the file's tensor. */
export function weightScales(
  ctx: OperatorContext,
  { tensor: { name, quantization: q } }: Operand,
  axis: number,
): readonly number[] {
  if (q === undefined || q.isForeign) return ctx.unsupported(`'${name}' has no scale, or scales by blocks`);
  if (q.scale.length > 1 && q.axis !== axis) ctx.unsupported(`'${name}' is quantized along axis ${q.axis}`);
  const wrong = q.scale.find((scale) => !(scale > 0));
  if (wrong !== undefined) ctx.refuse(`a scale of '${name}' is ${wrong}, it should be positive`, 'U2007');
  return q.scale;
}

/** The end of a product: everything behind its sum. */
export interface ProductEnd {
  readonly kind: TfliteProduct;
  readonly source: Operand;
  readonly scales: readonly number[];
  readonly bias: Operand | undefined;
  readonly activation: Activation | undefined;
  /** The axis of the channels in the sum. */
  readonly axis: number;
  /** That of the profile, unless its kernels leave the operator to others. */
  readonly arithmetic?: TfliteProfile;
}

/** clamp(round((sum + bias)·m) + zy): the end of a product under the profile. */
export function requantizedProduct(ctx: OperatorContext, sum: Value, end: ProductEnd): Value {
  const { kind, source, scales, bias, activation, axis } = end;
  const dtype = ctx.outputType();
  if (!isByteType(dtype) || !isByteType(source.dtype))
    return ctx.unsupported(`a product of ${source.dtype} that becomes ${dtype}`);
  const result = { dtype, ...ctx.perTensor(ctx.output()) };
  const { scale } = ctx.perTensor(source.tensor);
  const type = source.dtype;
  const engine = end.arithmetic ?? ctx.profile;
  const how: Requantize =
    engine === 'tflite'
      ? {
          multipliers: scales.map((sw) => tfliteMultiplier(kind, type, scale, sw, result.scale)),
          mode: tfliteModes[kind],
        }
      : { multipliers: scales.map((sw) => xnnpackMultiplier(scale, sw, result.scale)), mode: requantizeModes.xnnpack };
  const accumulator = bias
    ? ctx.emit(nnAdd, { a: sum, b: perChannel(ctx, bias, sum.type.shape.length - 1 - axis) })
    : sum;
  const zy = ctx.scalar(dtype, result.zeroPoint, 'zero_point');
  return requantizedBy(ctx, how, accumulator, zy, { axis, ...rangeOf(ctx, activation, result, engine) });
}

/** A bias with one element for each channel, and `after` axes behind that of the channels. */
export function perChannel(ctx: OperatorContext, bias: Operand, after: number): Value {
  const x = ctx.last(bias);
  return ctx.reshape(x, [...x.type.shape, ...Array<number>(after).fill(1)]);
}
