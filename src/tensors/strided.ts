/** Copies between strided views: the core of every movement operator and every broadcast. */
import { type DType, newArray, type TypedArray } from './dtype.ts';
import { type ITensor, isTensorOf, sizeOf, stridesOf } from './tensor.ts';

/** A strided view: element `index` lies at `offset + Σ index[a]·strides[a]`, in elements. A stride of 0 repeats. */
export interface StridedView {
  readonly offset: number;
  readonly strides: readonly number[];
}

export const wholeOf = (shape: readonly number[]): StridedView => ({ offset: 0, strides: stridesOf(shape) });

/** `target[index] = source[index]` for every index of `shape`; the arrays are of the same element type. */
export function copyStrided(
  shape: readonly number[],
  source: TypedArray,
  from: StridedView,
  target: TypedArray,
  to: StridedView,
): void {
  if (sizeOf(shape) === 0) return;
  const [src, dst] = [wordsOf(source), wordsOf(target)];
  // elements of 8 bytes are moved as two words, since neither doubles nor BigInts move bits unchanged and fast
  const scale = source.BYTES_PER_ELEMENT === 8 ? 2 : 1;
  const pair = scale === 2 ? [{ size: 2, from: 1, to: 1 }] : [];
  const axes = merged([
    ...shape.map((size, a) => ({ size, from: from.strides[a] * scale, to: to.strides[a] * scale })),
    ...pair,
  ]);
  const inner = axes.pop() ?? { size: 1, from: 1, to: 1 };
  const walk = (depth: number, s: number, d: number): void => {
    const axis: Axis | undefined = axes[depth];
    if (axis === undefined) copyRun(src, s, inner.from, dst, d, inner.to, inner.size);
    else if (depth === axes.length - 1 && axis.from === 1 && inner.to === 1) copyTiles(src, s, dst, d, axis, inner);
    else for (let i = 0; i < axis.size; i++) walk(depth + 1, s + i * axis.from, d + i * axis.to);
  };
  walk(0, from.offset * scale, to.offset * scale);
}

type Words = Uint8Array | Uint16Array | Uint32Array;

function copyRun(src: Words, s: number, from: number, dst: Words, d: number, to: number, size: number): void {
  if (to === 1 && size >= 16 && from <= 1 && from >= 0) {
    if (from === 1) dst.set(src.subarray(s, s + size), d);
    else dst.fill(src[s], d, d + size);
  } else {
    for (let i = 0; i < size; i++) dst[d + i * to] = src[s + i * from];
  }
}

/** A matrix is transposed by tiles: along its columns, each element would come from another line of the cache. */
const TILE = 32;

function copyTiles(src: Words, s: number, dst: Words, d: number, rows: Axis, columns: Axis): void {
  for (let top = 0; top < rows.size; top += TILE)
    for (let left = 0; left < columns.size; left += TILE) {
      const bottom = Math.min(top + TILE, rows.size);
      const right = Math.min(left + TILE, columns.size);
      for (let i = top; i < bottom; i++) {
        let from = s + i + left * columns.from;
        const to = d + i * rows.to;
        for (let j = left; j < right; j++, from += columns.from) dst[to + j] = src[from];
      }
    }
}

interface Axis {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** Without axes of size 1, and with neighbours joined that are contiguous in both views. */
function merged(axes: readonly Axis[]): Axis[] {
  const result: Axis[] = [];
  for (const axis of axes) {
    if (axis.size === 1) continue;
    const outer = result.at(-1);
    if (outer && outer.from === axis.from * axis.size && outer.to === axis.to * axis.size) {
      result[result.length - 1] = { ...axis, size: outer.size * axis.size };
    } else result.push(axis);
  }
  return result;
}

function wordsOf({ buffer, byteOffset, byteLength, BYTES_PER_ELEMENT: size }: TypedArray): Words {
  if (size === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  return size === 2
    ? new Uint16Array(buffer, byteOffset, byteLength / 2)
    : new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/** A new tensor of `shape` that reads `x` through a view. */
export function gatherView<D extends DType>(x: ITensor<D>, shape: readonly number[], view: StridedView): ITensor<D> {
  const data = newArray(x.dtype, sizeOf(shape));
  copyStrided(shape, x.data, view, data, wholeOf(shape));
  return { dtype: x.dtype, shape, data };
}

/** Axis i of the result is axis `perm[i]` of `x`. */
export function transposed<D extends DType>(x: ITensor<D>, perm: readonly number[]): ITensor<D> {
  const strides = stridesOf(x.shape);
  return gatherView(
    x,
    perm.map((axis) => x.shape[axis]),
    { offset: 0, strides: perm.map((axis) => strides[axis]) },
  );
}

/** The elements in binary64. Not for 64-bit integers, nor for the types that are held as bit patterns. */
export function doublesOf(x: ITensor): Float64Array {
  return new Float64Array(x.data as Float32Array);
}

/** Stores binary64 values as `dtype`: floats round once to nearest, integers truncate and wrap. */
export function fromDoubles(dtype: ITensor['dtype'], values: Float64Array, shape: readonly number[]): ITensor {
  if (dtype === 'f64') return { dtype, shape, data: values };
  const data = newArray(dtype, values.length);
  (data as Float32Array).set(values);
  return { dtype, shape, data };
}

export const isBig = (x: ITensor): x is ITensor<'s64' | 'u64'> => isTensorOf(x, 's64', 'u64');
