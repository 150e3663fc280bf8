/**
 * Average pooling of quantized tensors (com.microsoft), as ONNX Runtime computes it.
 *
 * QLinearGlobalAveragePool sums integers and requantizes:
 *
 *   m = fl(sx / fl(sy·n))   y = sat(rne(fl(fl(Σ(x − zx))·m)) + zy)
 *
 * QLinearAveragePool sums floats in row-major order of the window, and adds the zero point before rounding:
 *
 *   r = fl(fl(x − zx)·sx)   y = sat(rne(fl(fl(fl(Σ r / n)/sy) + zy)))   each + of Σ rounded
 *
 * n is the number of taps inside the input, or the size of the kernel with count_include_pad. Where the kernel is the
 * whole image and nothing is padded, QLinearAveragePool is QLinearGlobalAveragePool.
 *
 * QLinearReduceMean has a schema and no CPU kernel in ORT: read it as the global formula over the reduced axes.
 */

import { type Multiplier, requantizeModes, requantizer } from './requantize.ts';
import { clampTo, roundHalfEven } from './rounding.ts';

/** Scales and zero points of a pool; [low, high] is the range of the output type. */
export interface PoolQuantization {
  readonly sx: number;
  readonly sy: number;
  readonly zy: number;
  readonly low: number;
  readonly high: number;
}

/** fl(sx / fl(sy·size)). ORT refuses size ≥ 2^24 and multipliers outside [2^-32, 256). */
export function globalAverageMultiplier(sx: number, sy: number, size: number): Multiplier {
  return { arithmetic: 'f32', factor: Math.fround(sx / Math.fround(sy * size)) };
}

/** Σ(x − zx) over `size` elements -> y. */
export const globalAverage = (q: PoolQuantization, size: number): ((sum: number) => number) =>
  requantizer(requantizeModes.ort, globalAverageMultiplier(q.sx, q.sy, size), q.zy, q.low, q.high);

/** The float sum of a window and its divisor -> y. */
export function windowAverage({ sy, zy, low, high }: PoolQuantization, sum: number, count: number): number {
  const average = Math.fround(sum / count);
  return clampTo(low, high, roundHalfEven(Math.fround(Math.fround(average / sy) + zy)));
}

/** True when QLinearAveragePool uses the global formula. */
export const isGlobalWindow = (
  spatial: readonly number[],
  kernel: readonly number[],
  pads: readonly number[],
): boolean => spatial.every((extent, axis) => extent === kernel[axis]) && pads.every((pad) => pad === 0);
