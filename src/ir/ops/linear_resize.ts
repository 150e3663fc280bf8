/**
 * Linear interpolation as ONNX Runtime computes it. Along every axis output position i lies at `at`, limited to the input,
 * between its neighbours a = ⌊at⌋ and b = min(a + 1, last), with the weights fl(at − a) of b and fl(b − at) of a, ½ and ½ where
 * they are the same. Weights of the axes are multiplied, the innermost first, and products added, the nearest first and the
 * innermost axis fastest, everything rounded to binary32: four products for two axes, eight for three. Integers are
 * truncated. Bytes with their channels last take weights of 10 bits instead: trunc(Σ w·x / 2^20), w = ⌊1024·at⌋ − 1024·a.
 */
import type { ITensor } from '../tensor.ts';
import { sizeOf } from '../tensor.ts';
import { fromDoubles } from './strided.ts';

/** Element types that are interpolated. */
export const interpolatedTypes: readonly string[] = ['f32', 's32', 's8', 'u8'];

const step = Math.fround;

/** The neighbours of every output position of an axis, and their weights: [of a, of b]. */
interface Neighbours {
  readonly size: number;
  readonly at: readonly (readonly [number, number])[];
  readonly weights: readonly (readonly [number, number])[];
}

function neighbours(size: number, positions: ArrayLike<number>, tenBits: boolean): Neighbours {
  const at: [number, number][] = [];
  const weights: [number, number][] = [];
  const unit = tenBits ? 1024 : 1;
  for (let i = 0; i < positions.length; i++) {
    const position = Math.max(0, Math.min(positions[i], size - 1));
    const a = Math.trunc(position);
    const b = Math.min(a + 1, size - 1);
    const scaled = tenBits ? Math.trunc(step(position * 1024)) : position;
    at.push([a, b]);
    weights.push(a === b ? [unit / 2, unit / 2] : [step(b * unit - scaled), step(scaled - a * unit)]);
  }
  return { size, at, weights };
}

/** The axes that ONNX Runtime goes over together; others are those of a batch. Of ranks it refuses: all that are resized. */
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

/** `positions[axis]`: where its output positions lie in the input, in binary32. */
export function linearResize(x: ITensor, scales: readonly number[], positions: readonly ArrayLike<number>[]): ITensor {
  const shape = positions.map(({ length }) => length);
  if (shape.every((to, axis) => to === x.shape[axis])) return x; // whatever the scales
  const { first, last } = interpolatedAxes(scales);
  const isBytes = x.dtype === 'u8' || x.dtype === 's8';
  const tenBits = isBytes && x.shape.length === 4 && scales[1] !== 1 && first === 1 && last === 2;
  const axes = positions.slice(first, last + 1).map((at, i) => neighbours(x.shape[first + i], at, tenBits));
  const [outer, inner] = [sizeOf(x.shape.slice(0, first)), sizeOf(x.shape.slice(last + 1))];
  const { offsets, weights, corners } = cornersOf(axes, inner);
  const [from, to] = [sizeOf(x.shape.slice(first)), sizeOf(shape.slice(first))];
  const data = Float64Array.from(x.data as ArrayLike<number>, step);
  const y = new Float64Array(outer * to);
  for (let o = 0, next = 0; o < outer; o++) {
    for (let c = 0; c < weights.length; c += corners) {
      for (let k = 0; k < inner; k++) {
        let sum = step(weights[c] * data[o * from + offsets[c] + k]);
        for (let j = c + 1; j < c + corners; j++) sum = step(sum + step(weights[j] * data[o * from + offsets[j] + k]));
        y[next++] = tenBits ? Math.trunc(sum / 2 ** 20) : sum;
      }
    }
  }
  const isInteger = x.dtype !== 'f32' && x.dtype !== 'f64';
  return fromDoubles(x.dtype, isInteger ? y.map(Math.trunc) : y, shape);
}

/** For every output position the offsets and weights of its corners, the innermost axis fastest. */
function cornersOf(axes: readonly Neighbours[], inner: number) {
  let offsets: number[] = [0];
  let weights: number[] = [1];
  let corners = 1;
  let stride = inner;
  // From the inside out, so that weights are multiplied in that order.
  for (const { size, at, weights: own } of [...axes].reverse()) {
    const [o, w]: [number[], number[]] = [[], []];
    at.forEach((pair, i) => {
      for (let c = 0; c < weights.length; c += corners)
        for (const side of [0, 1])
          for (let j = c; j < c + corners; j++) {
            o.push(offsets[j] + pair[side] * stride);
            w.push(step(weights[j] * own[i][side]));
          }
    });
    [offsets, weights] = [o, w];
    corners *= 2;
    stride *= size;
  }
  return { offsets: Int32Array.from(offsets), weights: Float64Array.from(weights), corners };
}
