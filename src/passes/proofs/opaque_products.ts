/**
 * Products of unknown sources with weights as unknowns of their own: sides that are equal whatever these are, are equal for
 * what they are, and take no pass over the weights. One product is that of the same weights with the same terms by the same
 * geometry; where sides get one sum from different weights (w split in two, say) they differ here.
 */
import type { ITensor } from '../../ir/index.ts';
import { remember } from './remember.ts';
import type { RandomPoints } from './ring.ts';
import type { Term, Vector } from './terms.ts';

export class OpaqueProducts {
  readonly #random: RandomPoints;
  readonly #values = new Map<ITensor, Map<string, Float64Array>>();

  constructor(random: RandomPoints) {
    this.#random = random;
  }

  /** `count` elements that stand for a product of terms with the same `vector` along the summed axis; undefined when it is known. */
  of(w: ITensor, vector: Vector, key: () => string, count: number): Float64Array | undefined {
    if (!this.#random.made(vector)) return undefined;
    return remember(this.#values, w, key(), () => this.#random.vector(count).data);
  }
}

const numbers = new WeakMap<Vector, number>();
let last = 0;

/** Vectors are the same when they are one object. */
export function numberOf(vector: Vector): number {
  const known = numbers.get(vector) ?? ++last;
  numbers.set(vector, known);
  return known;
}

export const termsKey = (terms: readonly Term[]): string =>
  terms.map(({ scale, axes }) => `${scale}·${axes.map(numberOf).join('⊗')}`).join(' + ');
