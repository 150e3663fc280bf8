/** Functions of rows of bytes along any axis. */
import { type ArrayFor, type ByteType, type ITensor, newArray } from '../../tensors/index.ts';
import { fromLanes, lanesOf } from './lanes.ts';

/** `f` writes the results of rows that lie one after the other, of the element type `to`. */
export function byRows<T extends ByteType | 's16'>(
  x: ITensor<ByteType>,
  axis: number,
  to: T,
  f: (length: number, x: Uint8Array | Int8Array, out: ArrayFor<T>) => void,
): ITensor<T> {
  const { tensor, length, perm } = lanesOf(x, [axis]);
  const data = newArray(to, tensor.data.length);
  f(length, tensor.data, data);
  return fromLanes({ dtype: to, shape: tensor.shape, data }, perm) as ITensor<T>;
}
