/**
 * Exponential, sigmoid, tanh, error function and GELU of binary32 numbers, every step rounded to binary32 and none fused:
 * native/kernels/binary32_steps.h has the same steps in the same order, and equals them bit for bit in vectors of any width.
 *
 * The largest errors over every 17th of all arguments, in units in the last place of the exact result (subnormal ones included):
 *
 *   exp 0.99   sigmoid 2.41   tanh 1.32   erf 1.26   gelu 4.15   geluTanh 3.07
 *
 * Polynomials are minimax for the relative error of the function (least squares with Lawson's weights, the coefficients rounded to
 * binary32 one after another).
 */
import { powerOfTwo } from './float_exponential.ts';
import type { FloatFunction } from './float_functions.ts';

const fl = Math.fround;
const constants = (...values: number[]): Float32Array => Float32Array.from(values);

function polynomial(x: number, fromHighest: Float32Array): number {
  let sum = fromHighest[0];
  for (let i = 1; i < fromHighest.length; i++) sum = fl(fl(sum * x) + fromHighest[i]);
  return sum;
}

/** min(x, bound); NaN stays. */
const atMost = (x: number, bound: number): number => (x > bound ? bound : x);

/** Added and taken away again: rounds to an integer, ties to even, below 2^22. */
const ROUND = 1.5 * 2 ** 23;
const LOG2_E = fl(Math.LOG2E);
/** ln 2 in two parts: a product of the first, of 16 bits, with an integer below 2^8 is exact. */
const LN2_HIGH = 0.693145751953125;
const LN2_LOW = fl(1.4286068e-6);
/** e^r = 1 + (r + r²·Q(r)) for |r| ≤ ln 2 / 2. */
const EXPONENTIAL = constants(0.0013820321, 0.008369828, 0.041668303, 0.16666512, 0.49999994);

/** The power of 2 in the last result of `fractionOf`. */
let exponent = 0;

/** e^(head + rest) as f·2^k: returns f, leaves k. The rest is small beside ln 2. */
function fractionOf(head: number, rest: number): number {
  const k = fl(fl(fl(head * LOG2_E) + ROUND) - ROUND);
  const r = fl(fl(fl(head - k * LN2_HIGH) - fl(k * LN2_LOW)) + rest);
  exponent = k;
  return fl(1 + fl(r + fl(fl(r * r) * polynomial(r, EXPONENTIAL))));
}

/** f·2^k, rounded once: subnormal results are right to their last place. */
const scaled = (f: number): number => fl(f * powerOfTwo(exponent));

/** e^x where x is from −142 to 89. */
const powerOf = (x: number): number => scaled(fractionOf(x, 0));

/** e^−104 is 0 and e^89 is infinite in binary32. */
export const exp: FloatFunction = (x) => powerOf(atMost(x < -104 ? -104 : x, 89));

/** 1/(1 + e^−|x|), and e^−|x| times that for a negative x: nothing overflows. */
export const sigmoid: FloatFunction = (x) => {
  const power = powerOf(-atMost(Math.abs(x), 104));
  return fl((x >= 0 ? 1 : power) / fl(1 + power));
};

const withSignOf = (x: number, size: number): number => (x < 0 || Object.is(x, -0) ? -size : size);

/** tanh a = a + a³·P(a²) for 0 ≤ a < 0.6. */
const TANH = constants(-0.0058979667, 0.020798625, -0.053784717, 0.13331936, -0.333333);

/** 1 − 2/(1 + e^(2|x|)) from 0.6 on, with the sign of x; 1 from 10 on. */
export const tanh: FloatFunction = (x) => {
  const a = atMost(Math.abs(x), 10);
  if (a < fl(0.6)) {
    const z = fl(a * a);
    return withSignOf(x, fl(a + fl(fl(a * z) * polynomial(z, TANH))));
  }
  return withSignOf(x, fl(1 - fl(2 / fl(1 + powerOf(2 * a)))));
};

/** erf a = a + a·P(a²) for 0 ≤ a < 0.9. */
const ERF_NEAR = constants(...[7.9431e-5, -0.0008039753, 0.005191753, -0.02685556, 0.11283624, -0.3761263, 0.12837917]);
/** ln erfc a for 0.9 ≤ a ≤ 4. */
const ERFC = constants(
  ...[0.00019821973, -0.0030654836, 0.022315178, -0.104113616, -0.6369761, -1.1277972, -0.00016643907],
);

/** 1 − erfc |x| from 0.9 on, with the sign of x; 1 from 4 on. */
export const erf: FloatFunction = (x) => {
  const a = atMost(Math.abs(x), 4);
  if (a < fl(0.9)) return withSignOf(x, fl(a + fl(a * polynomial(fl(a * a), ERF_NEAR))));
  return withSignOf(x, fl(1 - powerOf(polynomial(a, ERFC))));
};

/** Φ(x) = ½ + x·P(x²) for |x| < 1. */
const NORMAL_NEAR = constants(-8.171795e-6, 0.00011502397, -0.0011880238, 0.009974164, -0.06649054, 0.3989423);
/** a·Φ(−a) = e^(−a²/2)·(1 + t)·P(t), t = (a − 3)/(a + 3), for 1 ≤ a ≤ 14.5. */
const TAIL = constants(
  ...[-0.00049162545, 0.00044477236, 0.0034810868, -0.0052174036, -0.023630986, 0.115007795, -0.254666, 0.36454186],
);
/** Below its negative the tail of GELU vanishes. */
const LAST = 14.5;
/** Added and taken away again: rounds to a multiple of 2^−8, of at most 12 bits up to LAST. */
const ROUND_TO_SQUARE = 1.5 * 2 ** 15;

/**
 * x·Φ(x) = x − x·Φ(−x). For a = |x| ≥ 1 the exponent −a²/2 has two parts, with the multiple h of 2^−8 next to a: −h²/2, which is exact,
 * and −(a − h)·(a + h)/2, which is small. The tail is scaled last, so that it is rounded once where it is subnormal.
 */
export const gelu: FloatFunction = (x) => {
  const a = atMost(Math.abs(x), LAST);
  if (a < 1) return fl(x * fl(0.5 + fl(x * polynomial(fl(a * a), NORMAL_NEAR))));
  const h = fl(fl(a + ROUND_TO_SQUARE) - ROUND_TO_SQUARE);
  const fraction = fractionOf(-0.5 * h * h, fl(fl(-0.5 * (a - h)) * fl(a + h)));
  const t = fl(fl(a - 3) / fl(a + 3));
  const tail = scaled(fl(fl(fraction * polynomial(t, TAIL)) * fl(1 + t)));
  if (x < 0) return x < -LAST ? x * 0 : -tail;
  return fl(x - tail);
};

const LAST_TANH = 12;
const DOUBLE_ROOT_TWO_OVER_PI = 1.5957691216057308;

/**
 * Gelu with approximate = tanh: x/2·(1 + tanh u) = x/(1 + e^−2u), u = √(2/π)·(x + 0.044715·x³). The exponent is computed in binary64
 * and split, since an error of it is a relative error of the tail; for a negative x the quotient is x·e^2u/(1 + e^2u).
 */
export const geluTanh: FloatFunction = (x) => {
  const a = atMost(Math.abs(x), LAST_TANH);
  const exact = -DOUBLE_ROOT_TWO_OVER_PI * (a + 0.044715 * a * a * a);
  const head = fl(exact);
  const fraction = fractionOf(head, fl(exact - head));
  if (x < -LAST_TANH) return x * 0;
  const over = x >= 0 ? x : -scaled(fl(fraction * a));
  return fl(over / fl(1 + scaled(fraction)));
};
