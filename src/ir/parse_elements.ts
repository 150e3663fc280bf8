/** Numbers of the textual form. */
import { type DType, dtypes, type ITensor, isFloat, newArray, packed, sharesBytes } from '../tensors/index.ts';

export const toNumber = (text: string): number =>
  text === 'nan' ? Number.NaN : text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text);

export function parseItems(dtype: DType, items: readonly string[]): ITensor['data'] {
  if (sharesBytes(dtype)) return packed(dtype, items.map(toNumber), [items.length]).data;
  const data = newArray(dtype, items.length);
  items.forEach((item, i) => {
    data[i] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(item) : toNumber(item);
  });
  return data;
}

/** True when the type can hold the number. */
export function isElement(dtype: DType, item: string): boolean {
  if (isFloat(dtype)) return true;
  if (!/^-?\d+$/.test(item)) return false;
  if (dtype === 's64') return BigInt.asIntN(64, BigInt(item)) === BigInt(item);
  if (dtype === 'u64') return BigInt.asUintN(64, BigInt(item)) === BigInt(item);
  // a bool is held in 8 bits
  const { min, max } = dtypes[dtype === 'bool' ? 'u8' : dtype];
  return Number(item) >= min && Number(item) <= max;
}
