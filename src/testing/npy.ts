/** Tensors as .npy files, which `unskew run` and numpy read. */

import { bytesOf, type DType, type ITensor } from '../ir/index.ts';
import { isPackedTensor, joinedBytes, unpacked } from '../tensors/index.ts';

/** Half floats are written as their bits: numpy has no bfloat16. Integers of less than a byte are written as bytes. */
const descriptors: Readonly<Record<DType, string>> = {
  u8: '|u1',
  s8: '|i1',
  u16: '<u2',
  s16: '<i2',
  s32: '<i4',
  u32: '<u4',
  s64: '<i8',
  u64: '<u8',
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

/** Format version 1.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
export function npy(tensor: ITensor): Uint8Array {
  const { dtype, shape, data } = isPackedTensor(tensor) ? unpacked(tensor) : tensor;
  const header = `{'descr': '${descriptors[dtype]}', 'fortran_order': False, 'shape': (${shape.map((d) => `${d},`).join('')}), }`;
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const start = `\x93NUMPY\x01\x00${String.fromCharCode(padded.length & 255, padded.length >> 8)}${padded}`;
  return joinedBytes([Uint8Array.from(start, (character) => character.charCodeAt(0)), bytesOf(data)]);
}
