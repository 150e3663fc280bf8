/** Nodes of which only an attribute reads a size that a run finds out: they wait for it, wherever they stand. */
import ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { compile, importModel, UnskewError } from '../../src/index.ts';
import { evaluateNode, interpret, nodesOf, topologicalOrder } from '../../src/ir/index.ts';
import { toFeeds } from '../../src/runtime/feeds.ts';
import { tensor } from '../../src/tensors/index.ts';
import { type ModelNode, writeModel } from '../support/onnx.ts';

const node = (op: string, inputs: string[], outputs: string[], attrs: ModelNode['attrs'] = {}): ModelNode => ({
  op,
  inputs,
  outputs,
  attrs,
});

/** Nodes that make of x: [1,8] and the number of its positive elements, n: s64[1], a list `v`: f32[?]. */
const counted = [
  node('Greater', ['x', 'zero'], ['positive']),
  node('Cast', ['positive'], ['ones'], { to: 1 }),
  node('ReduceSum', ['ones'], ['total'], { keepdims: 0 }),
  node('Cast', ['total'], ['less'], { to: 7 }),
  node('Reshape', ['less', 'one'], ['n']),
  node('Squeeze', ['n'], ['scalar']),
  node('Reshape', ['x', 'minus'], ['list']),
];
const sources: Readonly<Record<string, readonly ModelNode[]>> = {
  NonZero: [
    node('NonZero', ['positive'], ['at']),
    node('Transpose', ['at'], ['where'], { perm: [1, 0] }),
    node('GatherND', ['x', 'where'], ['v']),
  ],
  NonMaxSuppression: [
    node('Reshape', ['x', 'boxes.shape'], ['boxes']),
    node('ReduceSum', ['boxes', 'two'], ['scores'], { keepdims: 0 }),
    node('Unsqueeze', ['scores', 'zeros'], ['scores.1']),
    node('NonMaxSuppression', ['boxes', 'scores.1', 'most', 'high', 'low'], ['chosen']),
    node('Cast', ['chosen'], ['chosen.f'], { to: 1 }),
    node('ReduceSum', ['chosen.f', 'one'], ['v'], { keepdims: 0 }),
  ],
  Range: [node('Range', ['start', 'scalar', 'step'], ['range']), node('Cast', ['range'], ['v'], { to: 1 })],
  Compress: [node('Squeeze', ['positive'], ['flags']), node('Compress', ['list', 'flags'], ['v'], { axis: 0 })],
  Unique: [node('Ceil', ['list'], ['whole']), node('Unique', ['whole'], ['v'])],
  Slice: [node('Slice', ['list', 'zeros', 'n'], ['v'])],
  Expand: [node('Slice', ['list', 'zeros', 'one'], ['first']), node('Expand', ['first', 'n'], ['v'])],
  Tile: [node('Tile', ['list', 'n'], ['v'])],
  ConstantOfShape: [node('ConstantOfShape', ['n'], ['v'])],
  If: [
    node('Greater', ['total', 'two.f'], ['many']),
    node('If', ['many'], ['v'], {
      then_branch: { g: { inputs: [], outputs: [{ name: 'v.then' }], nodes: [node('Neg', ['list'], ['v.then'])] } },
      else_branch: {
        g: {
          inputs: [],
          outputs: [{ name: 'v.else' }],
          nodes: [node('Concat', ['list', 'list'], ['v.else'], { axis: 0 })],
        },
      },
    }),
  ],
  Loop: [
    node('Loop', ['scalar', '', 'zero'], ['last', 'v'], {
      body: {
        g: {
          inputs: [
            { name: 'i', type: 'int64', dims: [] },
            { name: 'go', type: 'bool', dims: [] },
            { name: 'state', type: 'float32', dims: [] },
          ],
          outputs: [{ name: 'on' }, { name: 'next' }, { name: 'part' }],
          nodes: [
            node('Identity', ['go'], ['on']),
            node('Add', ['state', 'two.f'], ['next']),
            node('Mul', ['state', 'two.f'], ['part']),
          ],
        },
      },
    }),
  ],
};
/** Readers of the size of v, as `size`: s64[1], alone: of constants they make `made`: f32[?,?]. */
const readers: Readonly<Record<string, readonly ModelNode[]>> = {
  Range: [
    node('Squeeze', ['size'], ['limit']),
    node('Cast', ['limit'], ['limit.f'], { to: 1 }),
    node('Range', ['start.f', 'limit.f', 'step.f'], ['row']),
    node('Unsqueeze', ['row', 'zeros'], ['made']),
  ],
  Expand: [node('Concat', ['two', 'size'], ['shape'], { axis: 0 }), node('Expand', ['three', 'shape'], ['made'])],
  Tile: [node('Concat', ['two', 'size'], ['shape'], { axis: 0 }), node('Tile', ['three', 'shape'], ['made'])],
  ConstantOfShape: [
    node('Concat', ['size', 'two'], ['shape'], { axis: 0 }),
    node('ConstantOfShape', ['shape'], ['made'], { value: { t: tensor('f32', [3], [1]) } }),
  ],
  Slice: [node('Slice', ['table', 'zeros', 'size', 'one'], ['made'])],
};

/** The names of outputs that are numbers stand first among the properties of an object. */
const modelOf = (source: string, reader: string, isFirst: boolean) => {
  const made = isFirst ? '7' : 'y';
  return writeModel({
    inputs: [{ name: 'x', type: 'float32', dims: [1, 8] }],
    outputs: [{ name: made }, { name: 'v' }],
    initializers: [
      { name: 'zero', tensor: tensor('f32', [0], []) },
      { name: 'one', tensor: tensor('s64', [1n], [1]) },
      { name: 'two', tensor: tensor('s64', [2n], [1]) },
      { name: 'two.f', tensor: tensor('f32', [2], []) },
      { name: 'minus', tensor: tensor('s64', [-1n], [1]) },
      { name: 'zeros', tensor: tensor('s64', [0n], [1]) },
      { name: 'boxes.shape', tensor: tensor('s64', [1n, 2n, 4n], [3]) },
      { name: 'most', tensor: tensor('s64', [9n], [1]) },
      { name: 'high', tensor: tensor('f32', [0.9], [1]) },
      { name: 'low', tensor: tensor('f32', [-1000], [1]) },
      { name: 'start', tensor: tensor('s64', [0n], []) },
      { name: 'step', tensor: tensor('s64', [1n], []) },
      { name: 'start.f', tensor: tensor('f32', [0], []) },
      { name: 'step.f', tensor: tensor('f32', [1], []) },
      { name: 'three', tensor: tensor('f32', [3], [1, 1]) },
      {
        name: 'table',
        tensor: tensor(
          'f32',
          Array.from({ length: 34 }, (_, i) => i),
          [2, 17],
        ),
      },
    ],
    nodes: [
      ...counted,
      ...(sources[source] as ModelNode[]),
      node('Shape', ['v'], ['size']),
      ...(readers[reader] as ModelNode[]),
      node('Exp', ['made'], ['grown']),
      node('Mul', ['grown', 'step.f'], [made]),
    ],
    opsets: { '': 17 },
  });
};

const feedsOf = (positive: number) => ({
  x: {
    type: 'float32',
    data: Float32Array.from({ length: 8 }, (_, i) => (i < positive ? 1 + i / 7 : -1 - i)),
    dims: [1, 8],
  },
});

const native = ['NonZero', 'NonMaxSuppression', 'If', 'Loop'];

describe.each(Object.keys(sources))('sizes by %s', (source) => {
  it.each(Object.keys(readers))('read by %s', async (reader) => {
    for (const isFirst of [false, true]) {
      const bytes = modelOf(source, reader, isFirst);
      const session = await ort.InferenceSession.create(bytes);
      const orders: readonly (readonly ('onednn' | 'onnxruntime' | 'reference')[])[] = native.includes(source)
        ? [['onednn'], ['onednn', 'onnxruntime'], ['reference']]
        : [['onednn', 'onnxruntime']];
      for (const backends of orders) {
        const model = await compile(bytes, { backends, threads: 1 });
        for (const positive of [3, 3, 1, 5, 8]) {
          const feeds = feedsOf(positive);
          const right = await session.run({ x: new ort.Tensor('float32', feeds.x.data, [1, 8]) });
          const results = model.runSync(feeds);
          for (const [name, { dims, data }] of Object.entries(right)) {
            expect(results[name].dims).toEqual(dims);
            const [ours, theirs] = [results[name].data, data].map((list) => Array.from(list as Float32Array));
            for (const [i, value] of theirs.entries())
              expect(ours[i]).toBeCloseTo(value, 3 - Math.log10(1 + Math.abs(value)));
          }
        }
        model.dispose();
      }
      if (native.includes(source)) {
        const graph = await importModel(bytes);
        expect(interpret(graph, toFeeds(feedsOf(4)))).toBeDefined();
        expect(topologicalOrder(graph).order).toHaveLength(nodesOf(graph).length);
      }
    }
  });
});

it('a size that nothing tells is refused by name and place', () => {
  const node = { op: 'nn.range', attrs: { count: ['N'] }, loc: { node: 'Range_7' } } as const;
  const one = tensor('f32', [1], []);
  let said: unknown;
  try {
    evaluateNode(node, [one, one]);
  } catch (error) {
    said = error;
  }
  expect(said).toBeInstanceOf(UnskewError);
  const [{ code, message, location, hint }] = (said as UnskewError).diagnostics;
  expect(code).toBe('U2005');
  expect(message).toContain('nn.range makes a result of a size that nothing tells before it: N');
  expect(location.node).toBe('Range_7');
  expect(hint).toContain('--shape NAME=SIZES');
});

it.each([1, 2])('a convolution over such a size, and %s axes', async (axes) => {
  const ones = Array<number>(axes - 1).fill(1);
  const bytes = writeModel({
    inputs: [{ name: 'x', type: 'float32', dims: [1, 8] }],
    outputs: [{ name: 'y' }],
    initializers: [
      { name: 'zero', tensor: tensor('f32', [0], []) },
      { name: 'w', tensor: tensor('f32', [1, 2, 3], [1, 1, ...ones, 3]) },
      { name: 'line', tensor: tensor('s64', [1n, 1n, ...ones.map(BigInt), -1n], [axes + 2]) },
    ],
    nodes: [
      node('Greater', ['x', 'zero'], ['positive']),
      node('NonZero', ['positive'], ['at']),
      node('Transpose', ['at'], ['where'], { perm: [1, 0] }),
      node('GatherND', ['x', 'where'], ['v']),
      node('Reshape', ['v', 'line'], ['row']),
      node('Conv', ['row', 'w'], ['y'], {
        pads: Array.from({ length: 2 * axes }, (_, i) => (i % axes === axes - 1 ? 1 : 0)),
      }),
    ],
    opsets: { '': 17 },
  });
  for (const backends of [['onednn'], ['onednn', 'onnxruntime']] as const) {
    const model = await compile(bytes, { backends, threads: 1 });
    const { y } = model.runSync({
      x: { type: 'float32', data: Float32Array.of(1, 2, 4, -1, -1, -1, -1, -1), dims: [1, 8] },
    });
    expect([...y.data]).toEqual([8, 17, 10]);
    // primitives over several axes would be made for each size
    expect(model.fallbacks.some(({ op }) => op === 'nn.conv')).toBe(axes > 1 && backends.length > 1);
    model.dispose();
  }
});
