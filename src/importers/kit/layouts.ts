/** Elements in another order: weights as operators take them, strided views in row-major order. */
import { type ITensor, newArray, sizeOf, stridesOf, type TypedArray } from '../../tensors/index.ts';

/** A part of a storage; strides are in elements. */
export interface View {
  readonly offset: number;
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
}

/** Copies the elements of a view, in row-major order. */
export function copyStrided(from: TypedArray, { offset, sizes, strides }: View, to: TypedArray): void {
  if (sizes.length === 0) to[0] = from[offset];
  const last = sizes.length - 1;
  const index = new Array<number>(sizes.length).fill(0);
  let at = offset;
  for (let i = 0; last >= 0 && i < to.length; ) {
    for (let k = 0, p = at; k < sizes[last]; k++, p += strides[last]) to[i++] = from[p];
    for (let axis = last - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < sizes[axis]) break;
      at -= strides[axis] * sizes[axis];
      index[axis] = 0;
    }
  }
}

/** The axes in another order: `[1, 0]` makes [out, in] weights [in, out], `[0, 3, 1, 2]` channels-last ones channels-first. */
export function permuted({ dtype, shape, data }: ITensor, perm: readonly number[]): ITensor {
  const strides = stridesOf(shape);
  const view = { offset: 0, sizes: perm.map((axis) => shape[axis]), strides: perm.map((axis) => strides[axis]) };
  const to = newArray(dtype, sizeOf(shape));
  copyStrided(data, view, to);
  return { dtype, shape: view.sizes, data: to };
}
