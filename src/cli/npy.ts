/** NumPy's .npy files: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
import { fail, type Location } from '../diagnostics/index.ts';
import {
  allDTypes,
  byteLengthOf,
  bytesOf,
  type DType,
  type ITensor,
  isPackedTensor,
  sizeOf,
  tensorOfBytes,
  unpacked,
} from '../ir/index.ts';

/** NumPy has no bfloat16: its bits are written as uint16. Floats of 8 bits are bits too, and integers of less than a byte are written as bytes. */
const descriptors: Readonly<Record<DType, string>> = {
  u8: '|u1',
  s8: '|i1',
  u16: '<u2',
  s16: '<i2',
  u32: '<u4',
  s32: '<i4',
  u64: '<u8',
  s64: '<i8',
  f16: '<f2',
  bf16: '<u2',
  f32: '<f4',
  f64: '<f8',
  bool: '|b1',
  u4: '|u1',
  s4: '|i1',
  u2: '|u1',
  s2: '|i1',
  f8e4m3fn: '|u1',
  f8e4m3fnuz: '|u1',
  f8e5m2: '|u1',
  f8e5m2fnuz: '|u1',
  f8e8m0: '|u1',
  f4e2m1: '|u1',
};
const dtypeOf = new Map(allDTypes.filter((dtype) => dtype !== 'bf16').map((dtype) => [descriptors[dtype], dtype]));

const MAGIC = '\x93NUMPY';
const MAX_RANK = 64;

export function writeNpy(tensor: ITensor): Uint8Array {
  const { dtype, shape, data } = isPackedTensor(tensor) ? unpacked(tensor) : tensor;
  const dims = shape.map((dim) => `${dim},`).join('');
  const header = `{'descr': '${descriptors[dtype]}', 'fortran_order': False, 'shape': (${dims}), }`;
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.from(`${MAGIC}\x01\x00__${padded}`, 'latin1');
  start.writeUInt16LE(padded.length, 8);
  return Buffer.concat([start, bytesOf(data)]);
}

/** @throws UnskewError U1002 for another file, or an unsupported kind of .npy; U1003 for a truncated one */
export function readNpy(bytes: Uint8Array, file: string): ITensor {
  const location: Location = { file };
  const latin1 = (start: number, end: number) => Buffer.from(bytes.subarray(start, end)).toString('latin1');
  if (latin1(0, 6) !== MAGIC) fail('U1002', 'this is not a .npy file: it does not begin with \\x93NUMPY', location);
  const version = bytes[6];
  if (bytes.length < 12) fail('U1003', 'the .npy file ends in its header', location);
  if (version < 1 || version > 3) fail('U1002', `version ${version} of the .npy format is not known`, location);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [headerAt, length] = version === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  if (headerAt + length > bytes.length) fail('U1003', 'the .npy file ends in its header', location);
  const header = latin1(headerAt, headerAt + length);

  const descriptor = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const dims = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  if (descriptor === undefined || dims === undefined || order === undefined)
    fail('U1002', 'the header of the .npy file does not say type, order and shape of one plain array', location);
  const dtype = dtypeOf.get(descriptor.replace(/^[=|<](?=.1$)/, '|').replace(/^=/, '<'));
  const hint = 'save it with numpy as a plain little-endian array: np.ascontiguousarray(a)';
  if (dtype === undefined) fail('U1002', `arrays of type '${descriptor}' are not read`, location, hint);
  if (order === 'True') fail('U1002', 'arrays in Fortran order are not read', location, hint);
  const shape = (dims.match(/\d+/g) ?? []).map(Number);
  const expected = byteLengthOf(dtype, sizeOf(shape));
  if (shape.length > MAX_RANK || !Number.isSafeInteger(expected))
    fail('U1003', `the .npy file has the shape [${shape.slice(0, MAX_RANK)}], more than any memory holds`, location);
  const data = bytes.subarray(headerAt + length);
  if (data.length !== expected)
    fail(
      'U1003',
      `the .npy file should hold ${expected} bytes for ${dtype}[${shape}], but holds ${data.length}`,
      location,
    );
  return tensorOfBytes(dtype, shape, data);
}
