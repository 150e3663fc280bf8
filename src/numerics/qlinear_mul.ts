/**
 * QLinearMul (com.microsoft), in the order of ONNX Runtime on x86, for any length and any broadcast:
 *
 *   m = fl(fl(sA·sB)/sC)   y = sat(rne(fl(fl((a − zA)(b − zB)·m) + zC)))
 *
 * The zero point is added before rounding; no FMA is used.
 */
import { dtypes, type TypedArray } from '../tensors/index.ts';
import type { QLinearBinary } from './qlinear_add.ts';
import { clampTo, roundHalfEven } from './rounding.ts';

export const qlinearMulMultiplier = (q: QLinearBinary): number =>
  Math.fround(Math.fround(q.scaleA * q.scaleB) / q.scaleC);

/** Before saturation; `product` = (a − zA)(b − zB). */
export const qlinearMulValue = (multiplier: number, zeroPointC: number, product: number): number =>
  roundHalfEven(Math.fround(Math.fround(product * multiplier) + zeroPointC));

/** Elementwise over arrays of one length. */
export function qlinearMul(q: QLinearBinary, a: ArrayLike<number>, b: ArrayLike<number>, out: TypedArray): void {
  const multiplier = qlinearMulMultiplier(q);
  const { min, max } = dtypes[q.dtype];
  for (let i = 0; i < out.length; i++) {
    const product = (a[i] - q.zeroPointA) * (b[i] - q.zeroPointB);
    out[i] = clampTo(min, max, qlinearMulValue(multiplier, q.zeroPointC, product));
  }
}
