/** Polynomials of several whole numbers, through their values at the points of a simplex. */
import { assert } from '../diagnostics/index.ts';

/** The multi-indices of `count` numbers ≥ 0 whose sum is at most `degree`, each behind those that are nowhere larger. */
export function simplex(count: number, degree: number): number[][] {
  if (count === 0) return [[]];
  return Array.from({ length: degree + 1 }, (_, first) =>
    simplex(count - 1, degree - first).map((rest) => [first, ...rest]),
  ).flat();
}

/** C(n, k) = n·(n − 1)⋯(n − k + 1) / k!, for any whole n. */
function binomial(n: number, k: number): number {
  let product = 1;
  for (let i = 0; i < k; i++) product = (product * (n - i)) / (i + 1);
  return product;
}

/**
 * A list of polynomials with rational coefficients that are whole at whole points, of a total degree that the simplex has. Newton's form:
 * p(x) = Σ Δ^i p(base) · Π C(x_k − base_k, i_k) over the simplex, Δ being forward differences. Everything is a whole number, and exact below 2^53.
 * A number that is the same at every point may be anything.
 */
export class SimplexPolynomials {
  readonly #base: readonly number[];
  readonly #indices: readonly (readonly number[])[];
  readonly #constants: Float64Array;
  /** The polynomials that are not constant: their places, and as many differences for each as there are indices. */
  readonly #places: Int32Array;
  readonly #differences: Float64Array;

  /** @param values at `base` + index for each index, in their order */
  constructor(base: readonly number[], indices: readonly (readonly number[])[], values: readonly Float64Array[]) {
    this.#base = base;
    this.#indices = indices;
    const [first] = values;
    assert(first && values.every(({ length }) => length === first.length), 'each point has a value of each polynomial');
    this.#constants = first;
    const changes = (place: number) => values.some((list) => !Object.is(list[place], first[place]));
    const places = [...first.keys()].filter(changes);
    this.#places = Int32Array.from(places);
    const ways = indices.map((of) => differenceOf(of, indices));
    this.#differences = Float64Array.from(
      places.flatMap((place) =>
        ways.map((way) => way.reduce((sum, factor, at) => sum + factor * values[at][place], 0)),
      ),
    );
  }

  get atBase(): Float64Array {
    return this.#constants;
  }

  /** All of them at a point. */
  at(point: readonly number[]): Float64Array {
    const weights = Float64Array.from(this.#indices, (index) =>
      index.reduce((product, order, k) => product * binomial(point[k] - this.#base[k], order), 1),
    );
    const values = this.#constants.slice();
    const [places, differences] = [this.#places, this.#differences];
    for (let i = 0, at = 0; i < places.length; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += differences[at++] * weights[k];
      values[places[i]] = sum;
    }
    return values;
  }
}

/** The factors of the values in Δ^of p(base) = Σ Π (−1)^(of_k − at_k) · C(of_k, at_k) · p(base + at). */
const differenceOf = (of: readonly number[], indices: readonly (readonly number[])[]): number[] =>
  indices.map((at) =>
    at.reduce((product, n, k) => product * (n > of[k] ? 0 : (-1) ** (of[k] - n) * binomial(of[k], n)), 1),
  );
