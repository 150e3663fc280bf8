/**
 * The bound of a float bias is half a unit of the sum, for all operators between a product and the dequantize of its operands.
 */
import { describe, expect, it } from 'vitest';
import { agreement } from '../../../src/cli/agreement.ts';
import { observe } from '../../../src/cli/compare.ts';
import { groupsOf } from '../../../src/cli/group_slack.ts';
import { legalize } from '../../../src/codegen/legalize.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type Graph, type ITensor, tensor } from '../../../src/ir/index.ts';
import { type ModelNode, writeModel } from '../../support/onnx.ts';

const [sx, sw, sy] = [0.02, 0.004, 0.05];
const dequantize = (x: string, output: string): ModelNode => ({
  op: 'DequantizeLinear',
  inputs: [x, x === 'w' ? 'sw' : 'sx', x === 'w' ? 'zw' : 'zx'],
  outputs: [output],
});

const between: Readonly<Record<string, readonly ModelNode[]>> = {
  nothing: [{ op: 'Identity', inputs: ['x.d'], outputs: ['x.m'] }],
  'a pool': [{ op: 'MaxPool', inputs: ['x.d'], outputs: ['x.m'], attrs: { kernel_shape: [2, 2], pads: [1, 1, 0, 0] } }],
  'a join': [
    { op: 'Split', inputs: ['x.d'], outputs: ['x.a', 'x.b'], attrs: { axis: 2 } },
    { op: 'Concat', inputs: ['x.b', 'x.a'], outputs: ['x.m'], attrs: { axis: 2 } },
  ],
  'a transpose': [{ op: 'Transpose', inputs: ['x.d'], outputs: ['x.m'], attrs: { perm: [0, 1, 3, 2] } }],
};

describe.each(Object.entries(between))('%s between', (_name, nodes) => {
  it('keeps the half unit', () => {
    const graph = importOnnx(
      writeModel({
        opsets: { '': 11 },
        nodes: [
          dequantize('x', 'x.d'),
          ...nodes,
          dequantize('w', 'w.d'),
          { op: 'Conv', inputs: ['x.m', 'w.d', 'b'], outputs: ['v'] },
          { op: 'QuantizeLinear', inputs: ['v', 'sy', 'zx'], outputs: ['y'] },
        ],
        inputs: [{ name: 'x', type: 'uint8', dims: [1, 2, 4, 4] }],
        outputs: [{ name: 'y', type: 'uint8' }],
        initializers: [
          { name: 'w', tensor: tensor('s8', [1, -2, 3, -4], [2, 2, 1, 1]) },
          { name: 'b', tensor: tensor('f32', [0.3, -0.7], [2]) },
          { name: 'sx', tensor: tensor('f32', [sx], []) },
          { name: 'sw', tensor: tensor('f32', [sw], []) },
          { name: 'sy', tensor: tensor('f32', [sy], []) },
          { name: 'zx', tensor: tensor('u8', [77], []) },
          { name: 'zw', tensor: tensor('s8', [0], []) },
        ],
      }),
    );
    const { grouping } = legalize(graph, { target: 'onednn' }).certificate;
    const slack = groupsOf(graph, grouping).get(graph.outputs[0])?.slack;
    expect(slack).toBeGreaterThanOrEqual((Math.fround(sx) * Math.fround(sw)) / 2);
    expect(slack).toBeLessThan(Math.fround(sx) * Math.fround(sw));
  });
});

describe('a product that is scaled in float, in front of a quantize', () => {
  const [rows, columns] = [8, 31];
  const bytes = (count: number, at: number) =>
    Array.from({ length: count }, (_, i) => ((i * 73 + Math.floor(i / 7) * 29 + at) % 255) - 127);
  /** alpha keeps it from being requantized. */
  const imported = (terms: number, weights: readonly number[]) =>
    importOnnx(
      writeModel({
        nodes: [
          { op: 'DequantizeLinear', inputs: ['x', 'sx'], outputs: ['x.d'] },
          { op: 'DequantizeLinear', inputs: ['w', 'sw'], outputs: ['w.d'] },
          { op: 'Gemm', inputs: ['x.d', 'w.d'], outputs: ['v'], attrs: { alpha: { f: 2 } } },
          { op: 'QuantizeLinear', inputs: ['v', 'sy'], outputs: ['y'] },
        ],
        inputs: [{ name: 'x', type: 'int8', dims: [rows, terms] }],
        outputs: [{ name: 'y', type: 'uint8' }],
        initializers: [
          { name: 'w', tensor: tensor('s8', weights, [terms, columns]) },
          { name: 'sx', tensor: tensor('f32', [0.0213], []) },
          { name: 'sw', tensor: tensor('f32', [0.00417], []) },
          { name: 'sy', tensor: tensor('f32', [0.11], []) },
        ],
      }),
    );
  const feedsOf = (terms: number, elements: readonly number[]) => ({
    x: tensor('s8', elements, [rows, terms]) as ITensor,
  });
  const groups = (graph: Graph) => groupsOf(graph, legalize(graph, { target: 'onednn' }).certificate.grouping);
  const divergenceOf = (graph: Graph, feeds: ReturnType<typeof feedsOf>, seen = graph, declared = groups(graph)) => {
    const found = observe(legalize(seen, { target: 'onednn' }).quantized, feeds);
    return agreement({ graph, engine: 'compiled', groups: declared }, feeds, found).divergence;
  };
  const few = 17;
  const weights = bytes(few * columns, 5);
  const graph = imported(few, weights.with(0, 0));
  const feeds = feedsOf(few, bytes(rows * few, 1));

  it('may be off as its grouping declares', () => {
    expect(divergenceOf(graph, feeds)).toBeUndefined();
    expect(divergenceOf(graph, feeds, graph, new Map())?.node).toBe('v.matmul');
  });
  it('and by a step of a weight it may not', () => {
    expect(divergenceOf(graph, feeds, imported(few, weights.with(0, 1)))?.node).toBe('v.matmul');
  });
  it('may be off as the float sum of hundreds of positive terms is', () => {
    const terms = 512;
    const large = (count: number, at: number) => bytes(count, at).map((value) => 64 + (Math.abs(value) >> 1));
    const sum = imported(terms, large(terms * columns, 5));
    const positive = feedsOf(terms, large(rows * terms, 1));
    expect(divergenceOf(sum, positive)).toBeUndefined();
  });
});
