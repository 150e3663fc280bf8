/** Contents of tensors: extreme patterns and pseudo-random numbers, each a function of a pattern and a seed. */

import { type DType, dtypes, type ITensor, isFloat, isInteger, sizeOf, tensor } from '../ir/index.ts';
import { numberToBfloat16, numberToHalf } from '../numerics/index.ts';

export const patterns = ['ones', 'min', 'max', 'alternating', 'random'] as const;
/** Floats among which NaN, infinities, zeros of both signs, huge and subnormal numbers are frequent; integers are random. */
export const nonFinitePattern = 'non-finite';
export type Pattern = (typeof patterns)[number] | typeof nonFinitePattern;

export interface Contents {
  readonly pattern: Pattern;
  readonly seed: number;
}

/** Uniform numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A tensor of the given type. Floats are multiples of 1/4 below 2^6 in half of the cases, which scales that are powers of
 * two turn into ties, and of every magnitude up to 2^10 else; 32- and 64-bit integers stay below 2^20 except for the
 * extremes, f64 included with floats. Patterns of f16 and bf16 stand for numbers that both hold exactly. Floats are finite
 * but in the pattern `non-finite`.
 */
export function filled<D extends DType>(dtype: D, shape: readonly number[], contents: Contents): ITensor<D> {
  const element = elementOf(dtype, contents);
  return tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, (_, i) => element(i)),
    shape,
  );
}

function elementOf(dtype: DType, { pattern, seed }: Contents): (index: number) => number {
  if (dtype === 'f16' || dtype === 'bf16') {
    const encode = dtype === 'f16' ? numberToHalf : numberToBfloat16;
    if (pattern === nonFinitePattern) {
      const number = elementOf('f32', { pattern, seed });
      return (i) => encode(number(i));
    }
    const number = elementOf('s8', { pattern, seed });
    return (i) => encode(number(i) / 4);
  }
  const [low, high] = rangeOf(dtype);
  const random = randomSource(seed);
  switch (pattern) {
    case 'ones':
      return () => 1;
    case 'min':
      return () => low;
    case 'max':
      return () => high;
    case 'alternating':
      return (i) => ((i + seed) % 2 === 0 ? low : high);
    case nonFinitePattern:
      return isFloat(dtype)
        ? () => (random() < 0.25 ? special[Math.floor(random() * special.length)] : randomFloat(random))
        : () => randomInteger(dtype, random);
    case 'random':
      return isFloat(dtype) ? () => randomFloat(random) : () => randomInteger(dtype, random);
  }
}

/** The largest and the least that binary32 holds among them, one that overflows in a sum of two, and a subnormal one. */
const special = [NaN, Infinity, -Infinity, -0, 0, 3.4028234663852886e38, -3e38, 2 ** -149, -(2 ** -126)];

function rangeOf(dtype: DType): readonly [number, number] {
  if (isFloat(dtype)) return [-1000.5, 1000.5];
  const { bits, min, max } = dtypes[dtype];
  return bits === 64 ? [min === 0 ? 0 : -(2 ** 40), 2 ** 40] : [min, max];
}

function randomInteger(dtype: DType, random: () => number): number {
  const { min, max } = isInteger(dtype) ? dtypes[dtype] : { min: 0, max: 1 };
  const [low, high] = [Math.max(min, -(2 ** 20)), Math.min(max, 2 ** 20)];
  return low + Math.floor(random() * (high - low + 1));
}

function randomFloat(random: () => number): number {
  if (random() < 0.5) return Math.floor(random() * 512 - 256) / 4;
  if (random() < 0.05) return -0;
  return Math.fround((random() - 0.5) * 2 ** Math.floor(random() * 21 - 9));
}
