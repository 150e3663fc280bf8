/**
 * SVDF on bytes in the reference kernels of TensorFlow Lite (tensorflow/lite/kernels/internal/reference/svdf, EvalIntegerSVDF, and
 * Prepare in kernels/svdf for the factors):
 *
 *   two(s, d)   s·d by a fixed multiplier, rounded twice: multiplyFixed
 *
 *   latest[b, f]    = sat16(two(Σ_i (x[b, i] − zx)·features[f, i], fl(fl(sx·sf)/ss)))
 *   runs[b, f]      = the last M of latest[b, f], this one included
 *   y[b, u]         = sat8(two(bias[u] + Σ_{f of u} Σ_m runs[b, f, m]·time[f, m], fl(fl(ss·st)/sy)) + zy)     sums modulo 2^32
 *
 * A fused activation changes nothing.
 */
import { multiplier32 } from './requantize.ts';

/** Scales of the operands and the result. */
export interface SvdfScales {
  readonly x: number;
  readonly features: number;
  readonly time: number;
  readonly state: number;
  readonly y: number;
}

export const svdfFactors = ({ x, features, time, state, y }: SvdfScales) => ({
  feature: multiplier32(x, features, state),
  result: multiplier32(state, time, y),
});
