/** Lanes: the elements that differ only in some axes, laid out one lane after the other. */
import { type ITensor, sizeOf, transposed } from '../../tensors/index.ts';

export interface Lanes<T extends ITensor = ITensor> {
  /** `[kept…, reduced…]`, row major: lane i is elements i·length to (i + 1)·length. */
  readonly tensor: T;
  readonly count: number;
  readonly length: number;
  /** The axes of the original in the order of `tensor`. */
  readonly perm: readonly number[];
}

/** `x` with `axes` (in [0, rank), ascending) moved last. */
export function lanesOf<T extends ITensor>(x: T, axes: readonly number[]): Lanes<T> {
  const all = x.shape.map((_, axis) => axis);
  const perm = [...all.filter((axis) => !axes.includes(axis)), ...axes];
  const moved = perm.every((axis, i) => axis === i) ? x : (transposed(x, perm) as T);
  const length = sizeOf(axes.map((axis) => x.shape[axis]));
  return { tensor: moved, count: sizeOf(perm.slice(0, all.length - axes.length).map((a) => x.shape[a])), length, perm };
}

/** A tensor over lanes back in the order of the original's axes. */
export function fromLanes(x: ITensor, perm: readonly number[]): ITensor {
  if (perm.every((axis, i) => axis === i)) return x;
  return transposed(
    x,
    perm.map((_, axis) => perm.indexOf(axis)),
  );
}
