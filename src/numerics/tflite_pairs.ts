/**
 * Functions of two 8-bit tensors in TensorFlow Lite's reference kernels that are not sums or products, from two bytes to one.
 * v = a − za, w = b − zb; two(x, d) is multiplyFixed, with d in binary64 where nothing is said.
 *
 *   SQUARED_DIFFERENCE   t = 2·max(sa, sb);  sat(two((two(v·2^7, sa/t) − two(w·2^7, sb/t))², t²/(2^14·sy)) + zy)
 *   DIV                  clamp(two(v·2^h·reciprocal(w), fl(sa/fl(sb·sy))) + zy), see `tfliteDiv`
 *   comparisons          two(v·2^8, sa) and two(w·2^8, sb) are compared: integers, which small scales make equal
 */
import { dtypes } from '../tensors/index.ts';
import { type FixedMultiplier, multiplyFixed, signedFixedMultiplier } from './requantize.ts';
import { clampTo, roundHalfAway } from './rounding.ts';
import type { TfliteQuantized } from './tflite.ts';
import { stored } from './tflite_unary.ts';

/** From two bytes to another. */
export type PairFunction = (a: number, b: number) => number;

const times = (x: number, { mantissa, shift }: FixedMultiplier): number => multiplyFixed(x, mantissa, shift);

/** SQUARED_DIFFERENCE. */
export function tfliteSquaredDifference(a: TfliteQuantized, b: TfliteQuantized, y: TfliteQuantized): PairFunction {
  const twice = 2 * Math.max(a.scale, b.scale);
  const [ma, mb] = [a, b].map(({ scale }) => signedFixedMultiplier(scale / twice));
  const square = signedFixedMultiplier((twice * twice) / (2 ** 14 * y.scale));
  return (p, q) => {
    const difference = times((p - a.zeroPoint) * 2 ** 7, ma) - times((q - b.zeroPoint) * 2 ** 7, mb);
    return stored(y, times(difference * difference, square));
  };
}

/** x in the steps of a comparison. */
export function tfliteComparable({ scale, zeroPoint }: TfliteQuantized): (q: number) => number {
  const factor = signedFixedMultiplier(scale);
  return (q) => times((q - zeroPoint) * 2 ** 8, factor);
}

/** Redundant sign bits of an int32. */
const headroomOf = (x: number): number => Math.clz32(x < 0 ? ~x : x) - 1;

/**
 * DIV: v/w is v·2^h·R·2^−(h + e), R/2^31·2^−e the reciprocal of w; h is the headroom of v, so that the product has 31 bits. What is
 * divided by 0 is refused while a model runs; here it is the end of the range.
 */
export function tfliteDiv(
  a: TfliteQuantized,
  b: TfliteQuantized,
  y: TfliteQuantized,
  { low, high }: { readonly low: number; readonly high: number },
): PairFunction {
  const factor = signedFixedMultiplier(Math.fround(a.scale / Math.fround(b.scale * y.scale)));
  return (p, q) => {
    const [v, w] = [p - a.zeroPoint, q - b.zeroPoint];
    if (w === 0) return v < 0 ? low : high;
    const numerator = w < 0 ? -v : v;
    const reciprocal = reciprocalOf(Math.abs(w));
    const headroom = headroomOf(numerator);
    const quotient = multiplyFixed(numerator, reciprocal.mantissa, headroom);
    const wide = times(quotient, { ...factor, shift: 0 });
    return clampTo(low, high, shiftedRight(wide, headroom + reciprocal.bits - factor.shift) + y.zeroPoint);
  };
}

/**
 * RDivPOT of gemmlowp: x/2^n, ties away from zero. From 32 bits on C leaves the shift open, and small dividends are shifted so far:
 * x86 shifts by n modulo 32, and the mask of the bits that are cut is −1, whose half any x that is not negative exceeds.
 */
const shiftedRight = (x: number, n: number): number =>
  n < 32 ? roundHalfAway(x / 2 ** n) : (x >> (n & 31)) + (x >= 0 ? 1 : 0);

/** SRDHM of gemmlowp on int32: ⌊(a·b + 2^30)/2^31⌋. */
const highProduct = (a: number, b: number): number => multiplyFixed(a, b, 0);

/**
 * 1/w = mantissa·2^(−31 − bits), for w > 0: with w = (1 + f)·2^bits, 1/(1 + f) by three steps of Newton's method in fixed point from
 * 48/17 − 32/17·d, d = (1 + f)/2; x has 29 bits behind the point.
 */
function reciprocalOf(w: number): { readonly mantissa: number; readonly bits: number } {
  const lead = Math.clz32(w);
  const fraction = w * 2 ** lead - 2 ** 31;
  const half = roundHalfAway((fraction + 2 ** 31 - 1) / 2);
  const saturated = (x: number): number => clampTo(-(2 ** 31), 2 ** 31 - 1, x);
  let x = saturated(1515870810 + highProduct(half, -1010580540));
  for (let i = 0; i < 3; i++) {
    const rest = 2 ** 29 - highProduct(half, x);
    x = saturated(x + saturated(highProduct(x, rest) * 4));
  }
  return { mantissa: saturated(x * 2), bits: 31 - lead };
}

/** FLOOR_DIV and FLOOR_MOD of bytes look at no scale: the integers as they stand in memory. */
export const floorDivided: PairFunction = (a, b) => (b === 0 ? 0 : Math.floor(a / b));
export const floorRest: PairFunction = (a, b) => (b === 0 ? 0 : a - b * Math.floor(a / b));

/** The range of a type, for what has no fused activation. */
export const wholeRange = ({ dtype }: TfliteQuantized): { readonly low: number; readonly high: number } => ({
  low: dtypes[dtype].min,
  high: dtypes[dtype].max,
});
