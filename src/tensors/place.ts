/** Tensors whose elements nobody keeps: they are copied when somebody looks at them, from memory or a file. */
import type { ArrayFor, DType, TypedArray } from './dtype.ts';
import type { ITensor } from './tensor.ts';

const places = new WeakMap<object, TypedArray>();

/**
 * A tensor of elements that lie in `place`, or have lain there.
 *
 * @param read returns a copy of them
 */
export function heldTensor<D extends DType>(
  dtype: D,
  shape: readonly number[],
  place: TypedArray,
  read: () => ArrayFor<D>,
): ITensor<D> {
  let known: WeakRef<ArrayFor<D>> | undefined;
  const held: ITensor<D> = {
    dtype,
    shape,
    get data() {
      const before = known?.deref();
      if (before !== undefined) return before;
      const copy = read();
      known = new WeakRef(copy);
      places.set(copy, place);
      return copy;
    },
  };
  places.set(held, place);
  return held;
}

/** The array that stands for the elements of a tensor, and always the same one: what is made of them is remembered by it. Not to be read. */
export const placeOf = (t: ITensor): TypedArray => places.get(t) ?? places.get(t.data) ?? t.data;
