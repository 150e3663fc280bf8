/**
 * Functions of one 8-bit tensor in XNNPACK (src/operators/unary-elementwise-nc.c, src/qs8-vlrelu, src/qs8-vcvt), from byte to byte.
 *
 *   table        sat(rne(fl(f(fl(sx·(q − zx)))/sy)) + zy): LOGISTIC, TANH, ELU
 *   LEAKY_RELU   sat(⌊((q − zx)·M + 2^7)/2^8⌋ + zy)   M = rne(2^8·k), k = fl(sx/sy), below the zero point fl(fl(sx/sy)·α)
 *   convert      the same with one k: QUANTIZE between integers of one type
 *
 * The delegate of LiteRT takes k in [2^-8, 2^7], and of either sign below the zero point.
 */
import type { FloatFunction } from './float_functions.ts';
import { roundHalfEven } from './rounding.ts';
import type { TfliteQuantized } from './tflite.ts';
import { type ByteFunction, realOf, stored } from './tflite_unary.ts';

export const xnnpackTable =
  (x: TfliteQuantized, f: FloatFunction, y: TfliteQuantized): ByteFunction =>
  (q) =>
    stored(y, roundHalfEven(Math.fround(f(realOf(x, q)) / y.scale)));

const [LEAST, MOST] = [2 ** -8, 2 ** 7];
const isTaken = (ratio: number): boolean => ratio >= LEAST && ratio <= MOST;

const inBytes = (v: number, multiplier: number): number => Math.floor((v * multiplier + 2 ** 7) / 2 ** 8);

/** Undefined for scales that the delegate leaves to the reference kernels. */
export function xnnpackConvert(x: TfliteQuantized, y: TfliteQuantized): ByteFunction | undefined {
  return x.dtype === y.dtype ? xnnpackLeakyRelu(1, x, y) : undefined;
}

/** α is a binary32 number. Undefined for scales that the delegate leaves to the reference kernels. */
export function xnnpackLeakyRelu(alpha: number, x: TfliteQuantized, y: TfliteQuantized): ByteFunction | undefined {
  const above = Math.fround(x.scale / y.scale);
  const below = Math.fround(above * alpha);
  // −2^7 + 2^-8 is the least factor of 16 bits
  if (!isTaken(above) || !isTaken(Math.abs(below)) || below < -MOST + LEAST) return undefined;
  const [m, n] = [above, below].map((ratio) => roundHalfEven(2 ** 8 * ratio));
  return (q) => stored(y, inBytes(q - x.zeroPoint, q >= x.zeroPoint ? m : n));
}
