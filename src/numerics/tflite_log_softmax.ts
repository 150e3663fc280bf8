/**
 * LOG_SOFTMAX of 8-bit integers over one row, d = q − max q, in the kernels of TensorFlow Lite (LogSoftmax of its reference_ops and
 * optimized_ops). The scale of the result is 1/16, its zero point the greatest integer.
 *
 *   tflite   D = d·sx in Q5.26 as in SOFTMAX, L = ln Σ down(exp D, 12) in Q5.26
 *            y = sat(down(D − L, 22) + most)         least where d ≤ max(first d that SOFTMAX leaves out, two(L − 2^31, 1/(sx·2^26)))
 *   litert   L = fl(ln Σ fl(exp(fl(fl(−sx)·−d))))    Σ in order, every sum rounded
 *            y = sat(rne(fl(fl(fl(sx/sy)·q) − fl(fl(fl(sx·max q) + L)/sy))) + most)
 */
import { type ByteType, dtypes } from '../tensors/index.ts';
import { expOfNegative, logOf, shifted } from './fixed_point.ts';
import { fixedMultiplier, multiplyFixed } from './requantize.ts';
import { clampTo, roundHalfEven } from './rounding.ts';
import { byDistance, forEachRow, type RowFunction, scaledDifferences } from './tflite_softmax.ts';

/** The scale of the result. */
export const LOG_SOFTMAX_SCALE = 1 / 16;

function inFixedPoint(dtype: ByteType, sx: number): RowFunction {
  const { min, max } = dtypes[dtype];
  const { most, fixedAt, reverse } = scaledDifferences(sx);
  const { mantissa, shift } = fixedMultiplier(reverse);
  const fixed = byDistance((distance) => (distance > most ? 0 : fixedAt(distance)));
  const exponentials = fixed.map((value, distance) => (distance > most ? 0 : shifted(expOfNegative(value), -12)));
  return (distances) => {
    let sum = 0;
    for (const distance of distances) sum += exponentials[distance];
    const log = logOf(sum, 12);
    const least = Math.max(-most - 1, multiplyFixed(log - 2 ** 31, mantissa, shift));
    return (distance) => (-distance > least ? clampTo(min, max, shifted(fixed[distance] - log, -22) + max) : min);
  };
}

const step = Math.fround;

function inFloats(dtype: ByteType, sx: number): RowFunction {
  const { min, max } = dtypes[dtype];
  const exponentials = byDistance((distance) => step(Math.exp(step(-sx * distance))));
  const slope = step(sx / LOG_SOFTMAX_SCALE);
  return (distances, top) => {
    let sum = 0;
    for (const distance of distances) sum = step(sum + exponentials[distance]);
    const offset = step(step(step(sx * top) + step(Math.log(sum))) / LOG_SOFTMAX_SCALE);
    return (distance) => clampTo(min, max, roundHalfEven(step(step(slope * (top - distance)) - offset)) + max);
  };
}

const recipes = { tflite: inFixedPoint, litert: inFloats } as const;

/** Rows of `length` elements each. */
export function tfliteLogSoftmax(
  recipe: keyof typeof recipes,
  { dtype, sx }: { readonly dtype: ByteType; readonly sx: number },
  length: number,
  x: Uint8Array | Int8Array,
  out: Uint8Array | Int8Array,
): void {
  forEachRow(length, x, recipes[recipe](dtype, sx), out);
}
