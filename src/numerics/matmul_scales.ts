/**
 * The scales of matrix products with integer accumulators (ONNX Runtime). A is the int32 accumulator.
 *
 *   QLinearMatMul         m_j = fl(fl(sa·sb_j)/sy)                 requantize, profile ort (multiplier32)
 *   QGemm, quantized      m_j = fl(fl(fl(α·sa)·sb_j)/sy)           requantize A + C
 *   QGemm, float          y = fl(fl(A + C)·fl(fl(α·sa)·sb_j))
 *   MatMulIntegerToFloat  y = fl(fl(fl(A)·fl(sa·sb_j)) + bias_j)   two roundings, no FMA
 *   DynamicQuantizeMatMul the same, with sa and za of dynamicParameters over all of A
 *
 * C of QGemm is added unscaled, although α scales the product: its scale is α·sa·sb_j.
 */
import type { Multiplier } from './requantize.ts';

/** fl(fl(α·sa)·sb). */
export const gemmScale = (alpha: number, sa: number, sb: number): number => Math.fround(Math.fround(alpha * sa) * sb);

export const gemmMultiplier = (alpha: number, sa: number, sb: number, sy: number): Multiplier => ({
  arithmetic: 'f32',
  factor: Math.fround(gemmScale(alpha, sa, sb) / sy),
});

/** fl(sa·sb): the scale of MatMulIntegerToFloat and DynamicQuantizeMatMul. */
export const productScale = (sa: number, sb: number): number => Math.fround(sa * sb);

/** An accumulator as a float, `scale` from gemmScale or productScale. */
export const scaleAccumulator = (accumulator: number, scale: number, bias = 0): number =>
  Math.fround(Math.fround(Math.fround(accumulator) * scale) + bias);
