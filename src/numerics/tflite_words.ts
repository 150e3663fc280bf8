/**
 * Functions of one 16-bit tensor in the reference kernels of TensorFlow Lite, from word to word; zero points are 0.
 *
 *   LOGISTIC, TANH   v = (q·m + half) >> k with m/2^k ≈ sx·3·2^12: steps of 1/24·2^-9 and 1/24·2^-8; between two entries of the table
 *                    σ(i/24)·2^16 on a straight line  (internal/reference/integer_ops, logistic and tanh)
 *   EXP, LOG, …      a table of 513 entries, see `lookUpTable16`  (LUTPopulate and LUTLookup of internal/common)
 *   optimized        LOGISTIC and TANH of steps of 2^−12 (of TANH also 2^−11) in fixed point: fixed_point_words.ts
 */
import { logisticOfWord, tanhOfWord } from './fixed_point_words.ts';
import { clampTo, roundHalfAway } from './rounding.ts';
import type { TfliteQuantized } from './tflite.ts';
import { type ByteFunction, tfliteFunctions } from './tflite_unary.ts';

/** The shipped table is one above the rounded value at these places. */
const RAISED = [
  ...[4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41, 43, 44, 45, 46, 49],
  ...[50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255],
];

/** σ(i/24)·2^16. */
const sigmoids: readonly number[] = Array.from({ length: 256 }, (_, i) => {
  const rounded = Math.min(65535, Math.floor(65536 / (1 + Math.exp(-i / 24)) + 0.5));
  return RAISED.includes(i) ? rounded + 1 : rounded;
});

interface Steps {
  readonly multiplier: number;
  readonly shift: number;
}

/** The scale as steps of the table; a power of two that the kernel takes as it is needs no shift. */
function stepsOf(scale: number, exponents: readonly number[]): Steps {
  const power = powerOf(scale, exponents);
  if (power !== undefined) return { multiplier: 3 * 2 ** power, shift: 0 };
  let factor = scale * 4096 * 3;
  let shift = 0;
  while (factor <= 32767 / 2 && shift <= 30) {
    factor *= 2;
    shift++;
  }
  return { multiplier: Math.trunc(factor), shift };
}

const stepped = (q: number, { multiplier, shift }: Steps): number =>
  Math.floor((q * multiplier + (shift > 0 ? 2 ** (shift - 1) : 0)) / 2 ** shift);

/** σ of a number of steps of 1/24·2^-bits, with 16 + bits bits behind the point. */
function sigmoidAt(steps: number, bits: number): number {
  const unit = 2 ** bits;
  const index = Math.floor(steps / unit);
  if (index >= 255) return (bits === 9 ? 0x7fff * 2 : 0xffff) * unit;
  return sigmoids[index] * unit + (steps % unit) * (sigmoids[index + 1] - sigmoids[index]);
}

/** Results have 15 bits behind the point. */
export function tfliteLogisticWord({ scale }: TfliteQuantized): ByteFunction {
  const steps = stepsOf(scale, [0]);
  return (q) => {
    const v = stepped(q, steps);
    const y = sigmoidAt(Math.abs(v), 9);
    return Math.floor((v >= 0 ? y + 512 : 2 ** 25 - y + 511) / 2 ** 10);
  };
}

/** 2σ(2x) − 1. */
export function tfliteTanhWord({ scale }: TfliteQuantized): ByteFunction {
  const steps = stepsOf(scale, [0, 1]);
  return (q) => {
    const v = stepped(q, steps);
    const y = sigmoidAt(Math.abs(v), 8);
    return Math.floor((v >= 0 ? y - 2 ** 23 + 128 : 2 ** 23 - y + 127) / 2 ** 8);
  };
}

/** The ends of a range of reals. */
export interface RealRange {
  readonly low: number;
  readonly high: number;
}

const STEPS = 512;

/** The rounding of every step in the computation of a table. */
type StepRounding = (x: number) => number;
const inBinary64: StepRounding = (x) => x;

/**
 * 513 values of f over a range, in words of the range of results. Each is moved by half of the error that a straight line to the next one
 * has in the middle.
 */
export function lookUpTable16(
  f: (x: number) => number,
  from: RealRange,
  to: RealRange,
  r: StepRounding = inBinary64,
): Int16Array {
  const step = r(r(from.high - from.low) / STEPS);
  const unit = r(65536 / r(to.high - to.low));
  const scaled = (x: number): number => r(f(x) * unit);
  const word = (x: number): number => clampTo(-32768, 32767, x);
  return Int16Array.from({ length: STEPS + 1 }, (_, i) => {
    if (i === STEPS) return word(roundHalfAway(scaled(from.high)));
    const at = r(from.low + r(i * step));
    const here = roundHalfAway(scaled(at));
    const straight = roundHalfAway(r(scaled(r(from.low + r((i + 1) * step))) + here) / 2);
    const middle = roundHalfAway(scaled(r(at + step / 2)));
    return word(here - roundHalfAway((straight - middle) / 2));
  });
}

/** The value at a word: on the line between two entries, rounded half up. */
export function lookUpWord(table: Int16Array, q: number): number {
  const index = 256 + (q >> 7);
  return table[index] + (((table[index + 1] - table[index]) * (q & 127) + 64) >> 7);
}

type WordQuantized = Omit<TfliteQuantized, 'dtype'>;

/** A function by a table of 513 entries over all that a tensor may hold. */
export function tfliteWordTable(
  f: (x: number) => number,
  x: WordQuantized,
  y: WordQuantized,
  r: StepRounding = inBinary64,
): ByteFunction {
  const range = ({ scale, zeroPoint }: WordQuantized): RealRange => ({
    low: r(scale * (-32768 - zeroPoint)),
    high: r(scale * (32767 - zeroPoint)),
  });
  const table = lookUpTable16(f, range(x), range(y), r);
  return (q) => lookUpWord(table, q);
}

/** EXP, LOG, RSQRT and GELU: the kernels compute their tables in binary32. */
export const tfliteFunctionOfWords =
  (name: 'EXP' | 'LOG' | 'RSQRT' | 'GELU' | 'GELU_TANH') =>
  (x: TfliteQuantized, y: TfliteQuantized): ByteFunction =>
    tfliteWordTable(tfliteFunctions[name](y), x, y, Math.fround);

/** The exponent of the steps of a power of two that the kernels take as it is. */
function powerOf(scale: number, exponents: readonly number[]): number | undefined {
  const exponent = Math.log2(scale);
  const nearest = Math.round(exponent);
  return Math.abs(exponent - nearest) < 1e-3 && exponents.includes(12 + nearest) ? 12 + nearest : undefined;
}

/** The optimized kernels take steps of 2^−12 for fixed point with three bits before it, and leave others to the reference kernels. */
export const optimizedLogisticWord = (x: TfliteQuantized): ByteFunction =>
  powerOf(x.scale, [0]) === undefined ? tfliteLogisticWord(x) : logisticOfWord;

/** Likewise, and steps of 2^−11. */
export function optimizedTanhWord(x: TfliteQuantized): ByteFunction {
  const power = powerOf(x.scale, [0, 1]);
  return power === undefined ? tfliteTanhWord(x) : (q) => tanhOfWord(clampTo(-32768, 32767, q * 2 ** power), 3);
}
