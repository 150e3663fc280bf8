/** Tensors whose elements nobody keeps: they are copied when somebody looks at them, from memory or a file. */
import { type ArrayFor, type DType, dtypes, type TypedArray, viewAs } from './dtype.ts';
import { bytesOf, type ITensor } from './tensor.ts';

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

/** A tensor whose `placeOf` is `place`: its elements, or bytes in which they lie odd. */
export const tensorAt = (dtype: DType, shape: readonly number[], place: TypedArray): ITensor =>
  place instanceof dtypes[dtype].storage
    ? { dtype, shape, data: place as ITensor['data'] }
    : heldTensor(dtype, shape, place, () => viewAs(dtype, bytesOf(place)));

/** Smaller tensors of a file are copied where they lie odd: the compiler looks at them. */
const LEAST_HELD = 2 ** 15;

/**
 * A tensor over the bytes of a file. Files put elements at any byte: where the array of the type cannot begin, bytes are the place of the
 * tensor, and its elements are copied when somebody looks at them.
 */
export function tensorOfBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): ITensor {
  const isOdd = bytes.byteOffset % dtypes[dtype].storage.BYTES_PER_ELEMENT !== 0;
  return isOdd && bytes.length >= LEAST_HELD
    ? tensorAt(dtype, shape, bytes)
    : { dtype, shape, data: viewAs(dtype, bytes) };
}
