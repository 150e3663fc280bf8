/** Padding and cropping: every position of the result reads one position of the source, or the value. */
import { newArray } from '../dtype.ts';
import { type ITensor, sizeOf, stridesOf } from '../tensor.ts';
import { copyStrided } from './strided.ts';

export type PadMode = 'constant' | 'reflect' | 'edge' | 'wrap';

/** `x` in `shape`, which is x's shape with `pads` (all begins, then all ends) added; `value` is one element. */
export function padded(
  x: ITensor,
  shape: readonly number[],
  pads: readonly number[],
  mode: PadMode,
  value?: ITensor,
): ITensor {
  return mode === 'constant' ? filledAround(x, shape, pads, value) : mirrored(x, shape, pads, mode);
}

function filledAround(x: ITensor, shape: readonly number[], pads: readonly number[], value?: ITensor): ITensor {
  const data = newArray(x.dtype, sizeOf(shape));
  if (value) (data as Float32Array).fill(value.data[0] as number);
  const [from, to] = [stridesOf(x.shape), stridesOf(shape)];
  const begin = x.shape.map((_, i) => Math.max(0, -pads[i])); // what a negative pad crops
  const kept = x.shape.map((size, i) => Math.max(0, size - begin[i] - Math.max(0, -pads[i + x.shape.length])));
  const dot = (strides: readonly number[], at: (axis: number) => number) =>
    strides.reduce((sum, stride, axis) => sum + stride * at(axis), 0);
  const source = { offset: dot(from, (i) => begin[i]), strides: from };
  const target = { offset: dot(to, (i) => Math.max(0, pads[i])), strides: to };
  copyStrided(kept, x.data, source, data, target);
  return { dtype: x.dtype, shape, data };
}

/** Axis by axis, one slice after the other. */
function mirrored(x: ITensor, shape: readonly number[], pads: readonly number[], mode: Exclude<PadMode, 'constant'>) {
  let result = x;
  shape.forEach((size, axis) => {
    if (pads[axis] === 0 && pads[axis + shape.length] === 0) return;
    const next = [...result.shape];
    next[axis] = size;
    const data = newArray(x.dtype, sizeOf(next));
    const slice = next.map((length, i) => (i === axis ? 1 : length));
    const [from, to] = [stridesOf(result.shape), stridesOf(next)];
    for (let i = 0; i < size; i++) {
      const at = sourceIndex(i - pads[axis], result.shape[axis], mode);
      const source = { offset: at * from[axis], strides: from };
      copyStrided(slice, result.data, source, data, { offset: i * to[axis], strides: to });
    }
    result = { dtype: x.dtype, shape: next, data };
  });
  return result;
}

/** The position in [0, size) that position `i` of the endless padding shows. */
function sourceIndex(i: number, size: number, mode: Exclude<PadMode, 'constant'>): number {
  if (mode === 'edge') return Math.min(Math.max(i, 0), size - 1);
  if (mode === 'wrap') return ((i % size) + size) % size;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const phase = ((i % period) + period) % period;
  return phase < size ? phase : period - phase;
}
