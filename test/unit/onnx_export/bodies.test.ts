/**
 * Bodies of control flow: their rewritten nodes, the nodes that stay byte for byte, and the warnings about bodies that cannot
 * be read.
 */
import { describe, expect, it } from 'vitest';
import { accountOf } from '../../../src/cli/layer_account.ts';
import { legalize } from '../../../src/codegen/legalize.ts';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { type OnnxGraph, openOnnx } from '../../../src/formats/onnx/index.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { bodiesOf } from '../../../src/importers/onnx/node_checks.ts';
import { type Feeds, tensor } from '../../../src/ir/index.ts';
import type { StrategyName } from '../../../src/passes/strategy_names.ts';
import { zeroPointsLeft } from '../../faults/zero_points.ts';
import {
  type ModelGraph,
  type ModelInitializer,
  type ModelNode,
  type ModelTensor,
  writeModel,
} from '../../support/onnx.ts';
import { productConstants, productLayers } from '../../support/product_layers.ts';
import { optimizations, runOnnx } from './support.ts';

const shape = [1, 1, 4, 4];
const x: ModelTensor = { name: 'x', type: 'float32', dims: shape };
const condition: ModelTensor = { name: 'condition', type: 'bool', dims: [] };
const feeds: Feeds = {
  x: tensor(
    'f32',
    Array.from({ length: 16 }, (_, i) => ((i * 37) % 101) / 11 - 4.3),
    shape,
  ),
  condition: tensor('bool', [1], []),
};

/** The layer from `from` to `${prefix}y`; constants keep their names. */
function layer(kind: string, prefix: string, from: string): ModelNode[] {
  const constants = new Set(productConstants(0).map(({ name }) => name));
  const rename = (name: string) => (name === 'v' ? from : name === '' || constants.has(name) ? name : prefix + name);
  return productLayers[kind].map((node) => ({
    ...node,
    name: node.name ?? '',
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }));
}

const branch = (nodes: readonly ModelNode[], result: string, more: Partial<ModelGraph> = {}): ModelGraph => ({
  nodes,
  inputs: [],
  outputs: [{ name: result, type: 'float32' }],
  ...more,
});
const passing = (name: string): ModelGraph => branch([{ op: 'Identity', inputs: ['x'], outputs: [name] }], name);
const ifNode = (then: ModelGraph, result = 'y'): ModelNode => ({
  op: 'If',
  inputs: ['condition'],
  outputs: [result],
  name: 'branches',
  attrs: { then_branch: { g: then }, else_branch: { g: passing(`${result}_else`) } },
});
const model = (nodes: readonly ModelNode[], outputs = ['y'], zero = 114): Uint8Array =>
  writeModel({
    nodes,
    inputs: [x, condition],
    outputs: outputs.map((name) => ({ name, type: 'float32' })),
    initializers: productConstants(zero),
    opsets: { '': 17, nobody: 1 },
  });

function rewritten(bytes: Uint8Array) {
  const source = importOnnx(bytes);
  const legal = legalize(source);
  return { written: exportOnnx(legal.graph), account: accountOf(source, legal), legal };
}

async function expectSame(bytes: Uint8Array, written: Uint8Array): Promise<void> {
  for (const level of optimizations)
    expect(await runOnnx(written, feeds, level)).toEqual(await runOnnx(bytes, feeds, level));
}

const sliceOf = (bytes: Uint8Array, { range }: { readonly range: { at: number; end: number } }) =>
  Buffer.from(bytes.subarray(range.at, range.end)).toString('hex');

/** Names that a body defines and a graph around it too. */
function shadowed({ nodes, inputs, initializers }: OnnxGraph, outer: ReadonlySet<string> = new Set()): string[] {
  const own = [...inputs.map(({ name }) => name), ...initializers.keys(), ...nodes.flatMap(({ outputs }) => outputs)];
  const seen = new Set([...outer, ...own]);
  return [
    ...own.filter((name) => outer.has(name)),
    ...nodes.flatMap((node) => bodiesOf(node).flatMap((body) => shadowed(body, seen))),
  ];
}

describe('a body', () => {
  const kinds = Object.keys(productLayers);

  it.each(kinds)('without zero points comes back byte for byte: %s', (kind) => {
    const bytes = model([ifNode(branch(layer(kind, 'a_', 'x'), 'a_y'))], ['y'], 0);
    if (zeroPointsLeft(bytes).length > 0) return; // zero points that the run computes
    expect(Buffer.from(rewritten(bytes).written).equals(bytes)).toBe(true);
  });

  it('keeps the nodes that no corrected layer has to do with', () => {
    const nodes = [
      { op: 'Det', inputs: ['x'], outputs: ['a_det'], name: 'unknown here' },
      { op: 'Softmax', inputs: ['x'], outputs: ['a_soft'], name: 'float' },
      ...layer('MatMulInteger', 'a_', 'a_soft'),
    ];
    const bytes = model([ifNode(branch(nodes, 'a_y'))]);
    const { written } = rewritten(bytes);
    const kept = (file: Uint8Array) => {
      const [body] = bodiesOf(openOnnx(file).graph.nodes[0]);
      return body.nodes.filter(({ name }) => name.length > 5 || name === 'float').map((node) => sliceOf(file, node));
    };
    expect(kept(written)).toEqual(kept(bytes));
    expect(kept(written)).toHaveLength(2);
    expect(zeroPointsLeft(written)).toEqual([]);
  });

  it.each(kinds)('shares values with a layer outside: %s', async (kind) => {
    const outside = layer(kind, 'o_', 'x');
    const at = outside.findIndex(({ name }) => name === 'layer');
    const shared = new Set(outside.slice(0, at).flatMap(({ outputs }) => outputs));
    const inside = layer(kind, 'o_', 'x')
      .slice(at)
      .map((node) => ({
        ...node,
        inputs: node.inputs.map((name) => (shared.has(name) ? name : name.replace(/^o_/, 'a_'))),
        outputs: node.outputs.map((name) => name.replace(/^o_/, 'a_')),
      }));
    const bytes = model([...outside, ifNode(branch(inside, 'a_y'))], ['y', 'o_y']);
    const { written, account, legal } = rewritten(bytes);
    expect(account).toMatchObject({ total: 2, read: 2, reached: true });
    expect(legal.certificate.verdict).toBe('bit-exact');
    const { entries, grouping } = legal.certificate;
    expect([...entries, ...grouping].some(({ bodyOf }) => bodyOf?.join() === 'branches')).toBe(true);
    expect(zeroPointsLeft(written)).toEqual([]);
    expect(shadowed(openOnnx(written).graph)).toEqual([]);
    if (kind !== 'MatMul with a float result' && !kind.startsWith('Gemm')) await expectSame(bytes, written);
  });

  it('gets new names that no graph around it has, and loses weights that nobody reads', async () => {
    const inside = layer('MatMulInteger of u8 weights', 'a_', 'x');
    const first = rewritten(model([ifNode(branch(inside, 'a_y'))])).written;
    const [body] = bodiesOf(openOnnx(first).graph.nodes[0]);
    const added = [...body.initializers.keys(), ...body.nodes.flatMap(({ outputs }) => outputs)].filter(
      (name) => !inside.some(({ outputs }) => outputs.includes(name)),
    );
    expect(added.length).toBeGreaterThan(0);
    expect([...openOnnx(first).graph.initializers.keys()]).not.toContain('um');
    const takers = added.map((name) => ({ op: 'Identity', inputs: ['x'], outputs: [name] }));
    const bytes = model([...takers, ifNode(branch(inside, 'a_y'))], ['y', ...added]);
    const { written } = rewritten(bytes);
    expect(shadowed(openOnnx(written).graph)).toEqual([]);
    expect(zeroPointsLeft(written)).toEqual([]);
    await expectSame(bytes, written);
  });

  it('takes a strategy by layer, in a body of a body too', () => {
    const inner = ifNode(branch(layer('QLinearConv', 'a_', 'x'), 'a_y'), 'b_y');
    const outside = layer('MatMulInteger', 'o_', 'x').map((node) => ({ ...node, name: node.name && 'other' }));
    const graph = importOnnx(model([...outside, ifNode(branch([inner], 'b_y'))], ['y', 'o_y']));
    const ways = (strategy: Readonly<Record<string, StrategyName>>) =>
      legalize(graph, { strategy }).strategies.map(({ layer: name, bodyOf, chosen }) => [name, bodyOf, chosen]);
    expect(ways({ layer: 'two-conv' })).toContainEqual(['layer', ['branches', 'branches'], 'two-conv']);
    expect(ways({ layer: 'pad', other: 'fold' })).toEqual([
      ['other', undefined, 'fold'],
      ['layer', ['branches', 'branches'], 'pad'],
    ]);
    expect(() => ways({ nobody: 'pad' })).toThrow(/a layer that the model does not have: 'nobody'/);
  });

  it('keeps a name that it gives to something else than the graph around it', () => {
    const inside = layer('MatMulInteger', '', 'x');
    const nodes = [
      ...layer('MatMulInteger', '', 'x').slice(0, -1),
      { op: 'Mul', inputs: ['f', 'sy'], outputs: ['o_y'] },
    ];
    const shadowing = inside.map((node) => ({
      ...node,
      outputs: node.outputs.map((name) => (name === 'y' ? 'a_y' : name)),
    }));
    const { written } = rewritten(model([...nodes, ifNode(branch(shadowing, 'a_y'))], ['y', 'o_y']));
    expect(zeroPointsLeft(written)).toEqual([]);
  });

  it('may hand on captured values, and values dequantized outside', async () => {
    const outside = layer('MatMul of two activations', 'o_', 'x').slice(0, 2);
    const names = ['y', 'y_d', 'y_q', 'y_s'];
    const results = (prefix: string) =>
      ['y', 'd', 'q', 's'].map((name) => ({ name: prefix + name, type: name === 'q' ? 'uint8' : 'float32' }));
    // ONNX Runtime refuses bodies that give a captured value under its own name
    const copies = (prefix: string) =>
      ['o_d', 'o_q', 'sx'].map((name, i) => ({
        op: 'Identity',
        inputs: [name],
        outputs: [`${prefix}${['d', 'q', 's'][i]}`],
      }));
    const body: ModelGraph = {
      nodes: [{ op: 'MatMul', inputs: ['o_d', 'o_d'], outputs: ['a_y'], name: 'layer' }, ...copies('a_')],
      inputs: [],
      outputs: results('a_'),
    };
    const other: ModelGraph = {
      nodes: [{ op: 'MatMul', inputs: ['x', 'x'], outputs: ['e_y'] }, ...copies('e_')],
      inputs: [],
      outputs: results('e_'),
    };
    const bytes = writeModel({
      nodes: [
        ...outside,
        {
          op: 'If',
          inputs: ['condition'],
          outputs: names,
          attrs: { then_branch: { g: body }, else_branch: { g: other } },
        },
      ],
      inputs: [x, condition],
      outputs: names.map((name, i) => ({ name, type: i === 2 ? 'uint8' : 'float32' })),
      initializers: productConstants(114),
    });
    const { written } = rewritten(bytes);
    expect(zeroPointsLeft(written)).toEqual([]);
    const [before, after] = [await runOnnx(bytes, feeds), await runOnnx(written, feeds)];
    for (const name of ['y_d', 'y_q', 'y_s']) expect(after[name]).toEqual(before[name]);
    Array.from(before.y.data as Float32Array, (v, i) => expect(Number(after.y.data[i])).toBeCloseTo(v, 4));
  });
});

describe('a product of values dequantized and moved outside is corrected in the body', () => {
  const integers = (name: string, values: readonly number[]) => ({
    name,
    tensor: tensor('s64', values.map(BigInt) as never),
  });
  const constants = [
    integers('starts', [0, 0, 0, 1]),
    integers('ends', [1, 1, 4, 4]),
    integers('order', [0, 1, 3]),
    integers('twice', [1, 2, 1, 1]),
    integers('edges', [0, 0, 1, 0, 0, 0, 1, 0]),
    integers('wide', [1, 2, 4, 4]),
    integers('halves', [3, 1]),
  ];
  const movements: Readonly<Record<string, readonly ModelNode[]>> = {
    Slice: [{ op: 'Slice', inputs: ['o_d', 'starts', 'ends'], outputs: ['m'] }],
    Transpose: [{ op: 'Transpose', inputs: ['o_d'], outputs: ['m'], attrs: { perm: [0, 1, 3, 2] } }],
    Split: [{ op: 'Split', inputs: ['o_d', 'halves'], outputs: ['m', 'rest'], attrs: { axis: 2 } }],
    Concat: [{ op: 'Concat', inputs: ['o_d', 'o_d'], outputs: ['m'], attrs: { axis: 2 } }],
    Gather: [{ op: 'Gather', inputs: ['o_d', 'order'], outputs: ['m'], attrs: { axis: 2 } }],
    Tile: [{ op: 'Tile', inputs: ['o_d', 'twice'], outputs: ['m'] }],
    Expand: [{ op: 'Expand', inputs: ['o_d', 'wide'], outputs: ['m'] }],
    Pad: [{ op: 'Pad', inputs: ['o_d', 'edges'], outputs: ['m'] }],
    MaxPool: [{ op: 'MaxPool', inputs: ['o_d'], outputs: ['m'], attrs: { kernel_shape: [2, 2] } }],
    SpaceToDepth: [{ op: 'SpaceToDepth', inputs: ['o_d'], outputs: ['m'], attrs: { blocksize: 2 } }],
    Dropout: [{ op: 'Dropout', inputs: ['o_d'], outputs: ['m'] }],
    Identity: [{ op: 'Identity', inputs: ['o_d'], outputs: ['m'] }],
    'Transpose and MaxPool': [
      { op: 'Transpose', inputs: ['o_d'], outputs: ['t'], attrs: { perm: [0, 1, 3, 2] } },
      { op: 'MaxPool', inputs: ['t'], outputs: ['m'], attrs: { kernel_shape: [2, 2] } },
    ],
  };
  const ends = ['float', 'quantized'] as const;
  it.each(Object.keys(movements).flatMap((name) => ends.map((end) => [name, end] as const)))(
    '%s, %s result',
    async (name, end) => {
      const outside = layer('MatMul of two activations', 'o_', 'x').slice(0, 2);
      const product: ModelNode = { op: 'MatMul', inputs: ['turned', 'm'], outputs: ['product'], name: 'layer' };
      const inside: ModelNode[] = [
        { op: 'Transpose', inputs: ['m'], outputs: ['turned'], attrs: { perm: [0, 1, 3, 2] } },
        product,
        ...(end === 'float'
          ? [{ op: 'Identity', inputs: ['product'], outputs: ['a_y'] }]
          : [
              { op: 'QuantizeLinear', inputs: ['product', 'sy', 'zy'], outputs: ['r'] },
              { op: 'DequantizeLinear', inputs: ['r', 'sy', 'zy'], outputs: ['a_y'] },
            ]),
      ];
      const bytes = writeModel({
        nodes: [...outside, ...movements[name], ifNode(branch(inside, 'a_y'))],
        inputs: [x, condition],
        outputs: [{ name: 'y', type: 'float32' }],
        initializers: [...productConstants(114), ...constants],
      });
      const { written, account } = rewritten(bytes);
      const left = zeroPointsLeft(written);
      expect(account).toMatchObject({ total: 1, read: 1, reached: left.length === 0 });
      expect(left).toEqual([]);
      const [before, after] = [(await runOnnx(bytes, feeds)).y, (await runOnnx(written, feeds)).y];
      expect(after.shape).toEqual(before.shape);
      if (end === 'quantized') expect(after.data).toEqual(before.data);
      else Array.from(before.data as Float32Array, (v, i) => expect(Number(after.data[i])).toBeCloseTo(v, 4));
    },
  );
});

it('a body whose result has another size than it declares is corrected', async () => {
  const outputs = [{ name: 'a_y', type: 'float32', dims: [1, 1, 4, 5] }];
  const bytes = model([ifNode({ ...branch(layer('MatMulInteger', 'a_', 'x'), 'a_y'), outputs })]);
  const { written, account } = rewritten(bytes);
  expect(account).toMatchObject({ total: 1, read: 1, reached: true });
  expect((await runOnnx(written, feeds)).y).toEqual((await runOnnx(bytes, feeds)).y);
});

describe('a body that cannot be read stays, and its layers are named', () => {
  const loopOf = (state: ModelTensor, first = 'x', ...initializers: ModelInitializer[]): ModelNode => ({
    op: 'Loop',
    inputs: ['', 'condition', first],
    outputs: ['y'],
    name: 'branches',
    attrs: {
      body: {
        g: {
          nodes: [...layer('MatMulInteger', 'a_', 'state'), { op: 'Not', inputs: ['go'], outputs: ['stop'] }],
          inputs: [{ name: 'turn', type: 'int64', dims: [] }, { name: 'go', type: 'bool', dims: [] }, state],
          outputs: [
            { name: 'stop', type: 'bool', dims: [] },
            { name: 'a_y', type: 'float32' },
          ],
          initializers,
        },
      },
    },
  });
  const cases: Record<string, { readonly nodes: readonly ModelNode[]; readonly reason: RegExp }> = {
    'it reads a value that nobody knows the type of': {
      nodes: [
        { op: 'Unknown', inputs: ['x'], outputs: ['u'], domain: 'nobody' },
        ifNode(branch(layer('MatMulInteger', 'a_', 'u'), 'a_y')),
      ],
      reason: /an operand has a type that is not understood/,
    },
    'nobody knows a rank for what a loop carries': {
      nodes: [
        { op: 'Unknown', inputs: ['x'], outputs: ['u'], domain: 'nobody' },
        loopOf({ name: 'state', type: 'float32' }, 'u'),
      ],
      reason: /an operand has a type that is not understood/,
    },
    'one of its inputs has a value': {
      nodes: [loopOf({ name: 'state', type: 'float32', dims: shape }, 'x', { name: 'state', tensor: feeds.x })],
      reason: /the input 'state' of the body has a value of its own/,
    },
  };
  it('and one that declares no rank has that of the first value', async () => {
    const bytes = model([loopOf({ name: 'state', type: 'float32' })]);
    const { written, account } = rewritten(bytes);
    expect(account).toMatchObject({ total: 1, read: 1, reached: true });
    expect((await runOnnx(written, feeds)).y).toEqual((await runOnnx(bytes, feeds)).y);
  });
  it.each(Object.entries(cases))('%s', (_, { nodes, reason }) => {
    const bytes = model(nodes);
    const { written, account } = rewritten(bytes);
    expect(Buffer.from(written).equals(bytes)).toBe(true);
    expect(account).toMatchObject({ total: 1, read: 0, reached: false });
    expect(account.carried).toEqual([
      expect.objectContaining({ layer: 'layer', within: ['branches'], reason: expect.stringMatching(reason) }),
    ]);
  });
});
