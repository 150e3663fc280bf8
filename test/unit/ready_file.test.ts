/** Compiled files with a plan for the machine that they were written on. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readCompiledFile, writeCompiledFile } from '../../src/codegen/compiled_file.ts';
import { headerOf } from '../../src/codegen/compiled_sections.ts';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { Tensor } from '../../src/index.ts';
import { print, tensor } from '../../src/ir/index.ts';
import { loadAddon } from '../../src/runtime/addon.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { compile, importModel, Model } from '../../src/runtime/index.ts';
import { packageFolder } from '../../src/runtime/package_folder.ts';
import { readyFile, readyModelOf } from '../../src/runtime/ready_file.ts';
import { plannerDigest } from '../../src/runtime/sources.ts';
import { writeModel } from '../support/onnx.ts';

const folder = mkdtempSync(join(tmpdir(), 'unskew-ready-'));
afterAll(() => rmSync(folder, { recursive: true }));

const number = (name: string, dtype: 'f32' | 'u8' | 's8', value: number) => ({
  name,
  tensor: tensor(dtype, [value], []),
});
const conv = (x: string, w: string, y: string, attrs = {}) => ({
  op: 'QLinearConv',
  inputs: [x, 'sx', 'zx', w, 'sw', 'zw', 'sx', 'zx'],
  outputs: [y],
  attrs,
});
const weights = (name: string, ...shape: readonly number[]) => ({
  name,
  tensor: tensor(
    's8',
    Int8Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => ((i * 37 + shape.length) % 251) - 125),
    shape,
  ),
});

const SIZE = 9;

/** A first convolution of rows, a wide one, one in groups, a depthwise one, floats behind them, and a product. */
const network = (batch: number | string): Uint8Array =>
  writeModel({
    inputs: [{ name: 'x', type: 'float32', dims: [batch, 3, SIZE, SIZE] }],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [
      ...[number('sx', 'f32', 0.5), number('zx', 'u8', 130), number('sw', 'f32', 0.01), number('zw', 's8', 0)],
      ...[weights('w1', 40, 3, 3, 3), weights('w2', 64, 40, 1, 1), weights('w3', 96, 32, 3, 3)],
      ...[weights('w4', 96, 1, 3, 3), weights('w5', 96, 50)],
    ],
    nodes: [
      { op: 'QuantizeLinear', inputs: ['x', 'sx', 'zx'], outputs: ['q'] },
      conv('q', 'w1', 'a', { pads: [1, 1, 1, 1] }),
      conv('a', 'w2', 'b'),
      conv('b', 'w3', 'c', { group: 2, pads: [1, 1, 1, 1] }),
      conv('c', 'w4', 'd', { group: 96, strides: [2, 2] }),
      { op: 'DequantizeLinear', inputs: ['d', 'sx', 'zx'], outputs: ['e'] },
      { op: 'Sigmoid', inputs: ['e'], outputs: ['f'] },
      { op: 'GlobalAveragePool', inputs: ['f'], outputs: ['g'] },
      { op: 'Flatten', inputs: ['g'], outputs: ['h'] },
      { op: 'QuantizeLinear', inputs: ['h', 'sx', 'zx'], outputs: ['i'] },
      { op: 'QLinearMatMul', inputs: ['i', 'sx', 'zx', 'w5', 'sw', 'zw', 'sx', 'zx'], outputs: ['j'] },
      { op: 'DequantizeLinear', inputs: ['j', 'sx', 'zx'], outputs: ['y'] },
    ],
  });

const feed = (seed: number) => ({
  x: new Tensor(
    'float32',
    Float32Array.from({ length: 3 * SIZE * SIZE }, (_, i) => Math.sin(i * 1.7 + seed) * 40),
    [1, 3, SIZE, SIZE],
  ),
});

async function compiled(batch: number | string = 1) {
  const graph = await importModel(network(batch));
  return compileGraph(graph, { backends: ['onednn'], threads: 1, measuredCosts: false });
}

async function written(name: string): Promise<{ readonly file: string; readonly bytes: Uint8Array }> {
  const model = await compiled();
  const bytes = writeCompiledFile(model, readyModelOf(model));
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return { file, bytes };
}

const sourceOf = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
});

const hasVnni = loadAddon().kernelIsa === 'avx512';

describe('a compiled file with a plan', () => {
  it('runs as the graph does, on one thread and on two, also beside others', async () => {
    const { file, bytes } = await written('same.unskew');
    expect(readyFile(file, 1)).toBeDefined();
    const expected = new Model(readCompiledFile(bytes), { threads: 1 });
    const models = [await compile(file, { threads: 1 }), await compile(file, { threads: 2 }), await compile(file)];
    for (let seed = 0; seed < 3; seed++)
      for (const model of models) {
        const { y } = expected.runSync(feed(seed));
        expect(model.runSync(feed(seed)).y).toEqual(y);
        expect((await model.run(feed(seed))).y).toEqual(y);
      }
    const [model] = models;
    expect(model.inputs).toEqual(expected.inputs);
    expect(model.outputs).toEqual(expected.outputs);
    expect(model.certificate).toEqual(expected.certificate);
    expect(model.fallbacks).toEqual([]);
    expect(model.profile(feed(0)).map(({ node }) => node)).toEqual(expected.profile(feed(0)).map(({ node }) => node));
    await expect(model.run({ z: feed(0).x })).rejects.toThrow(/U4001/);
    for (const one of models) one.dispose();
    await expect(model.run(feed(0))).rejects.toThrow(/U4002/);
  });

  it.skipIf(!hasVnni)('has packed weights in the place of those that kernels pack', async () => {
    const model = await compiled();
    const ready = readyModelOf(model);
    const forms = ready?.constants.filter((constant) => 'forms' in constant) ?? [];
    expect(forms).toHaveLength(4); // all but the depthwise ones
  });

  it('is planned anew for other kernels, and when an option wants another plan', async () => {
    const { file, bytes } = await written('elsewhere.unskew');
    const expected = new Model(readCompiledFile(bytes), { threads: 1 }).runSync(feed(5)).y;
    loadAddon().setKernelIsa('scalar');
    try {
      expect(readyFile(file, 1)).toBeUndefined();
      expect((await compile(file, { threads: 1 })).runSync(feed(5)).y).toEqual(expected);
    } finally {
      loadAddon().setKernelIsa(undefined);
    }
    const shaped = await compile(file, { threads: 1, inputShapes: { x: [1, 3, SIZE, SIZE] } });
    expect(shaped.runSync(feed(5)).y).toEqual(expected);
    expect((await compile(file, { backend: 'reference' })).runSync(feed(5)).y).toEqual(expected);
    await expect(compile(file, { strategy: 'fold' })).rejects.toThrow(/U4002/);
  });

  it('is planned anew by an unskew of other sources, also of the same kernels', async () => {
    const model = await compiled();
    const ready = readyModelOf(model);
    if (ready === undefined) throw new Error('there is no plan');
    const planner = plannerDigest(packageFolder) ?? '';
    expect(ready.key).toContain(` ${planner} `);
    const file = join(folder, 'earlier.unskew');
    // a plan of nothing, which would be refused
    const others = { key: ready.key.replace(planner, 'f'.repeat(64)), outputs: [] };
    writeFileSync(file, writeCompiledFile(model, { ...ready, ...others }));
    expect(readyFile(file, 1)).toBeUndefined();
    const expected = new Model(model, { threads: 1 }).runSync(feed(6)).y;
    expect((await compile(file, { threads: 1 })).runSync(feed(6)).y).toEqual(expected);
  });

  it('names planning code by all of its files', () => {
    const root = `${mkdtempSync(join(folder, 'sources-'))}/`;
    expect(plannerDigest(root)).toBeUndefined();
    mkdirSync(join(root, 'src', 'codegen'), { recursive: true });
    const digests = [
      ['a.ts', ''],
      ['a.ts', '1'],
      ['b.ts', ''],
      ['codegen/a.ts', ''],
    ].map(([name, text]) => {
      writeFileSync(join(root, 'src', name), text);
      return plannerDigest(root);
    });
    expect(new Set(digests).size).toBe(4);
  });

  it('has none for open sizes, and says the same without one', async () => {
    const model = await compiled('N');
    expect(readyModelOf(model)).toBeUndefined();
    const { bytes } = await written('graph.unskew');
    expect(print(readCompiledFile(bytes).graph)).toBe(print((await compiled()).graph));
  });

  it('is refused, or gives the same results, with any byte changed and wherever it ends', {
    timeout: 120_000,
  }, async () => {
    const { bytes } = await written('whole.unskew');
    const file = join(folder, 'damaged.unskew');
    const expected = new Model(readCompiledFile(bytes), { threads: 1 }).runSync(feed(1)).y;
    const { header, start } = headerOf(sourceOf(bytes));
    const planned = start + header.size;
    let refusals = 0;
    const examine = async (damaged: Uint8Array) => {
      writeFileSync(file, damaged);
      try {
        expect((await compile(file, { threads: 1 })).runSync(feed(1)).y).toEqual(expected);
      } catch (error) {
        if (!(error instanceof UnskewError) || (error.code !== 'U5004' && error.code !== 'U1002')) throw error;
        refusals++;
      }
    };
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: planned, max: bytes.length - 1 }),
        fc.integer({ min: 0, max: 7 }),
        (at, bit) => {
          const damaged = bytes.slice();
          damaged[at] ^= 1 << bit;
          return examine(damaged);
        },
      ),
      { numRuns: 60 },
    );
    expect(refusals).toBeGreaterThan(40); // others are zeros between sections
    refusals = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 8, max: bytes.length - 1 }), (length) => examine(bytes.subarray(0, length))),
      { numRuns: 40 },
    );
    expect(refusals).toBe(40);
  });

  it('is refused with a plan of other counts, and planned anew where the addon refuses the plan', async () => {
    const model = await compiled();
    const ready = readyModelOf(model);
    if (ready === undefined) throw new Error('there is no plan');
    const file = join(folder, 'other.unskew');
    const { plan } = ready;
    const wrongTypes = [
      ...[null, { dtype: 'f32', shape: [1, 7] }, { dtype: 'f32', shape: [1, 1_000_000] }, { dtype: 'f32' }],
      ...[
        { dtype: 'f64', shape: [1, 50] },
        { dtype: 'u8', shape: [1, 50] },
        { dtype: 'f32', shape: [50] },
      ],
    ];
    const write = (other: Partial<typeof ready>) =>
      writeFileSync(file, writeCompiledFile(model, { ...ready, ...other }));
    for (const other of [
      { outputs: [] },
      { inputs: ['z'] as never },
      { plan: { ...plan, types: [] } },
      { plan: { ...plan, labels: [] } },
      { plan: { ...plan, arenaBytes: -1 } },
      { plan: { ...plan, inputBytes: [Number.NaN] } },
      ...wrongTypes.map((type) => ({ plan: { ...plan, types: [type as never] } })),
      { plan: { ...plan, types: [{ dtype: 'f32' as const, shape: [1, 7] }], outputBytes: [28] } }, // the model says [1, 50]
      { plan: { ...plan, inputBytes: [4] } },
      { plan: { ...plan, outputBytes: [4] } },
    ]) {
      write(other);
      await expect(compile(file, { threads: 1 })).rejects.toThrow(/U5004[\s\S]*plan is not one of ours/);
    }
    const expected = new Model(model, { threads: 1 }).runSync(feed(2)).y;
    for (const other of [
      { plan: { ...plan, arenaBytes: 64 } },
      { plan: { ...plan, commands: plan.commands.map((command) => ({ ...command, kernel: { name: 'unknown' } })) } },
      { constants: ready.constants.slice(1) },
      { constants: ready.constants.map(() => ({ bytes: new Uint8Array(8) })) },
    ]) {
      write(other);
      expect((await compile(file, { threads: 1 })).runSync(feed(2)).y).toEqual(expected);
    }
  });

  it('refuses packed weights that are of another size', async () => {
    const binding = loadAddon();
    const form = new Uint8Array(24 + 64);
    expect(() => binding.prepacked(64, [{ way: 'a', bytes: form }])).toThrow('packed weights');
    new DataView(form.buffer).setBigInt64(0, 64n, true);
    expect(() => binding.contents(binding.prepacked(64, [{ way: 'a', bytes: form }]))).toThrow('packed forms alone');
    expect(() => binding.prepacked(64, [{ way: 'a', bytes: form.subarray(0, 20) }])).toThrow('packed weights');
    new DataView(form.buffer).setBigInt64(8, 2n ** 62n, true);
    expect(() => binding.prepacked(64, [{ way: 'a', bytes: form }])).toThrow('packed weights');
  });
});
