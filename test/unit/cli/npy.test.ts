import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readNpy, writeNpy } from '../../../src/cli/npy.ts';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { allDTypes, newArray, packed, tensor } from '../../../src/ir/index.ts';
import { readNpy as independently } from '../../support/npy.ts';

const errorOf = (bytes: Uint8Array): UnskewError => {
  try {
    readNpy(bytes, 'a.npy');
  } catch (error) {
    if (error instanceof UnskewError) return error;
    throw error;
  }
  throw new Error('it was read');
};
const withHeader = (header: string, data = 0): Uint8Array => {
  const text = `${header}\n`;
  return Buffer.concat([
    Buffer.from(`\x93NUMPY\x01\x00${String.fromCharCode(text.length, 0)}${text}`, 'latin1'),
    Buffer.alloc(data),
  ]);
};

describe('.npy files', () => {
  test('integers of less than a byte are written as bytes', () => {
    const read = readNpy(writeNpy(packed('s4', [-8, 7, 1], [3])), 'a.npy');
    expect([read.dtype, ...read.data]).toEqual(['s8', -8, 7, 1]);
  });

  test('a written file is read, and by others too', () => {
    const all = allDTypes.filter((dtype) => dtype !== 'bf16');
    fc.assert(
      fc.property(
        fc.constantFrom(...all),
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 }),
        (dtype, shape) => {
          const data = newArray(
            dtype,
            shape.reduce((a, b) => a * b, 1),
          );
          new Uint8Array(data.buffer).forEach(
            (_, i, bytes) => void (bytes[i] = dtype === 'bool' ? i % 2 : (i * 37) % 256),
          );
          const bytes = writeNpy({ dtype, shape, data });
          const read = readNpy(bytes, 'a.npy');
          expect([read.dtype, read.shape]).toEqual([dtype, shape]);
          expect(Buffer.from(read.data.buffer, read.data.byteOffset, read.data.byteLength)).toEqual(
            Buffer.from(data.buffer),
          );
          expect(bytes.indexOf(10) % 64).toBe(63);
        },
      ),
    );
    expect(independently(writeNpy(tensor('f32', [1.5, -2], [2, 1])))).toEqual(tensor('f32', [1.5, -2], [2, 1]));
  });

  test('bfloat16 is written as its bits', () => {
    expect(readNpy(writeNpy({ dtype: 'bf16', shape: [1], data: Uint16Array.of(0x3f80) }), 'a')).toEqual(
      tensor('u16', [0x3f80]),
    );
  });

  test('version 2 and native byte order', () => {
    const header = "{'descr': '=f4', 'fortran_order': False, 'shape': (1,), }\n";
    const start = Buffer.from(`\x93NUMPY\x02\x00____${header}`, 'latin1');
    start.writeUInt32LE(header.length, 8);
    expect(readNpy(Buffer.concat([start, Buffer.from(Float32Array.of(2.5).buffer)]), 'a')).toEqual(
      tensor('f32', [2.5]),
    );
  });

  test.each([
    ['another file', Buffer.from('PK\x03\x04 a zip archive'), 'U1002', 'this is not a .npy file'],
    ['a header cut off', Buffer.from('\x93NUMPY\x01\x00\xff\x00{', 'latin1'), 'U1003', 'ends in its header'],
    ['nothing but the magic', Buffer.from('\x93NUMPY\x01', 'latin1'), 'U1003', 'ends in its header'],
    ['an unknown version', Buffer.from('\x93NUMPY\x09\x00\x00\x00\x00\x00', 'latin1'), 'U1002', 'version 9'],
    ['big endian', withHeader("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", 4), 'U1002', "'>f4'"],
    ['objects', withHeader("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 4), 'U1002', "'|O'"],
    [
      'records',
      withHeader("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4),
      'U1002',
      'one plain array',
    ],
    ['Fortran order', withHeader("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", 4), 'U1002', 'Fortran'],
    [
      'data cut off',
      withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 4),
      'U1003',
      'should hold 8 bytes',
    ],
    [
      'more than the shape holds',
      withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 12),
      'U1003',
      'should hold 8 bytes for f32[2], but holds 12',
    ],
    [
      'a huge shape',
      withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }"),
      'U1003',
      'more than any memory holds',
    ],
  ])('%s is refused', (_what, bytes, code, message) => {
    const error = errorOf(bytes);
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.diagnostics[0].location).toEqual({ file: 'a.npy' });
  });
});
