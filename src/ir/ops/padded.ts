/** Padding and cropping: every position of the result reads one position of the source, or the value. */
import {
  copyStrided,
  type DType,
  gatherView,
  type ITensor,
  newArray,
  sizeOf,
  stridesOf,
  wholeOf,
} from '../../tensors/index.ts';

export type PadMode = 'constant' | 'reflect' | 'edge' | 'wrap';

/** Crops `x` by the negative pads, then pads it to `shape`. Pads: all begins, then all ends; `value`: one element. */
export function padded<D extends DType>(
  x: ITensor<D>,
  shape: readonly number[],
  pads: readonly number[],
  mode: PadMode,
  value?: ITensor,
): ITensor<D> {
  const crops = pads.map((pad) => Math.min(pad, 0));
  const rank = shape.length;
  const kept = x.shape.map((size, axis) => Math.max(0, size + crops[axis] + crops[axis + rank]));
  const strides = stridesOf(x.shape);
  const offset = strides.reduce((sum, stride, axis) => sum - stride * crops[axis], 0);
  const inside = crops.every((crop) => crop === 0) ? x : gatherView(x, kept, { offset, strides });
  const begins = pads.slice(0, rank).map((pad) => Math.max(pad, 0));
  return mode === 'constant' ? filledAround(inside, shape, begins, value) : mirrored(inside, shape, begins, mode);
}

function filledAround<D extends DType>(
  x: ITensor<D>,
  shape: readonly number[],
  begins: readonly number[],
  value?: ITensor,
): ITensor<D> {
  const data = newArray(x.dtype, sizeOf(shape));
  if (value) (data as Float32Array).fill(value.data[0] as number);
  const strides = stridesOf(shape);
  const offset = strides.reduce((sum, stride, axis) => sum + stride * begins[axis], 0);
  copyStrided(x.shape, x.data, wholeOf(x.shape), data, { offset, strides });
  return { dtype: x.dtype, shape, data };
}

/** Axis by axis, one slice after the other. */
function mirrored<D extends DType>(
  x: ITensor<D>,
  shape: readonly number[],
  begins: readonly number[],
  mode: Exclude<PadMode, 'constant'>,
): ITensor<D> {
  let result = x;
  shape.forEach((size, axis) => {
    if (size === result.shape[axis]) return;
    const next = result.shape.with(axis, size);
    const data = newArray(x.dtype, sizeOf(next));
    const slice = next.with(axis, 1);
    const [from, to] = [stridesOf(result.shape), stridesOf(next)];
    for (let i = 0; i < size; i++) {
      const at = paddedPosition(i - begins[axis], result.shape[axis], mode);
      const source = { offset: at * from[axis], strides: from };
      copyStrided(slice, result.data, source, data, { offset: i * to[axis], strides: to });
    }
    result = { dtype: x.dtype, shape: next, data };
  });
  return result;
}

/** The position in [0, size) that position `i` of the endless padding shows. */
export function paddedPosition(i: number, size: number, mode: Exclude<PadMode, 'constant'>): number {
  if (mode === 'edge') return Math.min(Math.max(i, 0), size - 1);
  if (mode === 'wrap') return ((i % size) + size) % size;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const phase = ((i % period) + period) % period;
  return phase < size ? phase : period - phase;
}
