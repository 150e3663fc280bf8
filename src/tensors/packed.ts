/** Elements of 4 and 2 bits: several in a byte, the lowest bits first, as ONNX keeps them. */
import type { ByteType } from './byte_type.ts';
import { dtypes, newArray, type PackedType, packedTypes, type SharedType } from './dtype.ts';
import { type ITensor, sizeOf } from './tensor.ts';

export const isPackedTensor = (t: ITensor): t is ITensor<PackedType> => packedTypes.some((type) => type === t.dtype);

/** The type of 8 bits that has all numbers of a packed one. */
export const byteTypeOf = (type: PackedType): ByteType => (dtypes[type].kind === 'signed' ? 's8' : 'u8');

/** The elements, each in a byte. */
export function unpacked(t: ITensor<PackedType>): ITensor<ByteType> {
  const { bits, kind } = dtypes[t.dtype];
  const sign = kind === 'signed' ? 1 << (bits - 1) : 0;
  const dtype = byteTypeOf(t.dtype);
  const data = newArray(dtype, sizeOf(t.shape));
  const patterns = patternsOf(t);
  // x ^ sign − sign is x with its sign bit spread
  for (let i = 0; i < patterns.length; i++) data[i] = (patterns[i] ^ sign) - sign;
  return { dtype, shape: t.shape, data };
}

/** The bits of each element. */
export function patternsOf({ dtype, shape, data }: ITensor<SharedType>): Uint8Array {
  const { bits } = dtypes[dtype];
  const [each, mask] = [8 / bits, (1 << bits) - 1];
  const patterns = new Uint8Array(sizeOf(shape));
  for (let i = 0; i < patterns.length; i++) patterns[i] = (data[Math.floor(i / each)] >> (bits * (i % each))) & mask;
  return patterns;
}

/** Integers modulo 2^bits, packed. */
export function packed<D extends SharedType>(
  dtype: D,
  values: ArrayLike<number>,
  shape: readonly number[],
): ITensor<SharedType> & { readonly dtype: D } {
  const { bits } = dtypes[dtype];
  const [each, mask] = [8 / bits, (1 << bits) - 1];
  const data = new Uint8Array(Math.ceil(values.length / each));
  for (let i = 0; i < values.length; i++) data[Math.floor(i / each)] |= (values[i] & mask) << (bits * (i % each));
  return { dtype, shape, data };
}
