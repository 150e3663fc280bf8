/** Parts of a model that ONNX Runtime computes between parts of ours: as ONNX Runtime computes the whole. */
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { compile, type Tensor, UnskewError } from '../../src/index.ts';
import { tensor } from '../../src/ir/index.ts';
import { halfToNumber, numberToBfloat16, numberToHalf } from '../../src/numerics/index.ts';
import { batch, network } from '../lifecycle/network.ts';
import { draws } from '../support/draws.ts';
import { type ModelAttr, type ModelGraph, type ModelNode, writeModel } from '../support/onnx.ts';
import { sentModel } from '../support/sent_model.ts';

const scalar = (name: string, dtype: 'f32' | 'u8' | 's8' | 's64' | 'bool', value: number) => ({
  name,
  tensor: tensor(dtype, dtype === 's64' ? [BigInt(value)] : [value], []),
});
const conv = (x: string, y: string): ModelNode => ({
  op: 'QLinearConv',
  inputs: [x, 'sx', 'zx', 'w', 'sw', 'zw', 'sx', 'zx'],
  outputs: [y],
});
const branch = (op: string, attrs: Record<string, ModelAttr> = {}): { g: ModelGraph } => ({
  g: { inputs: [], outputs: [{ name: `z.${op}` }], nodes: [{ op, inputs: ['b'], outputs: [`z.${op}`], attrs }] },
});

/** A quantized layer, whatever `middle` makes of the floats `b`, and another layer behind the floats `c`. */
const between = (middle: readonly ModelNode[], outputs = ['y'], dims: readonly (number | string)[] = ['N', 2, 3, 3]) =>
  writeModel({
    inputs: [
      { name: 'x', type: 'uint8', dims },
      { name: 'flag', type: 'bool', dims: [] },
    ],
    outputs: outputs.map((name) => (name === 'y' ? { name, type: 'uint8' } : { name })),
    initializers: [
      scalar('sx', 'f32', 0.5),
      scalar('zx', 'u8', 130),
      scalar('sw', 'f32', 0.25),
      scalar('zw', 's8', 3),
      scalar('trips', 's64', 3),
      scalar('none', 's64', 0),
      { name: 'channels', tensor: tensor('s64', [1n, 2n], [2]) },
      scalar('true', 'bool', 1),
      { name: 'w', tensor: tensor('s8', [3, -2, 1, 4], [2, 2, 1, 1]) },
    ],
    nodes: [
      conv('x', 'a'),
      { op: 'DequantizeLinear', inputs: ['a', 'sx', 'zx'], outputs: ['b'] },
      ...middle,
      { op: 'QuantizeLinear', inputs: ['c', 'sx', 'zx'], outputs: ['d'] },
      conv('d', 'y'),
    ],
    opsets: { '': 17 },
  });

const middles: Readonly<Record<string, readonly ModelNode[]>> = {
  'a branch that reads a value around it': [
    {
      op: 'If',
      inputs: ['flag'],
      outputs: ['c'],
      attrs: { then_branch: branch('Neg'), else_branch: branch('LeakyRelu', { alpha: { f: 0.5 } }) },
    },
  ],
  'a loop': [
    {
      op: 'Loop',
      inputs: ['trips', 'true', 'b'],
      outputs: ['c'],
      attrs: {
        body: {
          g: {
            inputs: [
              { name: 'i', type: 'int64', dims: [] },
              { name: 'go', type: 'bool', dims: [] },
              { name: 'v', type: 'float32' },
            ],
            outputs: [
              { name: 'goes', type: 'bool', dims: [] },
              { name: 'more', type: 'float32' },
            ],
            nodes: [
              { op: 'Identity', inputs: ['go'], outputs: ['goes'] },
              { op: 'Add', inputs: ['v', 'b'], outputs: ['more'] },
            ],
          },
        },
      },
    },
  ],
  'a sequence, which is no tensor': [
    { op: 'SequenceConstruct', inputs: ['b', 'b'], outputs: ['s'] },
    { op: 'Neg', inputs: ['b'], outputs: ['n'] },
    { op: 'ConcatFromSequence', inputs: ['s'], outputs: ['long'], attrs: { axis: 1 } },
    { op: 'Split', inputs: ['long'], outputs: ['first', 'c0'], attrs: { axis: 1 } },
    { op: 'Add', inputs: ['c0', 'n'], outputs: ['c1'] },
    { op: 'Add', inputs: ['c1', 'b'], outputs: ['c'] },
  ],
  'an element of a sequence, of unknown rank, that two parts read': [
    { op: 'Flatten', inputs: ['b'], outputs: ['flat'] },
    { op: 'SequenceConstruct', inputs: ['b', 'flat'], outputs: ['s'] },
    { op: 'Hardmax', inputs: ['b'], outputs: ['hard'] },
    { op: 'QuantizeLinear', inputs: ['hard', 'sx', 'zx'], outputs: ['byte'] },
    { op: 'DequantizeLinear', inputs: ['byte', 'sx', 'zx'], outputs: ['ones'] },
    { op: 'ReduceMax', inputs: ['ones'], outputs: ['one'], attrs: { keepdims: 0 } },
    { op: 'Cast', inputs: ['one'], outputs: ['number'], attrs: { to: 7 } },
    { op: 'Sub', inputs: ['number', 'channels'], outputs: ['swapped'] },
    { op: 'SequenceAt', inputs: ['s', 'none'], outputs: ['element'] },
    { op: 'Gather', inputs: ['element', 'swapped'], outputs: ['c'], attrs: { axis: 1 } },
  ],
};

const feedsOf = (n: number, seed: number, flag = seed % 2 === 0) => ({
  x: {
    type: 'uint8',
    data: Uint8Array.from({ length: n * 18 }, (_, i) => (i * 37 + seed * 11) & 255),
    dims: [n, 2, 3, 3],
  },
  flag: { type: 'bool', data: Uint8Array.of(flag ? 1 : 0), dims: [] },
});

async function onnxruntimeOn(
  model: Uint8Array,
  feeds: ReturnType<typeof feedsOf>,
): Promise<Record<string, ort.Tensor>> {
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 4 });
  const given = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name));
  const results = await session.run(
    Object.fromEntries(
      given.map(([name, { type, data, dims }]) => [name, new ort.Tensor(type as 'uint8', data, dims)]),
    ),
  );
  await session.release();
  return results as Record<string, ort.Tensor>;
}

/** Compiled by the thread that runs it, and by another one. */
const compilers = [compile, sentModel] as const;

const expectEqual = (ours: Tensor, theirs: ort.Tensor) => {
  expect(ours.dims).toEqual(theirs.dims);
  expect([...ours.data]).toEqual([...(theirs.data as Uint8Array)]);
};

describe.each(Object.entries(middles))('%s', (name, middle) => {
  for (const [i, threads] of [1, 2].entries())
    it(`on ${threads} threads, at many sizes, one after the other and at once`, async () => {
      const bytes = between(middle);
      const model = await compilers[i](bytes, { threads });
      expect(model.fallbacks).toEqual([]); // known with the sizes
      const runs = [1, 2, 5, 1, 3, 2].map((n, seed) => ({ n, seed }));
      const right = await Promise.all(runs.map(({ n, seed }) => onnxruntimeOn(bytes, feedsOf(n, seed))));
      for (const [i, { n, seed }] of runs.entries()) {
        expectEqual((await model.run(feedsOf(n, seed))).y, right[i].y);
        expectEqual(model.runSync(feedsOf(n, seed)).y, right[i].y);
      }
      // bodies of tensors alone are ours
      const others = name.includes('a sequence') ? ['onnxruntime'] : [];
      expect(new Set(model.fallbacks.map(({ backend }) => backend))).toEqual(new Set(others));
      const all = runs.map(({ n, seed }) => model.run(feedsOf(n, seed)));
      const { y: meanwhile } = model.runSync(feedsOf(2, 1));
      for (const [i, { y }] of (await Promise.all(all)).entries()) expectEqual(y, right[i].y);
      expectEqual(meanwhile, (await onnxruntimeOn(bytes, feedsOf(2, 1))).y);
      model.dispose();
    });
});

describe('results', () => {
  it.each(compilers)('of sizes that values decide, among them none', async (make) => {
    const bytes = between(
      [
        { op: 'Unique', inputs: ['b'], outputs: ['u', '', '', 'counts'] },
        { op: 'Neg', inputs: ['u'], outputs: ['negative'] },
        { op: 'Relu', inputs: ['b'], outputs: ['c'] },
      ],
      ['negative', 'counts', 'y'],
    );
    const model = await make(bytes);
    for (const n of [1, 3, 0]) {
      const [ours, theirs] = [await model.run(feedsOf(n, n)), await onnxruntimeOn(bytes, feedsOf(n, n))];
      for (const name of ['negative', 'counts', 'y']) expectEqual(ours[name], theirs[name]);
    }
    model.dispose();
  });

  it('follow a run of the same sizes, whether their own sizes stay, change or are none', async () => {
    const bytes = writeModel({
      inputs: [{ name: 'x', type: 'float32', dims: [6] }],
      outputs: [{ name: 'u', type: 'float32' }, { name: 's' }],
      nodes: [
        { op: 'Unique', inputs: ['x'], outputs: ['u'] },
        { op: 'SequenceConstruct', inputs: ['x', 'x'], outputs: ['q'] },
        { op: 'ConcatFromSequence', inputs: ['q'], outputs: ['s'], attrs: { axis: 0 } },
      ],
      opsets: { '': 17 },
    });
    const model = await compile(bytes);
    const kinds = [6, 6, 6, 3, 3, 3, 1, 6, 1, 1, 1, 2, 2];
    const feeds = (kind: number) => ({
      x: { type: 'float32', data: Float32Array.from({ length: 6 }, (_, i) => (i % kind) - 2), dims: [6] },
    });
    for (let round = 0; round < 8; round++)
      for (const [i, kind] of kinds.entries()) {
        const { u, s } = (i + round) % 3 === 0 ? model.runSync(feeds(kind)) : await model.run(feeds(kind));
        expect([...u.data]).toEqual(Array.from({ length: kind }, (_, k) => k - 2));
        expect([...s.data]).toEqual([...feeds(kind).x.data, ...feeds(kind).x.data]);
      }
    // one that waits keeps the place of the next
    const all = kinds.map((kind) => model.run(feeds(kind)));
    const { u } = model.runSync(feeds(2));
    expect([...u.data]).toEqual([-2, -1]);
    for (const [i, { u: own }] of (await Promise.all(all)).entries()) expect(own.data.length).toBe(kinds[i]);
    model.dispose();
  });

  it('are memory of their own: later runs leave them alone, and they may be transferred', async () => {
    const model = await compile(between(middles['a sequence, which is no tensor']));
    const first = await model.run(feedsOf(2, 1));
    const kept = [...first.y.data];
    await model.run(feedsOf(2, 2));
    expect([...first.y.data]).toEqual(kept);
    structuredClone(first.y.data, { transfer: [first.y.data.buffer as ArrayBuffer] });
    expect([...model.runSync(feedsOf(2, 1)).y.data]).toEqual(kept);
    model.dispose();
  });
});

describe('float operators that only the interpreter knows besides', () => {
  it('run in ONNX Runtime unless back ends are named', async () => {
    const model = await compile(network());
    await model.run(batch(2));
    expect(model.fallbacks).toMatchObject([{ backend: 'onnxruntime', op: 'nn.lrn' }]);
    model.dispose();
    const own = await compile(network(), { backends: ['onednn'] });
    await own.run(batch(2));
    expect(own.fallbacks).toMatchObject([{ backend: 'reference', op: 'nn.lrn' }]);
    own.dispose();
  });
});

describe('faults', () => {
  const failing = between([
    { op: 'If', inputs: ['flag'], outputs: ['c0'], attrs: { then_branch: branch('Neg'), else_branch: branch('Neg') } },
    { op: 'Reshape', inputs: ['c0', 'shape'], outputs: ['c'] },
  ]);

  it('of a run reject it with a code, and leave the model able to run', async () => {
    const bytes = writeModel({
      inputs: [
        { name: 'x', type: 'float32', dims: [4] },
        { name: 'shape', type: 'int64', dims: [1] },
      ],
      outputs: [{ name: 'y' }],
      nodes: [{ op: 'Reshape', inputs: ['x', 'shape'], outputs: ['y'] }],
    });
    const model = await compile(bytes);
    const x = { type: 'float32', data: Float32Array.of(1, 2, 3, 4), dims: [4] };
    const shaped = (n: number) => ({ x, shape: { type: 'int64', data: BigInt64Array.of(BigInt(n)), dims: [1] } });
    await expect(model.run(shaped(3))).rejects.toMatchObject({ code: 'U5002' });
    expect(() => model.runSync(shaped(5))).toThrow(/U5002.*ONNX Runtime refuses a run/);
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 4; i++) expect([...(await model.run(shaped(4))).y.data]).toEqual([1, 2, 3, 4]);
      // once more where runs of these sizes went before
      await expect(model.run(shaped(3))).rejects.toMatchObject({ code: 'U5002' });
      expect(() => model.runSync(shaped(5))).toThrow(/U5002/);
    }
    expect([...model.runSync(shaped(4)).y.data]).toEqual([1, 2, 3, 4]);
    model.dispose();
  });

  it('of a part that it does not take name the reason', async () => {
    const bytes = between([{ op: 'Strange', domain: 'nobody', inputs: ['b'], outputs: ['c'] }]);
    const refused = compile(bytes, { inputShapes: { x: [1, 2, 3, 3] } });
    await expect(refused).rejects.toThrow(UnskewError);
    await expect(refused).rejects.toMatchObject({ code: 'U1004' });
    expect(failing.length).toBeGreaterThan(0);
  });

  it.each(compilers)(
    'of an element type that no array holds refuse the part, where the package would end the process',
    async (make) => {
      const bytes = writeModel({
        inputs: [{ name: 'x', type: 'float32', dims: [4] }],
        outputs: [{ name: 'y', type: 'complex64', dims: [4] }],
        nodes: [{ op: 'Cast', inputs: ['x'], outputs: ['y'], attrs: { to: 14 } }],
        opsets: { '': 23 },
      });
      await expect(make(bytes)).rejects.toThrow(/complex64 cannot be taken back/);
    },
  );

  it('of a size that others count on, and that the result has not, are told on each way to it', async () => {
    const model = await compile(
      writeModel({
        inputs: [{ name: 'x', type: 'float32', dims: [6] }],
        outputs: [{ name: 'u', type: 'float32', dims: [3] }, { name: 'y' }],
        nodes: [
          { op: 'Unique', inputs: ['x'], outputs: ['u'] },
          { op: 'Neg', inputs: ['u'], outputs: ['y'] },
        ],
      }),
    );
    const kinds = (count: number) => ({
      x: { type: 'float32', data: Float32Array.from({ length: 6 }, (_, i) => i % count), dims: [6] },
    });
    for (let round = 0; round < 4; round++) {
      expect([...(await model.run(kinds(3))).y.data]).toEqual([-0, -1, -2]);
      expect([...model.runSync(kinds(3)).y.data]).toEqual([-0, -1, -2]);
      await expect(model.run(kinds(2))).rejects.toMatchObject({ code: 'U5003' });
      expect(() => model.runSync(kinds(4))).toThrow(/U5003.*computes f32\[4\], and the model declares 'u' as f32\[3\]/);
    }
    model.dispose();
  });

  it('of the list of back ends are told', async () => {
    const wrong: readonly (readonly string[])[] = [
      [],
      ['onnxruntime'],
      ['reference', 'onednn'],
      ['onednn', 'onednn'],
      ['other'],
    ];
    for (const backends of wrong)
      await expect(compile(network(), { backends: backends as never })).rejects.toMatchObject({ code: 'U4002' });
    await expect(compile(network(), { backend: 'onednn', backends: ['onednn'] })).rejects.toMatchObject({
      code: 'U4002',
    });
    await expect(compile(between(middles['a sequence, which is no tensor']), { backends: ['onednn'] })).rejects.toThrow(
      /U2008.*SequenceConstruct[\s\S]*onnxruntime-node is installed/,
    );
  });
});

it('a product of no terms is 0, which ONNX Runtime leaves open', async () => {
  const model = await compile(
    writeModel({
      inputs: [
        { name: 'a', type: 'float32', dims: [3, 0] },
        { name: 'b', type: 'float32', dims: [0, 2] },
      ],
      outputs: [{ name: 'y', type: 'float32' }],
      nodes: [{ op: 'MatMul', inputs: ['a', 'b'], outputs: ['y'] }],
    }),
  );
  const empty = (dims: number[]) => ({ type: 'float32', dims, data: new Float32Array(0) }) as const;
  const { y } = await model.run({ a: empty([3, 0]), b: empty([0, 2]) });
  expect([...y.data]).toEqual(Array(6).fill(0));
  expect(model.fallbacks.map(({ backend }) => backend)).toEqual(['reference']);
  model.dispose();
});

it('declared sizes of outputs that do not hold', async () => {
  const declaring = (dims: readonly number[], reader: readonly ModelNode[]) =>
    writeModel({
      inputs: [{ name: 'x', type: 'float32', dims: [4] }],
      outputs: [{ name: 'u', type: 'float32', dims }, ...reader.map(() => ({ name: 'y' }))],
      nodes: [{ op: 'Unique', inputs: ['x'], outputs: ['u'] }, ...reader],
      opsets: { '': 17 },
    });
  const x = { type: 'float32', dims: [4], data: Float32Array.of(3, 1, 3, 2) } as const;
  for (const [dims, reader] of [
    [[2, 4], []],
    [[5], []],
    [[2, 4], [{ op: 'Neg', inputs: ['u'], outputs: ['y'] }]],
  ] as const) {
    const model = await compile(declaring(dims, reader));
    for (const { u, y } of [await model.run({ x }), model.runSync({ x })]) {
      expect(u.dims).toEqual([3]);
      expect([...u.data]).toEqual([1, 2, 3]);
      if (reader.length > 0) expect([...y.data]).toEqual([-1, -2, -3]);
    }
    model.dispose();
  }
  const countedOn = await compile(declaring([5], [{ op: 'Neg', inputs: ['u'], outputs: ['y'] }]));
  await expect(countedOn.run({ x })).rejects.toMatchObject({ code: 'U5003' });
  countedOn.dispose();
});

describe('what ONNX Runtime ends the process over is not handed to it', () => {
  const empty = (dims: number[]) => ({ type: 'float32', dims, data: new Float32Array(0) }) as const;
  const ones = (dims: number[]) =>
    ({ type: 'float32', dims, data: new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(1) }) as const;

  it('a product of no terms whose rank only the run knows', async () => {
    const model = await compile(
      writeModel({
        inputs: [
          { name: 'a', type: 'float32', dims: ['K', 'B', 'M'] },
          { name: 'shape', type: 'int64', dims: ['R'] },
          { name: 'b', type: 'float32', dims: ['B', 'L', 'N'] },
          { name: 'other', type: 'int64', dims: ['Q'] },
        ],
        outputs: [{ name: 'y', type: 'float32' }],
        nodes: [
          { op: 'Reshape', inputs: ['a', 'shape'], outputs: ['c'], attrs: { allowzero: 1 } },
          { op: 'Reshape', inputs: ['b', 'other'], outputs: ['d'], attrs: { allowzero: 1 } },
          {
            op: 'FusedMatMul',
            domain: 'com.microsoft',
            inputs: ['c', 'd'],
            outputs: ['y'],
            attrs: { transA: 1, transBatchA: 1 },
          },
        ],
        opsets: { '': 17, 'com.microsoft': 1 },
      }),
    );
    const feeds = (k: number) => ({
      a: (k > 0 ? ones : empty)([k, 2, 2]),
      shape: { type: 'int64', dims: [3], data: BigInt64Array.of(BigInt(k), 2n, 2n) },
      b: (k > 0 ? ones : empty)([2, k, 3]),
      other: { type: 'int64', dims: [3], data: BigInt64Array.of(2n, BigInt(k), 3n) },
    });
    expect([...(await model.run(feeds(4))).y.data]).toEqual(Array(12).fill(4));
    await expect(model.run(feeds(0))).rejects.toMatchObject({ code: 'U5002' });
    expect(() => model.runSync(feeds(0))).toThrow(/without elements/);
    expect([...model.runSync(feeds(1)).y.data]).toEqual(Array(12).fill(1));
    model.dispose();
  });

  it('attention over a cache in a batch of none', async () => {
    const model = await compile(
      writeModel({
        inputs: [
          ...['q', 'k', 'v'].map((name) => ({ name, type: 'float32', dims: ['B', 1, 8] })),
          ...['keys', 'values'].map((name) => ({ name, type: 'float32', dims: ['B', 1, 'P', 8] })),
          { name: 'last', type: 'int32', dims: ['B'] },
          { name: 'total', type: 'int32', dims: [] },
        ],
        outputs: [{ name: 'y', type: 'float32' }],
        nodes: [
          {
            op: 'GroupQueryAttention',
            domain: 'com.microsoft',
            inputs: ['q', 'k', 'v', 'keys', 'values', 'last', 'total'],
            outputs: ['y', 'keys.y', 'values.y'],
            attrs: { num_heads: 1, kv_num_heads: 1 },
          },
        ],
        opsets: { '': 17, 'com.microsoft': 1 },
      }),
    );
    const feeds = (b: number, p: number) => ({
      ...Object.fromEntries(['q', 'k', 'v'].map((name) => [name, b > 0 ? ones([b, 1, 8]) : empty([b, 1, 8])])),
      ...Object.fromEntries(
        ['keys', 'values'].map((name) => [name, b * p > 0 ? ones([b, 1, p, 8]) : empty([b, 1, p, 8])]),
      ),
      last: { type: 'int32', dims: [b], data: new Int32Array(b).fill(p) },
      total: { type: 'int32', dims: [], data: Int32Array.of(p + 1) },
    });
    expect([...model.runSync(feeds(1, 0)).y.data]).toEqual(Array(8).fill(1)); // no past
    expect(() => model.runSync(feeds(0, 2))).toThrow(/without elements/);
    expect([...model.runSync(feeds(2, 3)).y.data]).toEqual(Array(16).fill(1));
    model.dispose();
  });

  it.each(['RNN', 'LSTM'])('%s of no steps, with bounds', async (op) => {
    const rows = op === 'RNN' ? 2 : 8;
    const model = await compile(
      writeModel({
        inputs: [{ name: 'x', type: 'float32', dims: ['steps', 2, 3] }],
        outputs: ['y', 'last'].map((name) => ({ name, type: 'float32' })),
        nodes: [
          {
            op,
            inputs: ['x', 'w', 'r'],
            outputs: ['y', 'last'],
            attrs: { hidden_size: 2, clip: { f: 0.5 } },
          },
        ],
        initializers: [
          { name: 'w', tensor: tensor('f32', new Float32Array(rows * 3), [1, rows, 3]) },
          { name: 'r', tensor: tensor('f32', new Float32Array(rows * 2), [1, rows, 2]) },
        ],
        opsets: { '': 17 },
      }),
    );
    expect([...model.runSync({ x: ones([1, 2, 3]) }).last.data]).toEqual([0, 0, 0, 0]);
    expect(() => model.runSync({ x: empty([0, 2, 3]) })).toThrow(/U2008/);
    model.dispose();
  });

  it('the largest of nothing, of which a run tells how many', async () => {
    const model = await compile(
      writeModel({
        inputs: [
          { name: 'x', type: 'float32', dims: ['N', 3] },
          { name: 'k', type: 'int64', dims: [1] },
        ],
        outputs: [{ name: 'y', type: 'float32' }],
        nodes: [{ op: 'TopK', inputs: ['x', 'k'], outputs: ['y', 'at'] }],
        opsets: { '': 17 },
      }),
    );
    const feeds = (n: number) => ({
      x: n > 0 ? ones([n, 3]) : empty([n, 3]),
      k: { type: 'int64', dims: [1], data: BigInt64Array.of(2n) },
    });
    expect(model.runSync(feeds(2)).y.dims).toEqual([2, 2]);
    expect(() => model.runSync(feeds(0))).toThrow(/without elements/);
    model.dispose();
  });

  it('a recurrent layer of no sequences, or of no steps', async () => {
    const weights = [
      { name: 'w', tensor: tensor('f32', Array(24).fill(0.5), [1, 8, 3]) },
      { name: 'r', tensor: tensor('f32', Array(16).fill(0.5), [1, 8, 2]) },
    ];
    const layer = (outputs: string[]) =>
      writeModel({
        inputs: [{ name: 'x', type: 'float32', dims: ['S', 'N', 3] }],
        outputs: outputs.filter((name) => name !== '').map((name) => ({ name, type: 'float32' })),
        initializers: weights,
        nodes: [{ op: 'LSTM', inputs: ['x', 'w', 'r'], outputs, attrs: { hidden_size: 2, input_forget: 1 } }],
        opsets: { '': 17 },
      });
    const all = await compile(layer(['y', 'h']));
    expect((await all.run({ x: ones([2, 1, 3]) })).y.dims).toEqual([2, 1, 1, 2]);
    const { y, h } = await all.run({ x: empty([2, 0, 3]) });
    expect([y.dims, h.dims]).toEqual([
      [2, 1, 0, 2],
      [1, 0, 2],
    ]);
    await expect(all.run({ x: empty([0, 2, 3]) })).rejects.toMatchObject({ code: 'U2008' });
    all.dispose();
  });

  it('attention without a bias, in a form that is carried', async () => {
    const carriedForm = writeModel({
      inputs: [
        { name: 'x', type: 'float32', dims: [1, 4, 4] },
        { name: 'mask', type: 'int32', dims: [5] },
      ],
      outputs: [{ name: 'y', type: 'float32' }],
      initializers: [{ name: 'w', tensor: tensor('f32', Array(48).fill(0.5), [4, 12]) }],
      nodes: [
        {
          op: 'Attention',
          domain: 'com.microsoft',
          inputs: ['x', 'w', '', 'mask'],
          outputs: ['y'],
          attrs: { num_heads: 2 },
        },
      ],
      opsets: { '': 17, 'com.microsoft': 1 },
    });
    await expect(compile(carriedForm)).rejects.toMatchObject({ code: 'U2008' });
  });
});

it.each(compilers)('a file of versions that ONNX Runtime does not read yet', async (make) => {
  const bytes = writeModel({
    inputs: [{ name: 'x', type: 'float32', dims: [2, 2] }],
    outputs: [{ name: 'y' }],
    nodes: [{ op: 'Det', inputs: ['x'], outputs: ['y'] }],
    opsets: { '': 28 },
    irVersion: 14,
  });
  const model = await make(bytes);
  const { y } = await model.run({ x: { type: 'float32', data: Float32Array.of(1, 2, 3, 4), dims: [2, 2] } });
  expect(y.data[0]).toBeCloseTo(-2, 5);
  model.dispose();
});

it('runs, runSync and dispose in any order', async () => {
  const bytes = between(middles['a sequence, which is no tensor'], ['y'], [1, 2, 3, 3]);
  const right = [0, 1].map(async (seed) => [...((await onnxruntimeOn(bytes, feedsOf(1, seed))).y.data as Uint8Array)]);
  const expected = await Promise.all(right);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('run', 'runSync', 'wait', 'dispose'), { maxLength: 10 }),
      async (actions) => {
        const model = await compile(bytes);
        let disposed = false;
        const runs: Promise<void>[] = [];
        for (const [i, action] of actions.entries()) {
          const seed = i % 2;
          if (action === 'dispose') {
            model.dispose();
            disposed = true;
          } else if (action === 'wait') await Promise.allSettled(runs);
          else if (disposed) await expect(model.run(feedsOf(1, seed))).rejects.toMatchObject({ code: 'U4002' });
          else if (action === 'runSync') expect([...model.runSync(feedsOf(1, seed)).y.data]).toEqual(expected[seed]);
          else runs.push(model.run(feedsOf(1, seed)).then(({ y }) => expect([...y.data]).toEqual(expected[seed])));
        }
        for (const result of await Promise.allSettled(runs))
          if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'U4002' });
        model.dispose();
      },
    ),
    draws(25),
  );
});

it('a process ends by itself, with a model that was not disposed of and with a run that nobody awaits', () => {
  const folder = new URL('../../src/index.ts', import.meta.url).href;
  const model = Buffer.from(between(middles['a sequence, which is no tensor'])).toString('base64');
  const script = `
    const { compile } = await import(${JSON.stringify(folder)});
    const model = await compile(Buffer.from(${JSON.stringify(model)}, 'base64'));
    const feeds = { x: { type: 'uint8', data: new Uint8Array(18), dims: [1, 2, 3, 3] }, flag: { type: 'bool', data: Uint8Array.of(1), dims: [] } };
    const { y } = await model.run(feeds);
    model.run(feeds).then(() => console.log('ended', y.dims.join()));`;
  const run = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(run).toMatchObject({ status: 0, signal: null, stdout: 'ended 1,2,3,3\n' });
});

describe('floats of 16 bits that ONNX Runtime has no kernels for', () => {
  const numbers = [1.5, -2, 0.1, 3, -0, Infinity, 7, 1e-3];
  it('bfloat16 goes in and out of carried operators', async () => {
    const bytes = writeModel({
      inputs: [
        { name: 'x', type: 'bfloat16', dims: ['N', 2] },
        { name: 'lengths', type: 'int64', dims: [2] },
        { name: 'kept', type: 'bool', dims: ['N'] },
      ],
      outputs: [
        { name: 'reversed', type: 'bfloat16' },
        { name: 'y', type: 'bfloat16' },
      ],
      nodes: [
        { op: 'ReverseSequence', inputs: ['x', 'lengths'], outputs: ['reversed'] },
        { op: 'Compress', inputs: ['reversed', 'kept'], outputs: ['y'], attrs: { axis: 0 } },
      ],
      opsets: { '': 28 },
    });
    const model = await compile(bytes);
    const data = Uint16Array.from(numbers, numberToBfloat16);
    const feeds = {
      x: { type: 'bfloat16', data, dims: [4, 2] },
      lengths: { type: 'int64', data: BigInt64Array.of(4n, 2n), dims: [2] },
      kept: { type: 'bool', data: Uint8Array.of(1, 0, 1, 0), dims: [4] },
    };
    for (const { reversed, y } of [await model.run(feeds), model.runSync(feeds), await model.run(feeds)]) {
      const at = [6, 3, 4, 1, 2, 5, 0, 7].map((i) => data[i]);
      expect([reversed.type, ...reversed.data]).toEqual(['bfloat16', ...at]);
      expect([y.dims, ...y.data]).toEqual([[2, 2], at[0], at[1], at[4], at[5]]);
    }
    model.dispose();
  });

  it('an operator of float16 without a kernel computes in binary32', async () => {
    const bytes = writeModel({
      inputs: ['start', 'limit', 'delta'].map((name) => ({ name, type: 'float16', dims: [] })),
      outputs: [{ name: 'y', type: 'float16' }],
      nodes: [{ op: 'Range', inputs: ['start', 'limit', 'delta'], outputs: ['y'] }],
      opsets: { '': 28 },
    });
    const model = await compile(bytes);
    const of = (value: number) => ({ type: 'float16', data: Uint16Array.of(numberToHalf(value)), dims: [] });
    const { y } = await model.run({ start: of(-1), limit: of(1), delta: of(0.1) });
    const step = halfToNumber(numberToHalf(0.1));
    const count = Math.ceil(2 / step);
    expect([...y.data]).toEqual(Array.from({ length: count }, (_, i) => numberToHalf(Math.fround(-1 + i * step))));
    model.dispose();
  });
});

it('an operator that ONNX Runtime has kernels for in an older operator set alone', async () => {
  const modelOf = (opset: number) =>
    writeModel({
      inputs: [
        { name: 'x', type: 'float32', dims: ['N', 2, 5, 5] },
        { name: 'rois', type: 'float32', dims: ['R', 4] },
        { name: 'batch', type: 'int64', dims: ['R'] },
      ],
      outputs: [{ name: 'y', type: 'float32' }],
      nodes: [
        {
          op: 'RoiAlign',
          inputs: ['x', 'rois', 'batch'],
          outputs: ['y'],
          attrs: { output_height: 2, output_width: 3 },
        },
      ],
      opsets: { '': opset },
    });
  const data = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
  const rois = Float32Array.of(0, 0, 3, 4, 1, 0.5, 4, 2);
  const session = await ort.InferenceSession.create(modelOf(16), { logSeverityLevel: 4 });
  const right = await session.run({
    x: new ort.Tensor('float32', data, [1, 2, 5, 5]),
    rois: new ort.Tensor('float32', rois, [2, 4]),
    batch: new ort.Tensor('int64', [0n, 0n], [2]),
  });
  await session.release();
  for (const opset of [21, 22, 26]) {
    const model = await compile(modelOf(opset));
    const { y } = await model.run({
      x: { type: 'float32', data, dims: [1, 2, 5, 5] },
      rois: { type: 'float32', data: rois, dims: [2, 4] },
      batch: { type: 'int64', data: new BigInt64Array(2), dims: [2] },
    });
    expectEqual(y, right.y);
    model.dispose();
  }
});
