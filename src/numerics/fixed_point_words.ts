/**
 * The logistic function and tanh on 16-bit fixed point, as gemmlowp computes them (github.com/google/gemmlowp, its header fixedpoint).
 * A word q with m bits before the binary point stands for q·2^(m − 15); products round, ⌊(a·b + 2^14) / 2^15⌋, and add up the bits.
 *
 *   logistic(x) = 1/(1 + e^−x) for x > 0, 1/2 for 0, 1 − logistic(−x) for x < 0
 *   tanh(x)     = (1 − e^−2x)/(1 + e^−2x) for x > 0, 0 for 0, −tanh(−x) for x < 0
 *   e^a         = p(a mod 1/4 − 1/4)·Π e^−2^k over the bits k ≥ −2 of the rest;  p: the Taylor polynomial at −1/8 of order 4
 *   1/d         = three steps x ← x + x·(1 − d·x) from 48/17 − 32/17·d,  d = (1 + e^a)/2
 *
 * 1 is 2^15 − 1 where no bit stands before the point. Sums wrap where nothing is said.
 */
import { clampTo, roundHalfAway } from './rounding.ts';

const wrapped = (sum: number): number => (sum << 16) >> 16;
const saturated = (sum: number): number => clampTo(-(2 ** 15), 2 ** 15 - 1, sum);
const product = (a: number, b: number): number => saturated((a * b + 2 ** 14) >> 15);

/** A real number with m bits before the point. */
const word = (real: number, m = 0): number => Math.round(real * 2 ** (15 - m));

const LARGEST = 2 ** 15 - 1;
const AT_MINUS_EIGHTH = word(Math.exp(-1 / 8));
const THIRD = word(1 / 3);
/** e^−2^k for k from −2 to 4. */
const EXP_OF_POWERS = [-2, -1, 0, 1, 2, 3, 4].map((k) => word(Math.exp(-(2 ** k))));
const ONE = word(1, 2);
const [NEWTON_START, NEWTON_SLOPE] = [word(48 / 17, 2), word(-32 / 17, 2)];

/** e^a for a in [−1/4, 0). No bits before the point, as in the result. */
function expOfQuarter(a: number): number {
  const x = wrapped(a + word(1 / 8));
  const square = product(x, x);
  const cube = product(square, x);
  const fourth = roundHalfAway(product(square, square) / 4);
  const tail = roundHalfAway(wrapped(product(wrapped(fourth + cube), THIRD) + square) / 2);
  return saturated(AT_MINUS_EIGHTH + product(AT_MINUS_EIGHTH, wrapped(x + tail)));
}

/** e^a for a ≤ 0 with m bits before the point. */
function expOfNegative(a: number, m: number): number {
  if (a === 0) return LARGEST;
  if (m > 5 && a < word(-32, m)) return 0;
  const quarter = word(1 / 4, m);
  const rest = (a & (quarter - 1)) - quarter;
  let result = expOfQuarter(saturated(rest * 2 ** m));
  for (let i = 0; i < Math.min(m + 2, EXP_OF_POWERS.length); i++)
    if (((rest - a) & (quarter << i)) !== 0) result = product(result, EXP_OF_POWERS[i]);
  return result;
}

/** 2/(1 + e) with two bits before the point, e in [0, 1). */
function twiceReciprocal(e: number): number {
  const half = Math.floor((e + LARGEST + 1) / 2);
  let x = wrapped(NEWTON_START + product(half, NEWTON_SLOPE));
  for (let i = 0; i < 3; i++) {
    const rest = wrapped(ONE - product(half, x));
    x = wrapped(x + saturated(product(x, rest) * 4));
  }
  return x;
}

/** The logistic function of a word with three bits before the point; none are before that of the result. */
export function logisticOfWord(q: number): number {
  if (q === 0) return 2 ** 14;
  const positive = saturated(twiceReciprocal(expOfNegative(-Math.abs(q), 3)) * 2);
  return q > 0 ? positive : LARGEST - positive;
}

/** tanh of a word with m bits before the point, 0 to 6; none are before that of the result. */
export function tanhOfWord(q: number, m: number): number {
  if (q === 0) return 0;
  const positive = saturated((twiceReciprocal(expOfNegative(-Math.abs(q), m + 1)) - ONE) * 4);
  return q > 0 ? positive : wrapped(-positive);
}

/** The table of a function of words for nn.gather, where negative positions count from the end. */
const tableOfWords = (f: (q: number) => number): Int16Array =>
  Int16Array.from({ length: 2 ** 16 }, (_, i) => f(i < 2 ** 15 ? i : i - 2 ** 16));

let logistic: Int16Array | undefined;
const tanh = new Map<number, Int16Array>();

/** The table of logisticOfWord, not to be written to. */
export const logisticTable = (): Int16Array => (logistic ??= tableOfWords(logisticOfWord));

/** The table of tanhOfWord, not to be written to. */
export function tanhTable(m: number): Int16Array {
  const table = tanh.get(m) ?? tableOfWords((q) => tanhOfWord(q, m));
  tanh.set(m, table);
  return table;
}
