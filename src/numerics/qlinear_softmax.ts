/**
 * QLinearSoftmax (com.microsoft) over one row of n elements, as ONNX Runtime computes it:
 *
 *   shift = max(0, fl(ln(fl(FLT_MAX/n))) − 5)   the largest exponent that leaves room for the sum
 *   e_i   = fl(exp(sx·(q_i − max q) + shift)), exp in binary64
 *   y_i   = sat(rne(e_i·floor(fl(1/sy)) / Σe) + zy)             Σ in binary32, in order; the quotient in binary64
 *
 * The zero point of x cancels. The output scale is that of floor(1/sy), not of sy. ONNX Runtime 1.32 computes this; up to
 * 1.30 it took the quotient in binary32, which is another one where that rounds to a tie (16 of 8·10^7 values drawn), and
 * failed where e_i·floor(1/sy) exceeds binary32, which is floor(1/sy) > 148·n (n = 1 with sy = 1/256 is one).
 */
import { type ByteType, dtypes } from '../tensors/index.ts';
import { clampTo, roundHalfEven } from './rounding.ts';

export interface SoftmaxQuantization {
  readonly dtype: ByteType;
  readonly sx: number;
  readonly sy: number;
  readonly zy: number;
}

const greatest32 = dtypes.f32.max;

/** The steps of the result between 0 and 1. */
export const softmaxSteps = (sy: number): number => Math.floor(Math.fround(1 / sy));

/** e by distance from the greatest element of the row: table[d] = fl(exp(−sx·d + shift)), d in 0 … 255. */
export function softmaxTable(sx: number, length: number): Float32Array {
  const shift = Math.max(0, Math.fround(Math.log(Math.fround(greatest32 / length))) - 5) / sx; // logf: it decides ties
  return Float32Array.from({ length: 256 }, (_, distance) => Math.exp((shift - distance) * sx));
}

/**
 * Rows of `length` elements each; `x` and `out` have the same number of elements, a multiple of `length`. With `near` quotients
 * are multiplied by a number next to 1, to see which of them lie at a tie.
 */
export function qlinearSoftmax(
  { dtype, sx, sy, zy }: SoftmaxQuantization,
  length: number,
  x: Uint8Array | Int8Array,
  out: Uint8Array | Int8Array,
  near = 1,
): void {
  const table = softmaxTable(sx, length);
  const steps = softmaxSteps(sy);
  const { min, max } = dtypes[dtype];
  for (let row = 0; row < x.length; row += length) {
    let top = x[row];
    for (let i = row; i < row + length; i++) top = Math.max(top, x[i]);
    let sum = 0;
    for (let i = row; i < row + length; i++) sum = Math.fround(sum + table[top - x[i]]);
    for (let i = row; i < row + length; i++) {
      const quotient = ((table[top - x[i]] * steps) / sum) * near;
      out[i] = clampTo(min, max, roundHalfEven(quotient) + zy);
    }
  }
}
