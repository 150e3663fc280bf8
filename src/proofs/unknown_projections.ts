/**
 * Takes Σ w·v of random vectors v as unknowns of their own, without a pass over the weights: sides that are equal for
 * any values of these sums are equal for the true ones. Sides that get one sum from different weights (w split in two,
 * say) differ here, and the sums themselves have to be known.
 */

import type { ITensor } from '../ir/index.ts';
import { layoutKey, type ProductLayout } from '../ir/index.ts';
import { remember, within } from './remember.ts';
import type { RandomPoints, Ring } from './ring.ts';
import { isOnes, type Vector } from './terms.ts';
import { projectionSize, type Weights } from './weights.ts';

/** The part of `Weights` that evaluation uses. */
export type Projections = Pick<Weights, 'projection' | 'centred'>;

export class UnknownProjections implements Projections {
  readonly centred: Weights['centred'];
  readonly #weights: Weights;
  readonly #random: RandomPoints;
  readonly #projections = new Map<string, Map<ITensor, Map<Vector, Float64Array>>>();

  constructor(weights: Weights, random: RandomPoints) {
    this.centred = weights.centred;
    this.#weights = weights;
    this.#random = random;
  }

  projection(w: ITensor, layout: ProductLayout, vector: Vector, ring: Ring): Float64Array {
    if (isOnes(vector) || !this.#random.made(vector)) return this.#weights.projection(w, layout, vector, ring);
    const known = within(this.#projections, layoutKey(layout));
    // Elements of Z/p, which are unknown integers modulo 2^32 as well.
    return remember(known, w, vector, () => this.#random.vector(projectionSize(w, layout)).data);
  }
}
