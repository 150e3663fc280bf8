/** The element types of sums of products: integers of up to 32 bits and any sign give s32, floats their own type. */

import { byteTypes, type ITensor } from '../../tensors/index.ts';
import { type Refuse, tensorOf } from '../define_op.ts';
import type { Dim, TensorType } from '../types.ts';

export const factor = tensorOf(...byteTypes, 's32', 'f32', 'f64');
export type ProductType = 's32' | 'f32' | 'f64';
export const productTypes: readonly ProductType[] = ['s32', 'f32', 'f64'];

export function productType(a: TensorType, b: TensorType, nameOfB: string, refuse: Refuse): ProductType {
  const isFloat = ({ dtype }: TensorType): boolean => dtype === 'f32' || dtype === 'f64';
  if (isFloat(a) !== isFloat(b)) refuse(`integers and floats do not mix: ${a.dtype} and ${b.dtype}`, nameOfB);
  if (isFloat(a) && a.dtype !== b.dtype) refuse(`the operands are of type ${a.dtype} and ${b.dtype}`, nameOfB);
  return isFloat(a) ? (a.dtype as 'f32' | 'f64') : 's32';
}

export function checkBias(bias: TensorType | undefined, dtype: ProductType, channels: Dim, refuse: Refuse): void {
  if (bias === undefined) return;
  if (dtype === 's32') refuse.limit('only a float convolution has a bias; add it to the s32 result instead', 'bias');
  if (bias.dtype !== dtype) refuse(`the bias is of type ${bias.dtype}, the sum of type ${dtype}`, 'bias');
  if (bias.shape.length !== 1 || bias.shape[0] !== channels)
    refuse(`the bias should have shape [${channels}], but has [${bias.shape.join(', ')}]`, 'bias');
}

type Numbers = ArrayLike<number>;

/**
 * A bilinear `sum` of `a` and `b`, stored as s32 (modulo 2^32) or as floats (rounded once). `sum` works in binary64, where
 * products of wide integers are inexact, so these are split: a = 2^16·â + ǎ, 0 ≤ ǎ < 2^16, and
 *
 *   sum(a, b) = 2^16·(sum(â, b̌) + sum(ǎ, b̂)) + sum(ǎ, b̌)     (mod 2^32)
 */
export function storeProducts(
  dtype: ProductType,
  shape: readonly number[],
  a: ITensor,
  b: ITensor,
  sum: (a: Numbers, b: Numbers) => Float64Array,
): ITensor<ProductType> {
  const [x, y] = [a.data as Numbers, b.data as Numbers];
  if (dtype === 'f64') return { dtype, shape, data: sum(x, y) };
  if (dtype === 'f32') return { dtype, shape, data: new Float32Array(sum(x, y)) };
  if (!isWide(a) && !isWide(b)) return { dtype, shape, data: new Int32Array(sum(x, y)) };
  const [xHigh, xLow, yHigh, yLow] = [high(x), low(x), high(y), low(y)];
  const data = new Int32Array(sum(xLow, yLow));
  for (const part of [sum(xHigh, yLow), sum(xLow, yHigh)]) {
    const wrapped = new Int32Array(part);
    for (let i = 0; i < data.length; i++) data[i] += wrapped[i] << 16;
  }
  return { dtype, shape, data };
}

const isWide = ({ dtype, data }: ITensor): boolean =>
  dtype === 's32' && (data as Int32Array).some((v) => v > 0xffff || v < -0xffff);
const high = (v: Numbers): Numbers => Int32Array.from(v, (value) => value >> 16);
const low = (v: Numbers): Numbers => Int32Array.from(v, (value) => value & 0xffff);
