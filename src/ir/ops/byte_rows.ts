/** Functions of rows of bytes along any axis. */
import { type ByteType, type ITensor, newArray } from '../../tensors/index.ts';
import { fromLanes, lanesOf } from './lanes.ts';

type Bytes = Uint8Array | Int8Array;

/** `f` writes the results of rows that lie one after the other. */
export function byRows(
  x: ITensor<ByteType>,
  axis: number,
  f: (length: number, x: Bytes, out: Bytes) => void,
): ITensor<ByteType> {
  const { tensor, length, perm } = lanesOf(x, [axis]);
  const data = newArray(x.dtype, tensor.data.length);
  f(length, tensor.data, data);
  return fromLanes({ dtype: x.dtype, shape: tensor.shape, data }, perm) as ITensor<ByteType>;
}
