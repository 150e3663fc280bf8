/**
 * Sine and cosine of binary32 arguments in binary64, with a relative error below 2^-45; the conditions are those of
 * float_exponential.ts. Both reduce x to r = x − k·π/2 with |r| ≤ π/4.
 */
import { ROUND } from './float_exponential.ts';

const TWO_OVER_PI = 0.6366197723675814;
/** π/2 in three parts: products of the first two with an integer below 2^20 are exact. */
const HALF_PI = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21] as const;
const HALF_PI_ROUNDED = 1.5707963267948966;

/** Arguments below have a k below 2^20. */
const FAR = 2 ** 20;

/** 2/π in digits of 24 bits. */
const DIGITS = [10680707, 7228996, 1387004, 2578385, 16069853, 12639074, 9804092, 4427841, 16666979, 11263675] as const;

interface Reduced {
  /** The quadrant, modulo 4. */
  quadrant: number;
  rest: number;
}

const modulo4 = (x: number): number => x - 4 * Math.floor(x * 0.25);

/** Numbers from 2^20, NaN and infinities (which give NaN). */
function reduceFar(x: number, into: Reduced): void {
  into.quadrant = 0;
  into.rest = Number.NaN;
  const a = Math.abs(x);
  if (!(a < Number.POSITIVE_INFINITY)) return;
  // a = m·2^e, 2^23 ≤ m < 2^24; a·2/π = Σ m·digit_j·2^(e − 24(j + 1)), of which the first terms are multiples of 4
  let [m, e] = [a, 0];
  while (m >= 2 ** 24) {
    m *= 0.5;
    e++;
  }
  while (m < 2 ** 23) {
    m *= 2;
    e--;
  }
  let j = 0;
  while (e - 24 * (j + 1) >= 2) j++;
  const term = (at: number): number => m * DIGITS[at] * 2 ** (e - 24 * (at + 1));
  const high = modulo4(term(j)) + modulo4(term(j + 1));
  const next = term(j + 2);
  const sum = high + next;
  const lost = sum - high;
  const low = high - (sum - lost) + (next - lost);
  const k = sum + ROUND - ROUND;
  const fraction = sum - k + (low + (term(j + 3) + (term(j + 4) + term(j + 5))));
  into.quadrant = x < 0 ? modulo4(-k) : modulo4(k);
  into.rest = (x < 0 ? -fraction : fraction) * HALF_PI_ROUNDED;
}

function reduce(x: number, into: Reduced): void {
  if (!(Math.abs(x) < FAR)) {
    reduceFar(x, into);
    return;
  }
  const k = x * TWO_OVER_PI + ROUND - ROUND;
  into.quadrant = modulo4(k);
  into.rest = x - k * HALF_PI[0] - k * HALF_PI[1] - k * HALF_PI[2];
}

/** sin r = r + r³·P(r²). */
function sineOf(r: number): number {
  const z = r * r;
  let sum = 1.5896795581605703e-10;
  sum = sum * z - 2.505075811541566e-8;
  sum = sum * z + 2.7557313691937977e-6;
  sum = sum * z - 0.0001984126982980798;
  sum = sum * z + 0.008333333333322415;
  sum = sum * z - 0.16666666666666632;
  return r + r * z * sum;
}

/** cos r = 1 − r²/2 + r⁴·P(r²). */
function cosineOf(r: number): number {
  const z = r * r;
  let sum = -1.1359647299908761e-11;
  sum = sum * z + 2.0875723264407054e-9;
  sum = sum * z - 2.7557314352277083e-7;
  sum = sum * z + 2.4801587289482035e-5;
  sum = sum * z - 0.0013888888888874125;
  sum = sum * z + 0.0416666666666666;
  return 1 - 0.5 * z + z * z * sum;
}

const reduced: Reduced = { quadrant: 0, rest: 0 };

/** sin, −sin, cos or −cos of the rest; `ahead` quadrants are added. */
function inQuadrant(x: number, ahead: number): number {
  reduce(x, reduced);
  const quadrant = modulo4(reduced.quadrant + ahead);
  const value = quadrant === 1 || quadrant === 3 ? cosineOf(reduced.rest) : sineOf(reduced.rest);
  return quadrant >= 2 ? -value : value;
}

export const sin64 = (x: number): number => (x === 0 ? x : inQuadrant(x, 0));
export const cos64 = (x: number): number => inQuadrant(x, 1);
