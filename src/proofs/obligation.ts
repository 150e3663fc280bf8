/**
 * The obligations of a rewrite and their proofs. Plain data: certificates keep them in compiled files and exported
 * models.
 */
import { type DType, type Feeds, type ITensor, numbersOf, sizeOf, tensor } from '../ir/index.ts';

export type ObligationKind = 'identity' | 'range' | 'rounding' | 'saturation';

export interface Obligation {
  readonly kind: ObligationKind;
  /** The statement. */
  readonly what: string;
  /** The method that decided it. */
  readonly method: string;
  readonly verdict: Verdict;
}

/** `open`: neither proved nor refuted, and why. */
export type Verdict = 'proved' | { readonly refuted: Witness } | { readonly open: string };

/** An input of the rewritten region at which both sides differ. */
export interface Witness {
  readonly inputs: Readonly<Record<string, WitnessInput>>;
  readonly output: string;
  readonly index: readonly number[];
  readonly before: number;
  readonly after: number;
  /** All accumulators of the channel at which the sides differ, as closed intervals. */
  readonly accumulators?: readonly (readonly [from: number, to: number])[];
}

/** Its elements or, for a tensor too large to print, the way to fill it. */
export interface WitnessInput {
  readonly type: DType;
  readonly shape: readonly number[];
  readonly data?: readonly number[];
  readonly fill?: Fill;
}

/** The same value everywhere, or random values from a seed. */
export type Fill = { readonly value: number } | { readonly seed: number };

/** Tensors up to this size are written out. */
const SHOWN = 1024;

export function witnessInput(t: ITensor, fill: Fill): WitnessInput {
  const common = { type: t.dtype, shape: t.shape };
  return t.data.length <= SHOWN ? { ...common, data: numbersOf(t) } : { ...common, fill };
}

/** The tensors of a witness, for `interpret`. */
export function witnessFeeds(witness: Witness): Feeds {
  return Object.fromEntries(
    Object.entries(witness.inputs).map(([name, { type, shape, data, fill }]) => [
      name,
      data ? tensor(type, data, shape) : filledWith(type, shape, fill ?? { value: 0 }),
    ]),
  );
}

/** Random elements cover the whole range of an 8-bit type; wider integers stay within ±2^15. */
export function filledWith(dtype: DType, shape: readonly number[], fill: Fill): ITensor {
  const values = new Float64Array(sizeOf(shape));
  if ('value' in fill) values.fill(fill.value);
  else {
    let state = fill.seed;
    for (let i = 0; i < values.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      values[i] = state >> 16; // 8-bit arrays keep the low byte
    }
  }
  return tensor(dtype, values, shape);
}

export const isProved = ({ verdict }: Obligation): boolean => verdict === 'proved';
export const isRefuted = ({ verdict }: Obligation): boolean => typeof verdict === 'object' && 'refuted' in verdict;
