/** NumPy files: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, little endian, C order. */
import { inflateRawSync } from 'node:zlib';
import { type DType, viewAs } from '../../src/tensors/dtype.ts';
import { type ITensor, sizeOf } from '../../src/tensors/tensor.ts';

const dtypeOf: Readonly<Record<string, DType>> = {
  '|u1': 'u8',
  '|i1': 's8',
  '<u2': 'u16',
  '<i2': 's16',
  '<i4': 's32',
  '<i8': 's64',
  '<f4': 'f32',
  '<f8': 'f64',
  '|b1': 'bool',
};

export function readNpy(bytes: Uint8Array): ITensor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [headerAt, headerLength] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const header = Buffer.from(bytes.subarray(headerAt, headerAt + headerLength)).toString('latin1');
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1] ?? '';
  const dtype = dtypeOf[descr];
  if (dtype === undefined || !/'fortran_order':\s*False/.test(header)) throw new Error(`not read: ${header}`);
  const shape = (/'shape':\s*\(([^)]*)\)/.exec(header)?.[1] ?? '').match(/\d+/g)?.map(Number) ?? [];
  const data = viewAs(dtype, bytes.subarray(headerAt + headerLength)).subarray(0, sizeOf(shape));
  return { dtype, shape, data } as ITensor;
}

/** The arrays of an `.npz` archive, by name. */
export function readNpz(bytes: Uint8Array): Map<string, ITensor> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const arrays = new Map<string, ITensor>();
  let end = bytes.length - 22;
  while (view.getUint32(end, true) !== 0x06054b50) end--;
  for (let at = view.getUint32(end + 16, true), n = view.getUint16(end + 10, true); n > 0; n--) {
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 20, true);
    const nameLength = view.getUint16(at + 28, true);
    const local = view.getUint32(at + 42, true);
    const name = Buffer.from(bytes.subarray(at + 46, at + 46 + nameLength)).toString();
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const stored = bytes.subarray(start, start + size);
    arrays.set(name.replace(/\.npy$/, ''), readNpy(method === 8 ? new Uint8Array(inflateRawSync(stored)) : stored));
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return arrays;
}
