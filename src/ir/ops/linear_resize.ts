/**
 * Linear interpolation as ONNX Runtime computes it. Along every axis output position i lies at `at`, limited to the input,
 * between its neighbours a = ⌊at⌋ and b = min(a + 1, last), with the weights fl(at − a) of b and fl(b − at) of a, ½ and ½ where
 * they are the same. Weights of the axes are multiplied, the innermost first, and products added, the nearest first and the
 * innermost axis fastest, everything rounded to binary32: four products for two axes, eight for three. Integers are
 * truncated. Bytes with their channels last take weights of 10 bits instead: trunc(Σ w·x / 2^20), w = ⌊1024·at⌋ − 1024·a.
 */
import { fromDoubles, type ITensor, isByteType, sizeOf } from '../../tensors/index.ts';

/** Element types that are interpolated. */
export const interpolatedTypes: readonly string[] = ['f32', 's32', 's8', 'u8'];

const step = Math.fround;

/** The neighbours of every output position of an axis, and their weights. */
export interface Neighbours {
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly weightOfA: Float32Array;
  readonly weightOfB: Float32Array;
}

function neighbours(size: number, positions: ArrayLike<number>, tenBits: boolean): Neighbours {
  const { length } = positions;
  const [a, b] = [new Float64Array(length), new Float64Array(length)];
  const [weightOfA, weightOfB] = [new Float32Array(length), new Float32Array(length)];
  const unit = tenBits ? 1024 : 1;
  for (let i = 0; i < length; i++) {
    const position = Math.max(0, Math.min(positions[i], size - 1));
    const first = Math.trunc(position);
    const second = Math.min(first + 1, size - 1);
    const scaled = tenBits ? Math.trunc(step(position * 1024)) : position;
    a[i] = first;
    b[i] = second;
    weightOfA[i] = first === second ? unit / 2 : second * unit - scaled;
    weightOfB[i] = first === second ? unit / 2 : scaled - first * unit;
  }
  return { a, b, weightOfA, weightOfB };
}

/**
 * The axes that ONNX Runtime resizes together; others belong to a batch. For ranks that it refuses: all resized axes.
 */
function interpolatedAxes(scales: readonly number[]): { readonly first: number; readonly last: number } {
  const rank = scales.length;
  const resized = scales.flatMap((scale, axis) => (scale === 1 ? [] : [axis]));
  const [first, last] =
    rank === 4 && scales[1] !== 1
      ? [1, 2]
      : rank === 4 || rank === 5
        ? [2, rank - 1]
        : rank === 2 || rank === 3
          ? [0, rank - 1]
          : [rank, -1];
  return { first: Math.min(first, ...resized), last: Math.max(last, ...resized) };
}

/** Neighbours as offsets of their elements. */
const inElements = ({ a, b, ...weights }: Neighbours, stride: number): Neighbours => ({
  a: a.map((at) => at * stride),
  b: b.map((at) => at * stride),
  ...weights,
});

/** The axes [first, last] that are interpolated together, and the neighbours along each of them. */
export interface Interpolation {
  readonly first: number;
  readonly last: number;
  readonly tenBits: boolean;
  readonly axes: readonly Neighbours[];
}

/** `positions[axis]`: where its output positions lie in the input, in binary32. */
export function interpolationOf(
  dtype: string,
  shape: readonly number[],
  scales: readonly number[],
  positions: readonly ArrayLike<number>[],
): Interpolation {
  const { first, last } = interpolatedAxes(scales);
  const tenBits = isByteType(dtype) && shape.length === 4 && scales[1] !== 1 && first === 1 && last === 2;
  const axes = positions.slice(first, last + 1).map((at, i) => neighbours(shape[first + i], at, tenBits));
  return { first, last, tenBits, axes };
}

export function linearResize(x: ITensor, scales: readonly number[], positions: readonly ArrayLike<number>[]): ITensor {
  const shape = positions.map(({ length }) => length);
  if (shape.every((to, axis) => to === x.shape[axis])) return x; // whatever the scales
  const { first, last, tenBits, axes: unscaled } = interpolationOf(x.dtype, x.shape, scales, positions);
  const [outer, inner] = [sizeOf(x.shape.slice(0, first)), sizeOf(x.shape.slice(last + 1))];
  const axes = unscaled.map((axis, i) => inElements(axis, sizeOf(x.shape.slice(first + i + 1))));
  const [from, to] = [sizeOf(x.shape.slice(first)), sizeOf(shape.slice(first))];
  const data = Float64Array.from(x.data as ArrayLike<number>, step);
  const y = new Float64Array(outer * to);
  const corners = 2 ** axes.length;
  eachPosition(axes, (offsets, weights, position) => {
    for (let o = 0; o < outer; o++) {
      const next = o * to + position * inner;
      for (let k = 0; k < inner; k++) {
        const start = o * from + k;
        let sum = step(weights[0] * data[start + offsets[0]]);
        for (let j = 1; j < corners; j++) sum = step(sum + step(weights[j] * data[start + offsets[j]]));
        y[next + k] = tenBits ? Math.trunc(sum / 2 ** 20) : sum;
      }
    }
  });
  const isInteger = x.dtype !== 'f32' && x.dtype !== 'f64';
  if (isInteger) for (let i = 0; i < y.length; i++) y[i] = Math.trunc(y[i]);
  return fromDoubles(x.dtype, y, shape);
}

/**
 * Goes over the output positions of the axes with the offsets and weights of their corners, the innermost axis fastest. Both are
 * made anew for each position: kept for all of them, they would be many times the result.
 */
function eachPosition(
  axes: readonly Neighbours[],
  visit: (offsets: Float64Array, weights: Float32Array, position: number) => void,
): void {
  const [offsets, weights] = [new Float64Array(2 ** axes.length), new Float32Array(2 ** axes.length)];
  const lengths = axes.map(({ a }) => a.length);
  const digits = lengths.map(() => 0);
  const count = sizeOf(lengths);
  for (let position = 0; position < count; position++) {
    offsets[0] = 0;
    weights[0] = 1;
    // From the inside out, so that weights are multiplied in this order.
    for (let axis = axes.length - 1, made = 1; axis >= 0; axis--, made *= 2) {
      const { [axis]: i } = digits;
      const { a, b, weightOfA, weightOfB } = axes[axis];
      for (let j = 0; j < made; j++) {
        offsets[made + j] = offsets[j] + b[i];
        weights[made + j] = weights[j] * weightOfB[i];
        offsets[j] += a[i];
        weights[j] *= weightOfA[i];
      }
    }
    visit(offsets, weights, position);
    for (let axis = axes.length - 1; axis >= 0 && ++digits[axis] === lengths[axis]; axis--) digits[axis] = 0;
  }
}
