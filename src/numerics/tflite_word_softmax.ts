/**
 * SOFTMAX of 16-bit integers over one row in the kernels of TensorFlow Lite (SoftmaxInt16 of its reference_ops, and SoftmaxPrepare of
 * kernels/activations). Both functions are tables of 513 entries (tflite_words.ts), of results with 15 bits behind the point:
 *
 *   d = sat(two(q − max q, fl(sx·β)/(10/65535)) + 32767)        two: the product in fixed point with two roundings
 *   E = exp of d, which stands for [−10, 0]    S = ΣE < 2^b, b as small as possible
 *   R = 1/(1 + t), t·65535 = sat(⌊(S·2^(31 − b) + 2^13)/2^14⌋ − 2^15 − 2^16) + 2^15
 *   y = clamp(⌊(E·R + 2^(b − 2))/2^(b − 1)⌋, 0, 32767)
 */
import type { ByteFunction } from './tflite_unary.ts';
import { tfliteWordTable } from './tflite_words.ts';

const RESULT = { scale: 2 / 65535, zeroPoint: 0 };

/** eˣ of a word that stands for [−10, 0]; at least 0. */
export const exponentialOfWord: ByteFunction = tfliteWordTable(
  Math.exp,
  { scale: 10 / 65535, zeroPoint: 32767 },
  RESULT,
);

/** 1/(1 + x) of a word that stands for [0, 1]. */
export const reciprocalOfWord: ByteFunction = tfliteWordTable(
  (x) => 1 / (1 + x),
  { scale: 1 / 65535, zeroPoint: -32768 },
  RESULT,
);

/** The factor from steps of sx to those of the exponential. */
export const wordSoftmaxFactor = (sx: number, beta: number): number => Math.fround(sx * beta) / (10 / 65535);

/** The exponential of 0 is at least so large, and the largest sum is below 2^31. */
export const LEAST_SUM_BITS = 15;
export const MOST_SUM_BITS = 31;
/** Longer rows have sums that leave int32. */
export const MOST_WORDS_OF_A_SOFTMAX = 65536;
