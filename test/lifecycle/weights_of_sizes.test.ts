/** Sessions of several sizes have the weights of a model once, in whatever form a kernel reads them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { tensor } from '../../src/tensors/tensor.ts';
import { type ModelInitializer, type ModelNode, writeModel } from '../support/onnx.ts';

const folder = mkdtempSync(join(tmpdir(), 'unskew-weights-'));
afterAll(() => rmSync(folder, { recursive: true }));

const [DEPTH, COLUMNS] = [2048, 4096];
const SIZES = 8;
const bytesOf = (length: number) => Int8Array.from({ length }, (_, i) => ((i * 37) % 251) - 125);
const weight = (name: string, shape: readonly number[]): ModelInitializer => ({
  name,
  tensor: tensor('s8', bytesOf(DEPTH * COLUMNS), shape),
});
const floats: ModelInitializer = {
  name: 'w',
  tensor: tensor('f32', Float32Array.from(bytesOf(DEPTH * COLUMNS)), [DEPTH, COLUMNS]),
};
const quantized: readonly ModelNode[] = [
  { op: 'DynamicQuantizeLinear', inputs: ['x'], outputs: ['q', 's', 'z'] },
  { op: 'MatMulInteger', inputs: ['q', 'w', 'z'], outputs: ['i'] },
  { op: 'Cast', inputs: ['i'], outputs: ['y'], attrs: { to: 1 } },
];

/** The products, and MiB of their weights. */
const products: Readonly<
  Record<string, readonly [nodes: readonly ModelNode[], weight: ModelInitializer, mebibytes: number]>
> = {
  'floats by floats': [[{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }], floats, 32],
  'bytes by bytes': [quantized, weight('w', [DEPTH, COLUMNS]), 8],
};

const script = `
  import { readFileSync } from 'node:fs';
  import { compile } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../src/index.ts')).href)};
  const resident = () => { gc(); return Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024; };
  const model = await compile(process.argv[1], { threads: 1, keptShapes: ${SIZES} });
  const run = (n) => model.runSync({ x: { type: 'float32', dims: [n, ${DEPTH}], data: new Float32Array(n * ${DEPTH}).fill(0.5) } });
  run(1);
  const before = resident();
  for (let n = 2; n <= ${SIZES}; n++) run(n);
  console.log(resident() - before);`;

describe('one more size of a model takes no weights more', () => {
  it.each(Object.entries(products))('%s', (name, [nodes, initializer, mebibytes]) => {
    const file = join(folder, `${name}.onnx`);
    const inputs = [{ name: 'x', type: 'float32' as const, dims: ['N', DEPTH] }];
    writeFileSync(
      file,
      writeModel({ nodes, inputs, outputs: [{ name: 'y' }], initializers: [initializer], opsets: { '': 17 } }),
    );
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--expose-gc', '--import', 'tsx', '--input-type=module', '-e', script, file],
      { encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    // sessions themselves, and what the search for plans of other sizes leaves
    expect(Number(stdout)).toBeLessThan(24 + mebibytes);
  });
});
