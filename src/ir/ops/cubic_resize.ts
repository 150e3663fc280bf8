/**
 * Cubic interpolation by the convolution of Keys with the factor a, axis by axis: position p of an axis lies a part s behind ⌊p⌋, and shows
 * the sum of the elements at ⌊p⌋ − 1 … ⌊p⌋ + 2 by the weights of the distances 1 + s, s, 1 − s and 2 − s. Taps beyond the edge are the edge,
 * or with excludesOutside weigh 0, the others then adding up to 1. All in binary64, rounded once behind the last axis.
 */
import { doublesOf, fromDoubles, type ITensor, sizeOf } from '../../tensors/index.ts';
import { resizePositions, shrinkingFirst } from './resize_positions.ts';

/** Taps of each position of an axis. */
export const CUBIC_TAPS = 4;

/** One axis to be resized: for each position the places of its taps, and their weights. */
export interface CubicAxis {
  readonly axis: number;
  readonly places: Int32Array;
  readonly weights: Float64Array;
}

type Attributes = Parameters<typeof resizePositions>[2] & {
  readonly cubicFactor: number;
  readonly excludesOutside: boolean;
};

/** The axes of which anything is resized, in their order. */
export function cubicAxes(from: readonly number[], to: readonly number[], attrs: Attributes): readonly CubicAxis[] {
  const positions = resizePositions(from, to, attrs);
  return shrinkingFirst(from, to)
    .filter((axis) => to[axis] !== from[axis] || attrs.scales[axis] !== 1)
    .map((axis) => ({ axis, ...tapsOf(positions[axis], from[axis], attrs) }));
}

function tapsOf(positions: Float64Array, size: number, { cubicFactor, excludesOutside }: Attributes) {
  const a = Math.fround(cubicFactor);
  const places = new Int32Array(CUBIC_TAPS * positions.length);
  const weights = new Float64Array(CUBIC_TAPS * positions.length);
  positions.forEach((position, i) => {
    const low = Math.floor(position);
    const s = position - low;
    const near = (d: number) => ((a + 2) * d - (a + 3)) * d * d + 1;
    const far = (d: number) => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    const own = [far(1 + s), near(s), near(1 - s), far(2 - s)].map((weight, tap) => {
      const isOutside = low - 1 + tap < 0 || low - 1 + tap >= size;
      return excludesOutside && isOutside ? 0 : weight;
    });
    const sum = excludesOutside ? own[0] + own[1] + own[2] + own[3] : 1;
    own.forEach((weight, tap) => {
      places[CUBIC_TAPS * i + tap] = Math.min(Math.max(low - 1 + tap, 0), size - 1);
      weights[CUBIC_TAPS * i + tap] = weight / sum;
    });
  });
  return { places, weights };
}

export function cubicResize(x: ITensor, axes: readonly CubicAxis[]): ITensor {
  let [values, shape] = [doublesOf(x), x.shape];
  for (const { axis, places, weights } of axes) {
    const [outer, size, inner] = [sizeOf(shape.slice(0, axis)), shape[axis], sizeOf(shape.slice(axis + 1))];
    const count = places.length / CUBIC_TAPS;
    const y = new Float64Array(outer * count * inner);
    for (let o = 0, to = 0; o < outer; o++) {
      for (let i = 0; i < places.length; i += CUBIC_TAPS) {
        const at = (tap: number) => (o * size + places[i + tap]) * inner;
        const [p, q, r, s] = [at(0), at(1), at(2), at(3)];
        for (let k = 0; k < inner; k++) {
          const first = weights[i] * values[p + k] + weights[i + 1] * values[q + k];
          y[to++] = first + weights[i + 2] * values[r + k] + weights[i + 3] * values[s + k];
        }
      }
    }
    [values, shape] = [y, shape.with(axis, count)];
  }
  return fromDoubles(x.dtype, values, shape);
}
