/**
 * Sums and products of two 8-bit tensors in XNNPACK (src/operators/binary-elementwise-nd.c, src/qs8-vadd, src/qs8-vmul).
 *
 *   add   A = rne(fl(sa/sy)·2^n), B likewise, n = 20 − ⌊log2 max(|fl(sa/sy)|, |fl(sb/sy)|)⌋
 *         y = sat(⌊(A·(a − za) + B·(b − zb))/2^n + 1/2⌋ + zy)       ties go up
 *   sub   the same with a scale of b below zero
 *   mul   y = sat(rne(fl(fl((a − za)(b − zb))·m)) + zy)             m = fl(fl(sa·sb)/sy)
 *
 * The delegate of LiteRT takes sums whose ratios of scales are in [2^-10, 2^8), products with m in [2^-16, 2^8).
 */
import { dtypes, type TypedArray } from '../tensors/index.ts';
import type { QLinearBinary } from './qlinear_add.ts';
import { multiplier32 } from './requantize.ts';
import { clampTo, exponentOf, roundHalfEven } from './rounding.ts';

/** A sum that is not within ±2^15 is saturated there in between, which no 8-bit result shows. */
export interface XnnpackAddConstants {
  readonly multiplierA: number;
  readonly multiplierB: number;
  readonly shift: number;
}

const ratios = ({ scaleA, scaleB, scaleC }: QLinearBinary): readonly [number, number] => [
  Math.fround(scaleA / scaleC),
  Math.fround(scaleB / scaleC),
];

export function xnnpackAddConstants(q: QLinearBinary): XnnpackAddConstants {
  const [ratioA, ratioB] = ratios(q);
  const shift = 20 - exponentOf(Math.max(Math.abs(ratioA), Math.abs(ratioB)));
  const multiplier = (ratio: number): number => roundHalfEven(ratio * 2 ** shift);
  return { multiplierA: multiplier(ratioA), multiplierB: multiplier(ratioB), shift };
}

/** ADD, and SUB where the scale of b is below zero. */
export function xnnpackAdd(q: QLinearBinary, a: ArrayLike<number>, b: ArrayLike<number>, out: TypedArray): void {
  const { multiplierA, multiplierB, shift } = xnnpackAddConstants(q);
  const { min, max } = dtypes[q.dtype];
  for (let i = 0; i < out.length; i++) {
    const sum = multiplierA * (a[i] - q.zeroPointA) + multiplierB * (b[i] - q.zeroPointB);
    out[i] = clampTo(min, max, Math.floor(sum / 2 ** shift + 0.5) + q.zeroPointC);
  }
}

export const xnnpackMulMultiplier = ({ scaleA, scaleB, scaleC }: QLinearBinary): number =>
  multiplier32(scaleA, scaleB, scaleC);

/** MUL. */
export function xnnpackMul(q: QLinearBinary, a: ArrayLike<number>, b: ArrayLike<number>, out: TypedArray): void {
  const { min, max } = dtypes[q.dtype];
  const multiplier = xnnpackMulMultiplier(q);
  for (let i = 0; i < out.length; i++) {
    const product = (a[i] - q.zeroPointA) * (b[i] - q.zeroPointB);
    out[i] = clampTo(min, max, roundHalfEven(Math.fround(product * multiplier)) + q.zeroPointC);
  }
}

/** True for scales with which the delegate takes a sum or a difference. */
export const xnnpackTakesAdd = (q: QLinearBinary): boolean =>
  ratios(q).every((ratio) => Math.abs(ratio) >= 2 ** -10 && Math.abs(ratio) < 2 ** 8);

/** True for scales with which the delegate takes a product. */
export function xnnpackTakesMul(q: QLinearBinary): boolean {
  const multiplier = xnnpackMulMultiplier(q);
  return multiplier >= 2 ** -16 && multiplier < 2 ** 8;
}
