/**
 * L2_NORMALIZATION over one row in the kernels of TensorFlow Lite, v = q − zx: y = v/√Σv² in steps of 1/128, in fixed point. R is 1/√Σv² as
 * M·2^(e − 31) (reciprocalRoot), two(x, k) the product with it and 2^k more, rounded twice.
 *
 *   s8   y = sat(two(v, 7))               (L2Normalization of its reference_integer_ops)
 *   u8   y = sat(two(128·v, 0) + 128)     (L2Normalization of its reference_ops)
 */
import { type ByteType, dtypes } from '../tensors/index.ts';
import { reciprocalRoot } from './fixed_point.ts';
import { multiplyFixed } from './requantize.ts';
import { clampTo } from './rounding.ts';

/** The scale of the result, whose zero point is the middle of its range. */
export const L2_NORMALIZATION_SCALE = 1 / 128;

/** Rows of `length` elements each. */
export function tfliteL2Normalization(
  dtype: ByteType,
  zx: number,
  length: number,
  x: Uint8Array | Int8Array,
  out: Uint8Array | Int8Array,
): void {
  const { min, max } = dtypes[dtype];
  const [before, after, zy] = dtype === 's8' ? [1, 7, 0] : [128, 0, 128];
  for (let from = 0; from < x.length; from += length) {
    let sum = 0;
    for (let i = from; i < from + length; i++) sum += (x[i] - zx) ** 2;
    const { mantissa, shift } = reciprocalRoot(sum);
    for (let i = from; i < from + length; i++)
      out[i] = clampTo(min, max, multiplyFixed(before * (x[i] - zx), mantissa, shift + after) + zy);
  }
}
