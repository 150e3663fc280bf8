/**
 * HARD_SWISH on 8-bit tensors in TensorFlow Lite's kernels (HardSwish of reference_ops): 16-bit arithmetic.
 *
 *   v = (q − zx)·2^7, in steps of h = fl(sx/128)
 *   p = high(v, m)                       m, e: fl(h/sy) as m·2^e, m in 15 bits
 *   r = v/(3/2^15) in steps of 3/2^15    n, f: fl(h/fl(3/2^15)) as n·2^f; shifted by f − 1 before, by 1 after high(…, n), saturated each time
 *   y = sat(down(cut(⌊(r + 2^15)/2⌋·p/2^15), −e) + zy)
 *
 * high(a, b) is a·b/2^15 to the nearest, ties up, saturated to 16 bits; cut drops the fraction; down rounds ties away from zero.
 */
import { fixedMultiplier } from './requantize.ts';
import { clampTo, roundHalfAway } from './rounding.ts';
import type { TfliteQuantized } from './tflite.ts';
import { type ByteFunction, stored } from './tflite_unary.ts';

const saturated = (x: number): number => clampTo(-32768, 32767, x);

/** SaturatingRoundingDoublingHighMul of 16-bit integers. */
const high = (a: number, b: number): number => saturated(Math.floor((a * b + 2 ** 14) / 2 ** 15));

/** A factor m·2^(e − 15), m in 15 bits. */
function factor16(factor: number): { readonly m: number; readonly e: number } {
  const { mantissa, shift } = fixedMultiplier(factor);
  const isLargest = mantissa >= 2 ** 31 - 2 ** 15;
  return { m: isLargest ? 32767 : Math.floor((mantissa + 2 ** 15) / 2 ** 16), e: shift };
}

/** Undefined where TensorFlow Lite refuses the scales: that of the result is below 1/128 of that of x. */
export function tfliteHardSwish(x: TfliteQuantized, y: TfliteQuantized): ByteFunction | undefined {
  const fine = Math.fround(x.scale / 128);
  const result = factor16(Math.fround(fine / y.scale));
  const gate = factor16(Math.fround(fine / Math.fround(3 / 2 ** 15)));
  if (result.e > 0) return undefined;
  return (q) => {
    const v = (q - x.zeroPoint) * 2 ** 7;
    const product = high(v, result.m);
    const shifted = gate.e > 0 ? saturated(v * 2 ** (gate.e - 1)) : v;
    const scaled = high(shifted, gate.m);
    const open = gate.e > 0 ? saturated(scaled * 2) : roundHalfAway(scaled * 2 ** gate.e);
    const part = Math.floor((open + 2 ** 15) / 2);
    return stored(y, roundHalfAway(Math.trunc((part * product) / 2 ** 15) * 2 ** result.e));
  };
}
