/**
 * Powers of binary32 numbers, in binary64 by the means of float_exponential.ts.
 *
 * |a|^b = 2^(b·e + b·log₂ m) for |a| = 2^e·m: b·e is exact, so that the relative error is that of b·log₂ m, below 2^-45. The result is
 * rounded to 45 bits before it is rounded to binary32, so that a power halfway between two binary32 numbers goes to the even one.
 * Powers with exponents 1, 2, 3, −1 and ½ are products, quotients and roots, rounded to binary64.
 */
import { expm1Reduced, type Logarithm, logarithmOf, powerOfTwo, ROUND } from './float_exponential.ts';

const LOG2_E = Math.LOG2E;
const LN2 = Math.LN2;
/** Beyond, binary32 has no power of two. */
const BEYOND = 200;
/** (2^8 + 1)·v − ((2^8 + 1)·v − v) is v, rounded to 45 bits. */
const SPLIT = 257;

const parts: Logarithm = { exponent: 0, ofFraction: 0 };

/** x^b for 0 < x < ∞ and a finite b. */
function positivePower(x: number, b: number): number {
  logarithmOf(x, parts);
  const whole = b * parts.exponent;
  const rest = b * (parts.ofFraction * LOG2_E);
  const total = whole + rest;
  const inside = total < -BEYOND ? -BEYOND : total > BEYOND ? BEYOND : total;
  const k = inside + ROUND - ROUND;
  const value = powerOfTwo(k) * (1 + expm1Reduced((whole - k + rest) * LN2));
  const split = value * SPLIT;
  const rounded = split - (split - value);
  return total < -BEYOND ? 0 : total > BEYOND ? Number.POSITIVE_INFINITY : rounded;
}

function powerOfSize(x: number, b: number): number {
  if (b === 0 || x === 1) return 1;
  if (b === 1) return x;
  if (b === 2) return x * x;
  if (b === 3) return x * x * x;
  if (b === -1) return 1 / x;
  if (b === 0.5) return Math.sqrt(x);
  if (Number.isNaN(x) || Number.isNaN(b)) return Number.NaN;
  if (x === 0 || x === Number.POSITIVE_INFINITY || Math.abs(b) === Number.POSITIVE_INFINITY)
    return x > 1 === b > 0 ? Number.POSITIVE_INFINITY : 0;
  return positivePower(x, b);
}

/** aᵇ as IEEE 754 and C have it (pow of ISO/IEC 9899, F.10.4.4), of binary32 numbers; to be rounded to binary32. */
export function power32(a: number, b: number): number {
  const size = powerOfSize(Math.abs(a), b);
  const isNegative = a < 0 || (a === 0 && 1 / a < 0);
  if (!isNegative) return size;
  const isWhole = Math.floor(b) === b;
  if (!isWhole) return a < 0 && a > Number.NEGATIVE_INFINITY ? Number.NaN : size;
  return Math.floor(b / 2) * 2 === b ? size : -size;
}
