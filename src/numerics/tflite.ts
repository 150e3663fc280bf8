/**
 * The arithmetic of TensorFlow Lite, by its sources (tensorflow/lite/kernels/internal) and as measured on ai-edge-litert 2.3.0. Scales are
 * binary32 numbers; quotients of them are binary64 where nothing is said.
 *
 *   reference kernels   products by fixed point, rounded twice (multiplyFixed); FULLY_CONNECTED once, in binary64, ties away from zero
 *   XNNPACK             products by a binary32 factor, rounded once, ties to even: as ONNX Runtime
 */
import { type ByteType, dtypes } from '../tensors/index.ts';
import { fixedMultiplier, type Multiplier, multiplier32, type RequantizeMode, requantizeModes } from './requantize.ts';
import { roundHalfAway, roundHalfEven } from './rounding.ts';

/** A tensor of integers: x = scale·(q − zeroPoint). */
export interface TfliteQuantized {
  readonly dtype: ByteType | 's16';
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * A fused activation, as the range of integers that it leaves. The ends are rounded otherwise by each engine; it shows at ties:
 *
 *   tflite    zeroPoint + rha(fl(x/scale))
 *   xnnpack   rne(fl(fl(x/scale) + zeroPoint))
 */
export function activationRange(
  activation: 'NONE' | 'RELU' | 'RELU_N1_TO_1' | 'RELU_0_TO_1' | 'RELU6',
  { dtype, scale, zeroPoint }: TfliteQuantized,
  engine: 'tflite' | 'xnnpack' = 'tflite',
): { readonly low: number; readonly high: number } {
  const { min, max } = dtypes[dtype];
  const at = (real: number): number => {
    const steps = Math.fround(real / scale);
    return engine === 'tflite' ? zeroPoint + roundHalfAway(steps) : roundHalfEven(Math.fround(steps + zeroPoint));
  };
  switch (activation) {
    case 'NONE':
      return { low: min, high: max };
    case 'RELU':
      return { low: Math.max(min, zeroPoint), high: max };
    case 'RELU6':
      return { low: Math.max(min, zeroPoint), high: Math.min(max, at(6)) };
    case 'RELU_0_TO_1':
      return { low: Math.max(min, zeroPoint), high: Math.min(max, at(1)) };
    case 'RELU_N1_TO_1':
      return { low: Math.max(min, at(-1)), high: Math.min(max, at(1)) };
  }
}

/** The operators whose sums the reference kernels round in one way or the other. */
export type TfliteProduct = 'convolution' | 'fully-connected';

export const tfliteModes = {
  convolution: requantizeModes.tflite,
  'fully-connected': { arithmetic: 'f64', rounding: 'half-away', zeroPointAt: 'after' },
} as const satisfies Readonly<Record<TfliteProduct, RequantizeMode>>;

/** The factor of a sum under the reference kernels: unsigned convolutions round the product of scales to binary32 first. */
export function tfliteMultiplier(kind: TfliteProduct, dtype: ByteType, sx: number, sw: number, sy: number): Multiplier {
  if (kind === 'fully-connected') return { arithmetic: 'f64', factor: (sx * sw) / sy };
  return fixedMultiplier(dtype === 'u8' ? Math.fround(sx * sw) / sy : (sx * sw) / sy);
}

/** The factor of a sum under XNNPACK: fl(fl(sx·sw)/sy). */
export const xnnpackMultiplier = (sx: number, sw: number, sy: number): Multiplier => ({
  arithmetic: 'f32',
  factor: multiplier32(sx, sw, sy),
});

/** The numbers r and 2^(15 − shift) of multiplyWide. */
export const wideFactors = (
  mantissa: number,
  shift: number,
): { readonly multiplier: number; readonly divisor: number } => ({
  multiplier: mantissa >= 0x7fff0000 ? 0x7fff : Math.floor((mantissa + 2 ** 15) / 2 ** 16),
  divisor: 2 ** (15 - shift),
});

/**
 * MultiplyByQuantizedMultiplier of a 64-bit sum |x| < 2^47, for 16-bit activations: the mantissa M is cut to 15 bits.
 *
 *   r = (M + 2^15) >> 16, 2^15 − 1 for M ≥ 2^31 − 2^16;   y = ⌊(x·r + 2^(14 − shift)) / 2^(15 − shift)⌋
 *
 * x·r needs up to 62 bits: x = h·2^16 + l is taken in two halves, h·r and l·r being exact in binary64.
 */
export function multiplyWide(x: number, mantissa: number, shift: number): number {
  const { multiplier: r, divisor } = wideFactors(mantissa, shift);
  const high = Math.floor(x / 2 ** 16);
  const low = (x - high * 2 ** 16) * r + divisor / 2;
  if (divisor < 2 ** 16) return high * r * (2 ** 16 / divisor) + Math.floor(low / divisor);
  const step = divisor / 2 ** 16;
  const quotient = Math.floor((high * r) / step);
  const rest = high * r - quotient * step;
  return quotient + Math.floor((rest * 2 ** 16 + low) / divisor);
}
