/** Models of files give up the memory of their weights, and read it again for proofs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compile, Tensor } from '../../../src/index.ts';
import { tensor } from '../../../src/ir/index.ts';
import { writeModel } from '../../support/onnx.ts';

const WIDTH = 256;
const number = (name: string, dtype: 'f32' | 'u8' | 's8', value: number) => ({
  name,
  tensor: tensor(dtype, [value], []),
});

const folder = mkdtempSync(join(tmpdir(), 'unskew-given-up-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A product that a fold corrects, whose proof sums 64 KiB of weights. */
function written(name: string): string {
  const file = join(folder, name);
  const weights = Int8Array.from({ length: WIDTH * WIDTH }, (_, i) => ((i * 37) % 127) - 63);
  writeFileSync(
    file,
    writeModel({
      inputs: [{ name: 'x', type: 'uint8', dims: [1, WIDTH] }],
      outputs: [{ name: 'y' }],
      initializers: [
        number('sx', 'f32', 0.5),
        number('zx', 'u8', 130),
        number('sw', 'f32', 0.001),
        number('zw', 's8', 0),
        { name: 'w', tensor: tensor('s8', weights, [WIDTH, WIDTH]) },
      ],
      nodes: [{ op: 'QLinearMatMul', inputs: ['x', 'sx', 'zx', 'w', 'sw', 'zw', 'sx', 'zx'], outputs: ['y'] }],
    }),
  );
  return file;
}

const options = { backends: ['onednn'], strategy: 'fold', threads: 1 } as const;
const x = new Tensor(
  'uint8',
  Uint8Array.from({ length: WIDTH }, (_, i) => (i * 7) & 255),
  [1, WIDTH],
);

describe('a model of a file', () => {
  it('runs, and proves, as one of bytes does', async () => {
    const file = written('same.onnx');
    const [given, kept] = [await compile(file, options), await compile(readFileSync(file), options)];
    expect((await given.run({ x })).y).toEqual((await kept.run({ x })).y);
    expect(kept.certificate.entries.flatMap(({ obligations }) => obligations ?? [])).not.toEqual([]);
    expect(JSON.stringify(given.certificate)).toBe(JSON.stringify(kept.certificate));
  });

  it.each([
    ['has been written to', (file: string) => writeFileSync(file, Buffer.alloc(readFileSync(file).length))],
    ['is shorter', (file: string) => writeFileSync(file, '')],
    ['is gone', (file: string) => rmSync(file)],
  ])('runs on when the file %s, and refuses to prove', async (name, change) => {
    const file = written(`${name}.onnx`);
    const [model, kept] = [await compile(file, options), await compile(file, options)];
    const expected = (await model.run({ x })).y;
    const { verdict } = kept.certificate;
    change(file);
    expect((await model.run({ x })).y).toEqual(expected);
    expect(() => model.certificate.verdict).toThrow('proofs need its weights');
    expect(kept.certificate.verdict).toBe(verdict);
  });
});
