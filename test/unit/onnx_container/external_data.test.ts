import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OnnxTensor, openOnnx } from '../../../src/formats/onnx/index.ts';
import { externalReader } from '../../../src/runtime/external_data.ts';
import { bytes, errorOf, int, tensorModel, text } from './support.ts';

let top: string;
let folder: string;
let model: string;

beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), 'unskew-external-'));
  folder = join(top, 'models');
  model = join(folder, 'm.onnx');
  mkdirSync(join(folder, 'sub'), { recursive: true });
  mkdirSync(join(top, 'models-other'));
  writeFileSync(join(folder, 'weights.bin'), Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]));
  writeFileSync(join(folder, 'sub', 'more.bin'), Uint8Array.from([9, 10]));
  writeFileSync(join(folder, '..data'), Uint8Array.from([11, 12]));
  writeFileSync(join(top, 'secret.bin'), Uint8Array.from([42, 42]));
  writeFileSync(join(top, 'models-other', 'secret.bin'), Uint8Array.from([42, 42]));
  symlinkSync(join(top, 'secret.bin'), join(folder, 'link-out'));
  symlinkSync(top, join(folder, 'folder-out'));
  symlinkSync('weights.bin', join(folder, 'link-in'));
  symlinkSync('loop', join(folder, 'loop'));
  symlinkSync(folder, join(top, 'alias'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
});
afterAll(() => rmSync(top, { recursive: true }));

const entry = (key: string, value: string): number[] => bytes(13, [...text(1, key), ...text(2, value)]);

/** A uint8 tensor of two elements that lie elsewhere. */
function tensorAt(entries: Record<string, string>, path = model, more: number[] = []): OnnxTensor {
  const fields = Object.entries(entries).map(([key, value]) => entry(key, value));
  const file = tensorModel(int(1, 2), int(2, 2), int(14, 1), ...fields, more);
  return openOnnx(file, { file: path, readExternal: externalReader(path) }).graph.initializers.get('t')!;
}

describe('external data', () => {
  it.each<[Record<string, string>, number[]]>([
    [{ location: 'weights.bin' }, [1, 2]],
    [{ location: 'weights.bin', offset: '6', length: '2', checksum: 'anything' }, [7, 8]],
    [{ location: 'sub/more.bin' }, [9, 10]],
    [{ location: 'sub/../weights.bin', offset: '2' }, [3, 4]],
    [{ location: './weights.bin' }, [1, 2]],
    [{ location: '..data' }, [11, 12]],
    [{ location: 'link-in' }, [1, 2]],
  ])('%j', (entries, expected) => {
    const tensor = tensorAt(entries);
    expect([...tensor.raw()]).toEqual(expected);
    expect(tensor.raw()).toBe(tensor.raw());
    expect(tensor.external).toEqual({ location: entries.location, offset: Number(entries.offset ?? 0), length: 2 });
  });

  it('is found beside a model whose folder is a link', () => {
    expect([...tensorAt({ location: 'weights.bin' }, join(top, 'alias', 'm.onnx')).raw()]).toEqual([1, 2]);
  });

  it.each([
    ['/etc/passwd', 'absolute'],
    ['../secret.bin', 'leaves the folder'],
    ['sub/../../secret.bin', 'leaves the folder'],
    ['../models-other/secret.bin', 'leaves the folder'],
    ['..', 'leaves the folder'],
    ['weights.bin\0.txt', 'NUL'],
    ['', 'is empty'],
  ])('location %j is refused when the model is opened', (location, message) => {
    const error = errorOf(() => tensorAt({ location }));
    expect(error.code).toBe('U1005');
    expect(error.message).toContain(message);
    expect(error.diagnostics[0].location).toEqual({ file: model, input: 't' });
  });

  it.each([
    ['link-out', 'a link that leaves the folder'],
    ['folder-out/secret.bin', 'a link that leaves the folder'],
    ['loop', 'ELOOP'],
    ['absent.bin', 'ENOENT'],
    ['sub', 'not a regular file'],
    ['.', 'not a regular file'],
    ['pipe', 'not a regular file'],
    ['x'.repeat(5000), 'ENAMETOOLONG'],
  ])('location %j is refused when it is read', (location, message) => {
    const error = errorOf(() => tensorAt({ location }).raw());
    expect(error.code).toBe('U1005');
    expect(error.message).toContain(message);
    expect(error.message.length).toBeLessThan(1000);
    expect(error.diagnostics[0].location).toEqual({ file: model, input: 't' });
  });

  it.each([
    [{ offset: '7' }, 'U1005', '8 bytes; the model wants 2 at 7'],
    [{ offset: '9007199254740991' }, 'U1005', 'the model wants 2'],
    [{ offset: '-1' }, 'U1004', "offset '-1'"],
    [{ offset: '0x10' }, 'U1004', "offset '0x10'"],
    [{ offset: '99999999999999999999' }, 'U1004', 'offset'],
    [{ length: '3' }, 'U1004', '3 bytes of external data, its dims and type want 2'],
    [{ length: '' }, 'U1004', 'length'],
  ])('%j is refused', (entries, code, message) => {
    const error = errorOf(() => tensorAt({ location: 'weights.bin', ...entries }).raw());
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
  });

  it('a terabyte is refused before it is allocated', () => {
    const file = tensorModel(int(1, 2 ** 40), int(2, 2), int(14, 1), entry('location', 'weights.bin'));
    const tensor = openOnnx(file, { readExternal: externalReader(model) }).graph.initializers.get('t')!;
    expect(errorOf(() => tensor.raw()).message).toContain('the model wants 1099511627776');
  });

  it('without a location, or beside data in the model, is refused', () => {
    expect(errorOf(() => tensorAt({})).message).toContain('without a location');
    expect(errorOf(() => tensorAt({ location: 'weights.bin' }, model, bytes(9, [1, 2]))).message).toContain(
      'data of its own',
    );
  });

  it('of a model given as bytes names the next step', () => {
    const file = tensorModel(int(1, 2), int(2, 2), int(14, 1), entry('location', 'weights.bin'));
    const error = errorOf(() => openOnnx(file).graph.initializers.get('t')!.raw());
    expect(error.code).toBe('U1005');
    expect(error.message).toContain('import the model by its path');
  });

  it('a reader of fewer bytes than asked for is not believed', () => {
    const file = tensorModel(int(1, 2), int(2, 2), int(14, 1), entry('location', 'weights.bin'));
    const opened = openOnnx(file, { readExternal: () => new Uint8Array(1) });
    expect(errorOf(() => opened.graph.initializers.get('t')!.raw()).message).toContain('wants 2 bytes');
  });
});
