/** Models whose sessions need weights at later sizes, and whose file may be another one by then. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCompiledFile } from '../../src/codegen/index.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { compile, type Model } from '../../src/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { tensor } from '../../src/tensors/tensor.ts';
import { type ModelGraph, type ModelNode, writeModel } from '../support/onnx.ts';
import { expectSame } from './support.ts';

const [DEPTH, COLUMNS] = [256, 512];
const folder = mkdtempSync(join(tmpdir(), 'unskew-held-'));
afterAll(() => rmSync(folder, { recursive: true }));
const onnx = join(folder, 'model.onnx');
const compiled = join(folder, 'model.unskew');

const weight = (name: string, step: number) => ({
  name,
  tensor: tensor(
    's8',
    Int8Array.from({ length: DEPTH * COLUMNS }, (_, i) => ((i * step) % 251) - 125),
    [DEPTH, COLUMNS],
  ),
});
const product = (weights: string, end: string): readonly ModelNode[] => [
  { op: 'DynamicQuantizeLinear', inputs: ['x'], outputs: [`${end}.q`, `${end}.s`, `${end}.z`] },
  { op: 'MatMulInteger', inputs: [`${end}.q`, weights, `${end}.z`], outputs: [`${end}.i`] },
  { op: 'Cast', inputs: [`${end}.i`], outputs: [end], attrs: { to: 1 } },
];
const branch = (weights: string, end: string): { g: ModelGraph } => ({
  g: { inputs: [], outputs: [{ name: end }], nodes: product(weights, end) },
});

/** Floats that lie at each distance from a multiple of four, since their names are not as long: a product reads them, and rows are gathered. */
const odd = ['t', 'tt', 'ttt', 'tttt'];
const table = (name: string) => ({
  name,
  tensor: tensor(
    'f32',
    Float32Array.from({ length: DEPTH * 64 }, (_, i) => Math.sin(i * name.length)),
    [DEPTH, 64],
  ),
});
const oddNodes = odd.flatMap((name): ModelNode[] => [
  { op: 'MatMul', inputs: ['x', name], outputs: [`${name}.p`] },
  { op: 'Gather', inputs: [name, 'row'], outputs: [`${name}.r`] },
  { op: 'Add', inputs: [`${name}.p`, `${name}.r`], outputs: [`${name}.y`] },
]);

/** The products of all runs, and another one in each branch. */
const bytes = writeModel({
  inputs: [
    { name: 'x', type: 'float32', dims: ['N', DEPTH] },
    { name: 'flag', type: 'bool', dims: [] },
  ],
  outputs: [{ name: 'y' }, { name: 'w' }, ...odd.map((name) => ({ name: `${name}.y` }))],
  initializers: [
    ...[weight('a', 37), weight('b', 41), weight('c', 43), ...odd.map(table)],
    { name: 'row', tensor: tensor('s64', [BigInt(DEPTH - 1)], []) },
  ],
  nodes: [
    ...product('a', 'y'),
    ...oddNodes,
    {
      op: 'If',
      inputs: ['flag'],
      outputs: ['w'],
      attrs: { then_branch: branch('b', 'then'), else_branch: branch('c', 'else') },
    },
  ],
  opsets: { '': 17 },
});

const feed = (n: number, flag: boolean) => ({
  x: {
    type: 'float32' as const,
    dims: [n, DEPTH],
    data: Float32Array.from({ length: n * DEPTH }, (_, i) => Math.sin(i)),
  },
  flag: { type: 'bool' as const, dims: [], data: Uint8Array.of(Number(flag)) },
});
const runs = [
  [1, true],
  [7, true],
  [7, false],
  [1, false],
  [2, true],
  [3, false],
  [4, true],
  [5, true],
  [6, false],
] as const;

let reference: Model;
beforeAll(async () => {
  writeFileSync(onnx, bytes);
  writeFileSync(compiled, writeCompiledFile(compileGraph(importOnnx(bytes))));
  reference = await compile(bytes, { backend: 'reference' });
});

async function expectRuns(model: Model, which: readonly (readonly [number, boolean])[]): Promise<void> {
  for (const [n, flag] of which) {
    const [ours, theirs] = [await model.run(feed(n, flag)), await reference.run(feed(n, flag))];
    for (const name of Object.keys(theirs)) expectSame(ours[name], theirs[name]);
  }
}

describe.each([onnx, compiled])('a model of %s', (source) => {
  const file = join(folder, `copy${source.slice(source.lastIndexOf('.'))}`);

  it.each([[], ['onednn'], ['onednn', 'reference']] as const)(
    'runs at all sizes after its file is gone',
    async (...backends) => {
      copyFileSync(source, file);
      const model = await compile(file, { threads: 1, keptShapes: 1, ...(backends.length > 0 && { backends }) });
      await expectRuns(model, runs.slice(0, 2));
      rmSync(file);
      await expectRuns(model, runs);
      await expectRuns(model, [...runs].reverse());
      expect(model.certificate).toBeDefined();
      model.dispose();
    },
  );

  it('runs beside another model of the same file, also after that one is disposed of', async () => {
    copyFileSync(source, file);
    const [one, other] = await Promise.all([compile(file, { threads: 1 }), compile(file, { threads: 2 })]);
    await expectRuns(one, runs.slice(0, 4));
    await expectRuns(other, runs.slice(2, 6));
    one.dispose();
    await expectRuns(other, runs);
    other.dispose();
    await expect(one.run(feed(1, true))).rejects.toMatchObject({ diagnostics: [{ code: 'U4002' }] });
  });

  it('computes right, or refuses, after its file was written to', async () => {
    copyFileSync(source, file);
    const model = await compile(file, { threads: 1 });
    await expectRuns(model, [[1, true]]);
    writeFileSync(file, new Uint8Array(bytes.length));
    await expectRuns(model, [[1, true]]);
    for (const run of runs) {
      const outcome = await expectRuns(model, [run]).catch((error: unknown) => error);
      if (outcome !== undefined) expect(outcome).toMatchObject({ diagnostics: [{ code: 'U1001' }] });
    }
    model.dispose();
  });
});
