import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { writeReproducer } from '../../../src/runtime/reproducer.ts';

const folder = mkdtempSync(join(tmpdir(), 'unskew-reproducer-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('faults of one millisecond each leave a file, and none replaces another', () => {
  const written = ['first', 'second', 'third'].map((text) => writeReproducer(folder, 'fault.txt', () => text));
  expect(written.map((path) => path && basename(path))).toEqual(['fault.txt', 'fault-2.txt', 'fault-3.txt']);
  expect(written.map((path) => path && readFileSync(path, 'utf8'))).toEqual(['first', 'second', 'third']);
});

it('a folder that cannot be made leads to one for temporary files', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const path = writeReproducer(join(file, 'reproducers'), `${basename(folder)}.txt`, () => 'text') ?? '';
  expect(dirname(path)).toBe(join(tmpdir(), 'unskew-reproducers'));
  rmSync(path);
});

it('contents that throw leave nothing where the next file goes', () => {
  const before = writeReproducer(folder, 'half.txt', () => {
    throw new Error('no contents');
  });
  expect(before).toBeUndefined();
  expect(writeReproducer(folder, 'half.txt', () => 'whole')).toBe(join(folder, 'half.txt'));
});
