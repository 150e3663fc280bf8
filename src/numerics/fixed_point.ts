/**
 * Functions of 32-bit numbers in fixed point, as the header fixedpoint of gemmlowp has them. Q(i).(f) has i bits before the point
 * and f = 31 − i behind it: the integer n stands for n·2^−f.
 */
import { clampTo, roundHalfAway } from './rounding.ts';

const [LEAST, MOST] = [-(2 ** 31), 2 ** 31 - 1];

export const saturated32 = (x: number): number => clampTo(LEAST, MOST, x);

/** SRDHM(a, b) = ⌊(a·b + 2^30)/2^31⌋, exact by splitting a into 16-bit halves; −2^31 squared is saturated. */
export function highProduct(a: number, b: number): number {
  if (a === LEAST && b === LEAST) return MOST;
  const high = Math.floor(a / 2 ** 16) * b;
  const low = (a & 0xffff) * b;
  const quotient = Math.floor(high / 2 ** 15);
  const rest = (high - quotient * 2 ** 15) * 2 ** 16 + low;
  return quotient + Math.floor((rest + 2 ** 30) / 2 ** 31);
}

/** x·2^exponent: saturated upwards, to the nearest downwards, ties away from zero. */
export const shifted = (x: number, exponent: number): number =>
  exponent >= 0 ? saturated32(x * 2 ** exponent) : roundHalfAway(x * 2 ** exponent);

/** e^(2^k) for −2^k, k = −2 … 4, as Q0.31. */
const exponentials = [1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242] as const;

/**
 * eˣ of a number of Q5.26, not above 0, as Q0.31. x is m − 2^k − …, m in [−1/4, 0), and with t = m + 1/8:
 * e^m = e^(−1/8)·(1 + t + t²/2 + t³/6 + t⁴/24).
 */
export function expOfNegative(x: number): number {
  if (x === 0) return MOST;
  const quarter = 2 ** 24;
  const part = (x & (quarter - 1)) - quarter;
  const t = saturated32(part * 2 ** 5) + 2 ** 28;
  const [eighth, third] = [1895147668, 715827883];
  const square = highProduct(t, t);
  const cube = highProduct(square, t);
  const fourth = highProduct(square, square);
  const tail = highProduct(shifted(fourth, -2) + cube, third) + square;
  let result = saturated32(eighth + highProduct(eighth, t + shifted(tail, -1)));
  const powers = part - x;
  for (const [i, factor] of exponentials.entries())
    if (Math.floor(powers / 2 ** (24 + i)) % 2 === 1) result = highProduct(result, factor);
  return result;
}

/** 1/(1 + x) of a number of Q0.31 in [0, 1), as Q0.31: three steps of Newton from 48/17 − 32/17·(1 + x)/2. */
export function reciprocalOfOnePlus(x: number): number {
  const sum = x + MOST;
  const half = Math.trunc((sum + (sum >= 0 ? 1 : -1)) / 2);
  let y = saturated32(1515870810 + highProduct(half, -1010580540));
  for (let i = 0; i < 3; i++) {
    const rest = 2 ** 29 - highProduct(half, y);
    y = saturated32(y + saturated32(highProduct(y, rest) * 4));
  }
  return saturated32(y * 2);
}

/**
 * ln x of a number x ≥ 1 with `bits` bits before the point, as Q5.26. x = 2^a·r with r next to √√½: p = (r + √√½)/2, q = 2(r − √√½),
 *
 *   ln x = a·ln 2 + (q·r + q³·11√√2/240) / (1 + p·(2/√√2 − √√2 + q + q²·√√2/20) + q·√√2/4)
 */
export function logOf(x: number, bits: number): number {
  const [ln2, rootHalf, rootRootHalf] = [1488522236, 1518500250, 1805811301];
  const quarter = 2 ** 29 / 2 ** ROOM;
  const power = (exponent: number) => shifted(exponent, 31 - ROOM);
  const zeros = Math.clz32(x);
  const first = shifted(highProduct(shifted(x, zeros - 1), rootHalf), 1);
  const firstPower = saturated32(power(bits - zeros) + quarter);
  const secondZeros = Math.clz32(highProduct(x, rootHalf)) - 1;
  const second = shifted(x, secondZeros);
  const secondPower = saturated32(power(bits - secondZeros) - quarter);
  const r = Math.min(first, second);
  const sum = r + rootRootHalf;
  const p = Math.trunc((sum + (sum >= 0 ? 1 : -1)) / 2);
  const q = 2 * (r - rootRootHalf);
  const square = highProduct(q, q);
  const numerator = highProduct(q, r) + highProduct(highProduct(q, square), 117049297);
  const inner = 1057819769 + q + highProduct(127690142, square);
  const denominator = highProduct(p, inner) + highProduct(638450708, q);
  const part = highProduct(shifted(numerator, -ROOM), reciprocalOfOnePlus(denominator));
  return shifted(highProduct(Math.max(firstPower, secondPower), ln2) + part, 1);
}
/** Bits before the point of the sum in `logOf`: one more than those of the result. */
const ROOM = 6;

/** 1/√x of an integer as M·2^(shift − 31): five steps of Newton from 1 in Q3.28, for x·4^k in [2^27, 2^29). */
export function reciprocalRoot(x: number): FixedNumber {
  if (x <= 1) return { mantissa: MOST, shift: 0 };
  let [number, right] = [x, 11];
  for (; number >= 2 ** 29; right++) number = Math.trunc(number / 4);
  const pairs = Math.floor((Math.clz32(number) - 1) / 2) - 1;
  right -= pairs;
  const whole = Math.floor((number * 4 ** pairs) / 2);
  const half = shifted(whole, -1);
  let root = 2 ** 28;
  for (let i = 0; i < 5; i++) {
    const cube = shifted(highProduct(highProduct(root, root), root), 6);
    // 3/2 in Q3.28; both products are of Q6.25
    root = shifted(highProduct(2 ** 28 + 2 ** 27, root) - highProduct(half, cube), 3);
  }
  const mantissa = highProduct(root, 1518500250);
  return right < 0 ? { mantissa: mantissa * 2 ** -right, shift: 0 } : { mantissa, shift: -right };
}

/** mantissa·2^(shift − 31) */
interface FixedNumber {
  readonly mantissa: number;
  readonly shift: number;
}
