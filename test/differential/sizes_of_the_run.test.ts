/** Nodes behind sizes that a run finds out: planned natively when the sizes are there, with the bits of the interpreter. */
import { describe, expect, it } from 'vitest';
import { compile, importModel, type Tensor } from '../../src/index.ts';
import { interpret } from '../../src/ir/index.ts';
import { toFeeds } from '../../src/runtime/feeds.ts';
import { type ITensor, tensor } from '../../src/tensors/index.ts';
import { type ModelNode, writeModel } from '../support/onnx.ts';

const node = (op: string, inputs: string[], outputs: string[], attrs: ModelNode['attrs'] = {}): ModelNode => ({
  op,
  inputs,
  outputs,
  attrs,
});

/** The positive elements of x: [N,4], a quantized product of each, and rows as many as there are. */
const bytes = writeModel({
  inputs: [{ name: 'x', type: 'float32', dims: ['N', 4] }],
  outputs: [{ name: 'y' }, { name: 'rows' }, { name: 'best' }],
  initializers: [
    { name: 'zero', tensor: tensor('f32', [0], []) },
    { name: 'row', tensor: tensor('f32', [1, -2, 3], [1, 3]) },
    { name: 'w', tensor: tensor('s8', [3, -7, 100, 5, -50, 2], [3, 2]) },
    { name: 'sx', tensor: tensor('f32', [0.1], []) },
    { name: 'zx', tensor: tensor('u8', [120], []) },
    { name: 'sw', tensor: tensor('f32', [0.05], []) },
    { name: 'zw', tensor: tensor('s8', [3], []) },
    { name: 'one', tensor: tensor('s64', [1n], [1]) },
    { name: 'ones', tensor: tensor('f32', [1, 2], [1, 2]) },
    { name: 'two', tensor: tensor('s64', [2n], [1]) },
    { name: 'first', tensor: tensor('s64', [0n], []) },
  ],
  nodes: [
    node('Greater', ['x', 'zero'], ['positive']),
    node('NonZero', ['positive'], ['at']),
    node('Transpose', ['at'], ['where'], { perm: [1, 0] }),
    node('GatherND', ['x', 'where'], ['v']),
    node('Unsqueeze', ['v', 'one'], ['column']),
    node('Mul', ['column', 'row'], ['spread']),
    node('QuantizeLinear', ['spread', 'sx', 'zx'], ['q']),
    node('QLinearMatMul', ['q', 'sx', 'zx', 'w', 'sw', 'zw', 'sx', 'zx'], ['product']),
    node('DequantizeLinear', ['product', 'sx', 'zx'], ['y']),
    node('Shape', ['v'], ['count']),
    node('Concat', ['count', 'two'], ['shape'], { axis: 0 }),
    node('Expand', ['ones', 'shape'], ['rows']),
    node('ReduceMax', ['y'], ['best'], { axes: [0], keepdims: 1 }),
  ],
  opsets: { '': 17 },
});

const feedsOf = (n: number, positive: number) => ({
  x: {
    type: 'float32',
    data: Float32Array.from({ length: n * 4 }, (_, i) => (i < positive ? 1 + i / 7 : -1 - i)),
    dims: [n, 4],
  },
});
const plain = ({ dims, data }: Tensor) => ({ dims: [...dims], data: [...data] });
const listed = ({ shape, data }: ITensor) => ({ dims: [...shape], data: [...data] });

describe.each([[['onednn']], [['onednn', 'onnxruntime']]] as const)('by %s', (backends) => {
  it.each([1, 2])('on %s threads', async (threads) => {
    const graph = await importModel(bytes);
    const model = await compile(bytes, { backends, threads });
    const sizes = [
      [2, 3],
      [2, 3],
      [2, 8],
      [3, 1],
      [3, 12],
      [4, 7],
      [5, 5],
      [6, 20],
      [6, 21],
      [3, 0],
      [2, 3],
      [40, 100],
    ] as const;
    for (const [n, positive] of sizes) {
      const feeds = feedsOf(n, positive);
      const right = interpret(graph, toFeeds(feeds));
      for (const results of [await model.run(feeds), model.runSync(feeds)])
        for (const name of ['y', 'rows', 'best']) expect(plain(results[name])).toEqual(listed(right[name]));
      expect(model.fallbacks).toEqual([]);
    }
    const all = sizes.map(([n, positive]) => model.run(feedsOf(n, positive)));
    for (const [i, { rows }] of (await Promise.all(all)).entries()) expect(rows.dims).toEqual([sizes[i][1], 2]);
    expect(model.profile(feedsOf(2, 3)).length).toBeGreaterThan(5);
    model.dispose();
  });
});

it('a size is told by a node whose values nobody reads', async () => {
  const counted = writeModel({
    inputs: [{ name: 'x', type: 'float32', dims: ['N'] }],
    outputs: [{ name: 'zeros' }, { name: 'distinct' }],
    initializers: [{ name: 'two', tensor: tensor('f32', [2], []) }],
    nodes: [
      node('NonZero', ['x'], ['at']),
      node('Shape', ['at'], ['shape']),
      node('Expand', ['two', 'shape'], ['zeros']),
      node('Unique', ['x'], ['u']),
      node('Shape', ['u'], ['size']),
      node('Expand', ['two', 'size'], ['distinct']),
    ],
    opsets: { '': 17 },
  });
  const model = await compile(counted);
  for (const values of [[0, 3, 0, 5, 3], [0, 0], [1]]) {
    const { zeros, distinct } = await model.run({
      x: { type: 'float32', data: Float32Array.from(values), dims: [values.length] },
    });
    expect(plain(zeros)).toEqual({
      dims: [1, values.filter((v) => v !== 0).length],
      data: values.filter((v) => v !== 0).map(() => 2),
    });
    expect(plain(distinct)).toEqual({ dims: [new Set(values).size], data: [...new Set(values)].map(() => 2) });
  }
  model.dispose();
});
