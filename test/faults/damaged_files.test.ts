/** Files whose own tables point outside of them, with every checksum right: bytes beyond the end are never read. */

import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { readCompiledFile } from '../../src/codegen/compiled_file.ts';
import { openArchive } from '../../src/formats/torch/archive/index.ts';
import { quantizedConv, unskew, workFolder } from '../unit/cli/support.ts';
import { zip } from '../unit/torch/archives.ts';

const work = workFolder();
afterAll(work.dispose);

const PREFIX = 16;
const ALIGNMENT = 64;
interface Place {
  dtype: string;
  shape: number[];
  offset: number;
  crc: number;
}
interface Header {
  constants: Record<string, Place>;
  size: number;
}

function headerOf(file: Uint8Array): Header {
  const bytes = Buffer.from(file);
  return JSON.parse(bytes.subarray(PREFIX, PREFIX + bytes.readUInt32LE(8)).toString());
}

/** The file with another header, its checksum right. */
function withHeader(file: Uint8Array, change: (header: Header) => void): Uint8Array {
  const bytes = Buffer.from(file);
  const length = bytes.readUInt32LE(8);
  const header = headerOf(file);
  change(header);
  const json = Buffer.from(JSON.stringify(header));
  const start = (at: number): number => Math.ceil((PREFIX + at) / ALIGNMENT) * ALIGNMENT;
  const changed = Buffer.alloc(start(json.length) + bytes.length - start(length));
  bytes.copy(changed, 0, 0, 8);
  changed.writeUInt32LE(json.length, 8);
  json.copy(changed, PREFIX);
  changed.writeUInt32LE(crc32(json, crc32(changed.subarray(0, 12))), 12);
  bytes.copy(changed, start(json.length), start(length));
  return changed;
}

describe('a compiled file', async () => {
  const path = work.path('conv.unskew');
  await unskew(['compile', work.write('conv.onnx', quantizedConv()), '-o', path]);
  const whole = new Uint8Array(readFileSync(path));
  const last = Object.entries(headerOf(whole).constants).reduce((a, b) => (a[1].offset > b[1].offset ? a : b))[0];

  test('is read as it was written', () => {
    expect(() => readCompiledFile(withHeader(whole, () => {}))).not.toThrow();
  });

  test.each<[string, (place: Place, header: Header) => void]>([
    ['an offset behind the end', (place, { size }) => void (place.offset = size + 64)],
    ['an offset that leaves a part of it', (place) => void (place.offset += 1)],
    ['an offset of 2^53', (place) => void (place.offset = 2 ** 53)],
    ['an offset in front', (place) => void (place.offset = -64)],
    ['an offset between bytes', (place) => void (place.offset = 0.5)],
    ['a shape that is too large', (place) => void (place.shape = [2 ** 31, 2 ** 31])],
    ['a negative shape', (place) => void (place.shape = [-1])],
    ['a type that is not one', (place) => void (place.dtype = 'toString')],
  ])('whose table has %s', (_what, change) => {
    const damage = (more: Partial<Place>) => (header: Header) => {
      change(header.constants[last], header);
      Object.assign(header.constants[last], more);
    };
    // the checksum of no bytes: a reader that ignores the end of the file would find it right
    for (const more of [{}, { crc: crc32('') }])
      expect(() => readCompiledFile(withHeader(whole, damage(more)), 'm.unskew')).toThrow(
        /U5004.*is damaged: the constant @\S+ is not inside the file\n {2}at m\.unskew/,
      );
  });

  test('with a size that is not its own', () => {
    for (const size of [0.5, -1, 2 ** 40, 1])
      expect(() =>
        readCompiledFile(
          withHeader(whole, (header) => void (header.size = size)),
          'm.unskew',
        ),
      ).toThrow(/U5004/);
  });
});

describe('an archive of PyTorch', () => {
  test.each([
    ['without a checksum', { size: 1000, crc: 0 }],
    ['with one', { size: 1000 }],
    ['of 4 GiB', { size: 0xfffffffe, crc: 0 }],
    ['that takes up to one byte more than there is', { size: 4 + 46 + 8 + 22 + 1, crc: 0 }],
  ])('with an entry beyond the end of the file, %s', async (_what, declared) => {
    const bytes = zip([{ name: 'm/data/0', data: 'abcd', declared }]);
    const error = await openArchive(bytes, 'm.pt').catch((caught) => caught);
    expect(error).toMatchObject({ code: 'U1003' });
    expect(error.message).toMatch(/is malformed: file data overflows file bounds[\s\S]*m\.pt/);
  });
});
