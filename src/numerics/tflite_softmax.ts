/**
 * SOFTMAX of 8-bit integers over one row, d = q − max q, in the kernels of TensorFlow Lite (Softmax of its reference_ops and
 * optimized_ops). The zero point of x cancels; y has w bits, 8 or 16.
 *
 *   tflite   E = exp(d·β·sx) in Q0.31, the exponent in Q5.26: SRDHM(d·2^e, M), M·2^(e − 31) ≈ min(β·sx·2^26, 2^31 − 1)
 *            S = Σ down(E, 12) in Q12.19    R = 1/S by Newton, with n bits before the point
 *            y = sat(down(SRDHM(E, R), n + 31 − w) + least)       E = 0, so y the least, where d < −⌊31·2^26/2^e⌋
 *   litert   E = fl(exp(fl(fl(−sx·β)·−d)))    S = ΣE, in order    y = sat(⌊fl(fl(E·fl(1/fl(S·sy))) + ½)⌋ + zy)
 *
 * fl rounds to binary32.
 */
import { type ByteType, dtypes } from '../tensors/index.ts';
import { expOfNegative, highProduct, reciprocalOfOnePlus, shifted } from './fixed_point.ts';
import { fixedMultiplier } from './requantize.ts';
import { clampTo } from './rounding.ts';

export interface TfliteSoftmax {
  /** The type of the result. */
  readonly dtype: ByteType | 's16';
  readonly sx: number;
  readonly beta: number;
  readonly sy: number;
  readonly zy: number;
}

/** y by distance from the greatest element of a row, given all distances of the row and that element. */
export type RowFunction = (distances: Uint8Array, top: number) => (distance: number) => number;

/** Differences −d·factor in Q5.26, for distances up to `most`; `reverse` leads back from the fraction to d. */
export function scaledDifferences(factor: number) {
  const { mantissa, shift } = fixedMultiplier(Math.min(factor * 2 ** 26, 2 ** 31 - 1));
  return {
    most: Math.floor((31 * 2 ** 26) / 2 ** shift),
    fixedAt: (distance: number): number => highProduct(-distance * 2 ** shift, mantissa),
    reverse: 2 ** (31 - shift) / mantissa,
  };
}

/** 1/x of a number of Q12.19, x ≥ 1, as Q(n).(31 − n). */
export function reciprocalOf(x: number): { readonly value: number; readonly bits: number } {
  const zeros = Math.clz32(x);
  return { value: reciprocalOfOnePlus(x * 2 ** zeros - 2 ** 31), bits: 12 - zeros };
}

/** E of the recipe tflite by distance from the greatest element; 0 beyond the distances that it takes. */
export function fixedExponentials({ sx, beta }: Pick<TfliteSoftmax, 'sx' | 'beta'>): Int32Array {
  const { most, fixedAt } = scaledDifferences(beta * sx);
  return Int32Array.from({ length: 256 }, (_, distance) => (distance > most ? 0 : expOfNegative(fixedAt(distance))));
}

function inFixedPoint(softmax: TfliteSoftmax): RowFunction {
  const { min, max, bits: width } = dtypes[softmax.dtype];
  const exponentials = fixedExponentials(softmax);
  return (distances) => {
    let sum = 0;
    for (const distance of distances) sum += shifted(exponentials[distance], -12);
    const { value, bits } = reciprocalOf(sum);
    return (distance) =>
      clampTo(min, max, shifted(highProduct(exponentials[distance], value), width - 31 - bits) + min);
  };
}

export const byDistance = (of: (distance: number) => number): readonly number[] =>
  Array.from({ length: 256 }, (_, distance) => of(distance));

const step = Math.fround;

/** E of the recipe litert by distance from the greatest element. */
export function floatExponentials({ sx, beta }: Pick<TfliteSoftmax, 'sx' | 'beta'>): Float32Array {
  const factor = step(-sx * beta);
  return Float32Array.from({ length: 256 }, (_, distance) => Math.exp(step(factor * distance)));
}

function inFloats(softmax: TfliteSoftmax): RowFunction {
  const { dtype, sy, zy } = softmax;
  const { min, max } = dtypes[dtype];
  const exponentials = floatExponentials(softmax);
  return (distances) => {
    let sum = 0;
    for (const distance of distances) sum = step(sum + exponentials[distance]);
    const reciprocal = step(1 / step(sum * sy));
    return (distance) => clampTo(min, max, Math.floor(step(step(exponentials[distance] * reciprocal) + 0.5)) + zy);
  };
}

const recipes = { tflite: inFixedPoint, litert: inFloats } as const;
export type TfliteSoftmaxRecipe = keyof typeof recipes;

/** Rows of `length` elements each; `x` and `out` have the same number of elements, a multiple of `length`. */
export function tfliteSoftmax(
  recipe: TfliteSoftmaxRecipe,
  softmax: TfliteSoftmax,
  length: number,
  x: Uint8Array | Int8Array,
  out: Uint8Array | Int8Array | Int16Array,
): void {
  forEachRow(length, x, recipes[recipe](softmax), out);
}

/** Applies the function of a row to its elements. */
export function forEachRow(
  length: number,
  x: Uint8Array | Int8Array,
  row: RowFunction,
  out: Uint8Array | Int8Array | Int16Array,
): void {
  const distances = new Uint8Array(length);
  for (let from = 0; from < x.length; from += length) {
    let top = x[from];
    for (let i = 1; i < length; i++) top = Math.max(top, x[from + i]);
    for (let i = 0; i < length; i++) distances[i] = top - x[from + i];
    const at = row(distances, top);
    for (let i = 0; i < length; i++) out[from + i] = at(distances[i]);
  }
}
