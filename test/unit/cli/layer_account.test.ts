/** The zero points that a rewrite reports as left, compared with the zero points in the written file. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { sizeOf, tensor } from '../../../src/ir/index.ts';
import { zeroPointsLeft } from '../../faults/zero_points.ts';
import { type ModelGraph, type ModelInitializer, type ModelNode, writeModel } from '../../support/onnx.ts';
import { dequantized, productConstants, productLayers, weights } from '../../support/product_layers.ts';
import { json, unskew, workFolder } from './support.ts';

const files = workFolder();
afterAll(files.dispose);

/** The place of the layer. Only ONNX Runtime knows the operator Det; nobody knows Unknown. */
const places: Readonly<Record<string, (nodes: readonly ModelNode[]) => readonly ModelNode[]>> = {
  'in the graph': (nodes) => [{ op: 'Identity', inputs: ['x'], outputs: ['v'] }, ...nodes],
  'behind an operator that is not known': (nodes) => [
    { op: 'Unknown', inputs: ['x'], outputs: ['v'], domain: 'nobody' },
    ...nodes,
  ],
  'in the body of an If': (nodes) => [inIf(nodes)],
  'in the body of an If in the body of an If': (nodes) => [inIf([inIf(nodes, 'x2', 'b')])],
};

function inIf(nodes: readonly ModelNode[], source = 'x', prefix = 'a'): ModelNode {
  const result = `${prefix}y`;
  const named = nodes.map((node) => ({
    ...node,
    outputs: node.outputs.map((o) => (o === 'y' || o === 'by' ? result : o)),
  }));
  const body: ModelGraph = {
    nodes: [{ op: 'Identity', inputs: [source], outputs: [prefix === 'b' ? 'v' : 'x2'] }, ...named],
    inputs: [],
    outputs: [{ name: result, type: 'float32' }],
  };
  const own = nodes.some(({ inputs }) => inputs.includes('v'))
    ? { ...body, nodes: [{ op: 'Identity', inputs: [source], outputs: ['v'] }, ...named] }
    : body;
  const other: ModelGraph = {
    nodes: [{ op: 'Identity', inputs: ['x'], outputs: [`${result}_else`] }],
    inputs: [],
    outputs: [{ name: `${result}_else`, type: 'float32' }],
  };
  return {
    op: 'If',
    inputs: ['condition'],
    outputs: [prefix === 'b' ? 'by' : 'y'],
    attrs: { then_branch: { g: own }, else_branch: { g: other } },
    name: `if_${prefix}`,
  };
}

const model = (nodes: readonly ModelNode[], zero: number): Uint8Array =>
  writeModel({
    nodes,
    inputs: [
      { name: 'x', type: 'float32', dims: [1, 1, 4, 4] },
      { name: 'condition', type: 'bool', dims: [] },
    ],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: productConstants(zero),
    opsets: { '': 17, nobody: 1, 'com.microsoft': 1 },
  });

describe('a rewrite says which zero points are left', () => {
  for (const [layer, nodes] of Object.entries(productLayers))
    for (const [place, around] of Object.entries(places))
      for (const zero of [0, 114])
        test(`${layer} ${place}, zero point ${zero}`, async () => {
          const input = files.write('model.onnx', model(around(nodes), zero));
          const output = files.path('out.onnx');
          const { code, result } = await json(['rewrite', input, '-o', output]);
          const left = zeroPointsLeft(readFileSync(output));
          expect(code).toBe(left.length === 0 ? 0 : 3);
          if (place !== 'behind an operator that is not known') expect(left).toEqual([]);
          expect(result.account).toMatchObject({ total: 1, reached: left.length === 0 });
          const named = [...result.account.left, ...result.account.carried].map(
            (entry: { layer: string }) => entry.layer,
          );
          if (left.length > 0) expect(named).toContain('layer');
        });
});

test('strategies fails where a zero point is left, for the target symmetric alone', async () => {
  const nodes = places['behind an operator that is not known'](productLayers.ConvInteger);
  const input = files.write('model.onnx', model(nodes, 114));
  expect((await unskew(['strategies', input, '--target', 'symmetric'])).code).toBe(3);
  expect((await unskew(['strategies', input])).code).toBe(0);
});

test.each(['inspect', 'strategies', 'compile', 'rewrite'])('%s counts the layers of the file', async (command) => {
  const input = files.write('model.onnx', model(places['in the graph'](productLayers['Conv between Q and DQ']), 114));
  const output = ['compile', 'rewrite'].includes(command) ? ['-o', files.path('out')] : [];
  const { result } = await json([command, input, ...output]);
  expect(result.account).toMatchObject({ total: 1, read: 1, carried: [], left: [], reached: true });
});

describe('products that nothing here computes are quantized layers too, of which the zero points are left', () => {
  const factors: Readonly<Record<string, ModelNode>> = {
    FusedMatMulActivation: {
      op: 'FusedMatMulActivation',
      inputs: ['m', 'dw'],
      outputs: ['y'],
      domain: 'com.microsoft',
      attrs: { activation: 'Relu' },
    },
    RNN: { op: 'RNN', inputs: ['m', 'dw', 'dw'], outputs: ['y'], attrs: { hidden_size: 4 } },
    MultiHeadAttention: {
      op: 'MultiHeadAttention',
      inputs: ['m', 'm', 'm'],
      outputs: ['y'],
      domain: 'com.microsoft',
      attrs: { num_heads: 2 },
    },
    DeformConv: { op: 'DeformConv', inputs: ['m', 'dw', 'x'], outputs: ['y'] },
    GemmFastGelu: { op: 'GemmFastGelu', inputs: ['m', 'dw'], outputs: ['y'], domain: 'com.microsoft' },
  };
  const movements: Readonly<Record<string, ModelNode>> = {
    Identity: { op: 'Identity', inputs: ['d'], outputs: ['m'] },
    Split: { op: 'Split', inputs: ['d'], outputs: ['m', 'm2'], attrs: { axis: 2 } },
    MaxPool: { op: 'MaxPool', inputs: ['d'], outputs: ['m'], attrs: { kernel_shape: [1, 1] } },
    SpaceToDepth: { op: 'SpaceToDepth', inputs: ['d'], outputs: ['m'], attrs: { blocksize: 1 } },
  };
  for (const [product, node] of Object.entries(factors))
    for (const [moved, movement] of Object.entries(movements))
      test.each([0, 114])(`${product} of a tensor that ${moved} moves, zero point %i`, async (zero) => {
        const nodes = [...places['in the graph'](dequantized), movement, weights('wm'), { ...node, name: 'layer' }];
        const input = files.write('model.onnx', model(nodes, zero));
        const { code, result } = await json(['rewrite', input, '-o', files.path('out.onnx')]);
        expect(result.account).toMatchObject({ total: 1, read: 0, reached: zero === 0 });
        expect(code).toBe(zero === 0 ? 0 : 3);
        expect(result.account.carried).toMatchObject([{ layer: 'layer', hasZeroPoint: zero !== 0 }]);
      });
});

describe('recurrent layers compute with floats, and the zero points behind them are left', () => {
  test.each([
    ['LSTM', 4, 0],
    ['LSTM', 4, 114],
    ['GRU', 3, 0],
    ['GRU', 3, 114],
  ] as const)('%s', async (op, gates, zero) => {
    const bytes = (name: string, shape: readonly number[]): ModelInitializer => ({
      name,
      tensor: tensor(
        'u8',
        Uint8Array.from({ length: sizeOf(shape) }, (_, i) => 100 + i),
        shape,
      ),
    });
    const input = files.write(
      'model.onnx',
      writeModel({
        nodes: [
          { op: 'DequantizeLinear', inputs: ['w', 'sw', 'zu'], outputs: ['dw'] },
          { op: 'DequantizeLinear', inputs: ['r', 'sw', 'zw8'], outputs: ['dr'] },
          { op, inputs: ['x', 'dw', 'dr'], outputs: ['y'], attrs: { hidden_size: 2 }, name: 'layer' },
        ],
        inputs: [{ name: 'x', type: 'float32', dims: [3, 1, 4] }],
        outputs: [{ name: 'y', type: 'float32' }],
        initializers: [
          ...productConstants(zero),
          { name: 'zw8', tensor: tensor('u8', [0], []) },
          bytes('w', [1, 2 * gates, 4]),
          bytes('r', [1, 2 * gates, 2]),
        ],
        opsets: { '': 17 },
      }),
    );
    const { code, result } = await json(['rewrite', input, '-o', files.path('out.onnx')]);
    expect(result.account).toMatchObject({ total: 1, read: 1, carried: [], reached: zero === 0 });
    expect(
      result.account.left.map(({ layer, operand }: { layer: string; operand: string }) => [layer, operand]),
    ).toEqual(zero === 0 ? [] : [['layer', 'w']]);
    expect(code).toBe(zero === 0 ? 0 : 3);
  });
});
