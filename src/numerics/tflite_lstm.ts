/**
 * UNIDIRECTIONAL_SEQUENCE_LSTM on bytes with 16-bit cells in the kernels of TensorFlow Lite (tensorflow/lite/kernels/lstm_eval,
 * LstmStepInteger8x8_16, and PopulateQuantizedLstmParams8x8_16 in unidirectional_sequence_lstm for the factors), for every step:
 *
 *   two(s, d)   s·d by a fixed multiplier, rounded twice: multiplyFixed;    rha(v): nearest, ties away from zero
 *   logistic, tanh of words: fixed_point_words.ts; gates have three bits before the point, a cell m = 15 + log2 of its scale
 *
 *   gate(g) = sat16(sat16(two(bias_g + Σ (x − zx)·w_g, fl(fl(sw·sx)/2^−12))) + two(Σ (h − zh)·r_g, fl(fl(sr·sh)/2^−12)))
 *             and with peepholes sat16(gate(g) + two(c·p_g, fl(sc·sp/2^−12))), the output gate with the new c
 *   f = logistic(gate(forget)), o = logistic(gate(output)), i = logistic(gate(input)), or 2^15 − 1 − f without an input gate
 *   c = sat16(rha(f·c/2^15) + rha(i·tanh(gate(cell))/2^(15 + m))), within ±trunc(clip/sc) where there is a clip
 *   h = sat8(two(o·tanh(c), fl(2^−30/s)) + z)                   s, z: those of the fifth intermediate tensor
 *   h = sat8(two(bias + Σ (y + z)·w, fl(fl(sw·s)/sh)) + zh), within ±trunc(clip/sh) where there is a clip, y = sat8(two(…) − z):
 *       with a projection. The sign of z was measured on ai-edge-litert 2.3.0; it shows where y saturates
 */
import { multiplier32 } from './requantize.ts';
import { clampTo } from './rounding.ts';

/** The factor of a gate's sum. Scales are binary32 numbers. */
export const gateFactor = (weights: number, source: number): number => multiplier32(weights, source, 2 ** -12);

/** The factor of the products of a cell and its peephole. */
export const peepholeFactor = (weights: number, cellBits: number): number =>
  Math.fround((2 ** (cellBits - 15) * weights) / 2 ** -12);

/** The factor of output gate times tanh of the cell. */
export const hiddenFactor = (scale: number): number => Math.fround((2 ** -15 / scale) * 2 ** -15);

/** The bits of a cell before the point; undefined where its scale is not a power of two for which the kernels have tanh. */
export function cellBits(scale: number): number | undefined {
  const power = Math.log2(scale);
  const bits = 15 + Math.round(power);
  return Math.abs(power - Math.round(power)) < 1e-3 && bits >= 0 && bits <= 6 ? bits : undefined;
}

/** A clip in steps of a scale; 0 stands for none. */
export const clipInSteps = (clip: number, scale: number, most: number): number =>
  clip > 0 ? Math.trunc(clampTo(-most - 1, most, Math.fround(clip / scale))) : 0;
