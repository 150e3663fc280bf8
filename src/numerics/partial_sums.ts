/**
 * The order in which the elements of a run are summed: element i belongs to partial sum i mod 16, and the 16 partial sums, each
 * begun at 0, are added by halves: j and j + 8 to j, then j and j + 4, j + 2, j + 1. Everything is binary64. Vectors of any width
 * up to 16 sum in this order, along a run and across neighbouring runs alike. native/kernels/partial_sums.h is the twin.
 */
const PARTIAL_SUMS = 16;

function byHalves(partial: Float64Array, join: (a: number, b: number) => number): number {
  for (let half = PARTIAL_SUMS / 2; half >= 1; half /= 2) {
    for (let j = 0; j < half; j++) partial[j] = join(partial[j], partial[j + half]);
  }
  return partial[0];
}

/** Σ term(x) over the elements in [from, to). */
export function sumOfRun(
  values: ArrayLike<number>,
  from: number,
  to: number,
  term: (x: number) => number = (x) => x,
): number {
  const partial = new Float64Array(PARTIAL_SUMS);
  for (let i = from; i < to; i++) partial[(i - from) % PARTIAL_SUMS] += term(values[i]);
  return byHalves(partial, (a, b) => a + b);
}

/** Π x over the elements in [from, to), in the same order. */
export function productOfRun(values: ArrayLike<number>, from: number, to: number): number {
  const partial = new Float64Array(PARTIAL_SUMS).fill(1);
  for (let i = from; i < to; i++) partial[(i - from) % PARTIAL_SUMS] *= values[i];
  return byHalves(partial, (a, b) => a * b);
}
