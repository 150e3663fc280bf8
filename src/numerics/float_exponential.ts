/**
 * Exponential and logarithm in binary64, with a relative error below 2^-50, of + − · ÷, comparisons and exact powers of two alone:
 * native/kernels/float_functions.h has the same steps in the same order, and equals them bit for bit on every machine.
 *
 * Polynomials of all these functions are minimax for the relative error of the function (Remez, 50 digits), their coefficients
 * rounded to binary64.
 */

/** Added and taken away again: rounds to an integer, ties to even, below 2^51. */
export const ROUND = 1.5 * 2 ** 52;

const LOG2_E = Math.LOG2E;
/** ln 2 in two parts: a product of the first with an integer below 2^13 is exact. */
const LN2_HIGH = 0.6931471805592082;
const LN2_LOW = 7.371002565167799e-13;

/** 2^k at k + 1023, for k from −1022 to 1023. */
const powersOfTwo = Float64Array.from({ length: 2047 }, (_, i) => (i === 0 ? 0 : 2 ** (i - 1023)));

/** 2^k for an integer k from −1022 to 1023; NaN for NaN. */
export const powerOfTwo = (k: number): number => powersOfTwo[k + 1023] ?? Number.NaN;

/** e^r − 1 = r + r²·Q(r) for |r| ≤ ln 2 / 2. */
export function expm1Reduced(r: number): number {
  const q =
    0.5000000000000007 +
    r *
      (0.16666666666666696 +
        r *
          (0.04166666666656247 +
            r *
              (0.008333333333293108 +
                r *
                  (0.0013888888936160746 +
                    r *
                      (0.00019841269987253506 +
                        r *
                          (2.480149977625665e-5 +
                            r * (2.755711652378329e-6 + r * (2.762822080635885e-7 + r * 2.5161508636970112e-8))))))));
  return r + r * r * q;
}

/** Bounds of arguments, within which 2^k is a normal number. */
const LEAST = -708;
const GREATEST = 709;
const clamped = (x: number): number => (x < LEAST ? LEAST : x > GREATEST ? GREATEST : x);

/** e^x; 0 below −708, infinite above 709. */
export function exp64(x: number): number {
  const inside = clamped(x);
  const k = inside * LOG2_E + ROUND - ROUND;
  const r = inside - k * LN2_HIGH - k * LN2_LOW;
  const value = powerOfTwo(k) * (1 + expm1Reduced(r));
  return x < LEAST ? 0 : x > GREATEST ? Number.POSITIVE_INFINITY : value;
}

/** e^x − 1, of full relative precision around 0. */
export function expMinusOne64(x: number): number {
  const inside = clamped(x);
  const k = inside * LOG2_E + ROUND - ROUND;
  const r = inside - k * LN2_HIGH - k * LN2_LOW;
  const power = powerOfTwo(k);
  const value = power * expm1Reduced(r) + (power - 1);
  return x > GREATEST ? Number.POSITIVE_INFINITY : value;
}

/** x = 2^exponent · m with √½ ≤ m < √2, and ln m. */
export interface Logarithm {
  exponent: number;
  ofFraction: number;
}

const double = new Float64Array(1);
const words = new Int32Array(double.buffer);
/** The word with sign and exponent. */
const HIGH = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;
/** The upper half of √½. */
const ROOT_HALF = 0x3fe6a09e;

/** ln m = 2s + s³·P(s²), s = (m − 1)/(m + 1). Of positive normal numbers; others give any numbers. */
export function logarithmOf(x: number, into: Logarithm): void {
  double[0] = x;
  const exponent = (words[HIGH] - ROOT_HALF) >> 20;
  words[HIGH] -= exponent << 20;
  const m = double[0];
  const s = (m - 1) / (m + 1);
  const z = s * s;
  const p =
    0.6666666666666734 +
    z *
      (0.3999999999941393 +
        z *
          (0.28571428742566374 +
            z *
              (0.22222198553461675 + z * (0.18183565422844697 + z * (0.15314020694799024 + z * 0.1479626592060378)))));
  into.exponent = exponent;
  into.ofFraction = s + s + s * z * p;
}

const parts: Logarithm = { exponent: 0, ofFraction: 0 };

/** ln x; of negative numbers NaN. */
export function log64(x: number): number {
  const isSubnormal = x < 2 ** -1022;
  logarithmOf(isSubnormal ? x * 2 ** 54 : x, parts);
  const exponent = parts.exponent - (isSubnormal ? 54 : 0);
  const value = exponent * LN2_HIGH + (parts.ofFraction + exponent * LN2_LOW);
  const positive = x === Number.POSITIVE_INFINITY ? x : value;
  return x > 0 ? positive : x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN;
}

/** ln(1 + x) for 0 ≤ x ≤ 1: the part of x that 1 + x loses is added to first order. */
export function logOnePlus64(x: number): number {
  const sum = 1 + x;
  return log64(sum) + (x - (sum - 1)) / sum;
}
