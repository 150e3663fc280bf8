/**
 * Sums and products of two 8-bit tensors in the reference kernels of TensorFlow Lite
 * (tensorflow/lite/kernels/{add,sub,mul}.cc and internal/reference/integer_ops).
 *
 *   two(x, d)   x·d by a fixed multiplier, rounded twice: multiplyFixed; quotients d are binary64 numbers where nothing is said
 *
 *   add   t = 2·max(sa, sb);  y = sat(two(two((a − za)·2^20, sa/t) + two((b − zb)·2^20, sb/t), t/(2^20·sy)) + zy)
 *   sub   the same with −sb/t: a scale below zero. Ties of the first rounding go up, so it is not the sum with −two(…, sb/t)
 *   mul   y = sat(two((a − za)(b − zb), fl(fl(sa·sb)/sy)) + zy)
 */
import { dtypes, type TypedArray } from '../tensors/index.ts';
import type { QLinearBinary } from './qlinear_add.ts';
import { type FixedMultiplier, multiplier32, multiplyFixed, signedFixedMultiplier } from './requantize.ts';
import { clampTo } from './rounding.ts';

/** The left shift of the operands of a sum. */
export const TFLITE_ADD_SHIFT = 20;

export interface TfliteAddConstants {
  readonly a: FixedMultiplier;
  readonly b: FixedMultiplier;
  readonly sum: FixedMultiplier;
}

export function tfliteAddConstants({ scaleA, scaleB, scaleC }: QLinearBinary): TfliteAddConstants {
  const twice = 2 * Math.max(Math.abs(scaleA), Math.abs(scaleB));
  return {
    a: signedFixedMultiplier(scaleA / twice),
    b: signedFixedMultiplier(scaleB / twice),
    sum: signedFixedMultiplier(twice / (2 ** TFLITE_ADD_SHIFT * scaleC)),
  };
}

/** two((q − z)·2^20, m): an operand of a sum, one of 256 numbers. */
export const tfliteAddend = (q: number, zeroPoint: number, { mantissa, shift }: FixedMultiplier): number =>
  multiplyFixed((q - zeroPoint) * 2 ** TFLITE_ADD_SHIFT, mantissa, shift);

/** ADD, and SUB where the scale of b is below zero. */
export function tfliteAdd(q: QLinearBinary, a: ArrayLike<number>, b: ArrayLike<number>, out: TypedArray): void {
  const { min, max } = dtypes[q.dtype];
  const constants = tfliteAddConstants(q);
  const addends = (zeroPoint: number, multiplier: FixedMultiplier): Float64Array =>
    Float64Array.from({ length: 256 }, (_, i) => tfliteAddend(min + i, zeroPoint, multiplier));
  const [left, right] = [addends(q.zeroPointA, constants.a), addends(q.zeroPointB, constants.b)];
  const { mantissa, shift } = constants.sum;
  for (let i = 0; i < out.length; i++) {
    const sum = left[a[i] - min] + right[b[i] - min];
    out[i] = clampTo(min, max, multiplyFixed(sum, mantissa, shift) + q.zeroPointC);
  }
}

export const tfliteMulMultiplier = ({ scaleA, scaleB, scaleC }: QLinearBinary): FixedMultiplier =>
  signedFixedMultiplier(multiplier32(scaleA, scaleB, scaleC));

/** MUL. */
export function tfliteMul(q: QLinearBinary, a: ArrayLike<number>, b: ArrayLike<number>, out: TypedArray): void {
  const { min, max } = dtypes[q.dtype];
  const { mantissa, shift } = tfliteMulMultiplier(q);
  for (let i = 0; i < out.length; i++) {
    const product = (a[i] - q.zeroPointA) * (b[i] - q.zeroPointB);
    out[i] = clampTo(min, max, multiplyFixed(product, mantissa, shift) + q.zeroPointC);
  }
}
