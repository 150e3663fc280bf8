/** Operators that stay float in a rewritten model: ONNX Runtime computes them as before, at any optimization level. */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Feeds, nodesOf, sizeOf, tensor } from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { hasVnni } from '../support/exact_weights.ts';
import { type ModelNode, writeModel } from '../support/onnx.ts';
import { differenceOf, optimizations, runOnnx } from '../unit/onnx_export/support.ts';

const products = {
  Conv: { x: [1, 4, 6, 6], w: [4, 4, 3, 3], axis: 0, attrs: { pads: [1, 1, 1, 1] } },
  ConvTranspose: { x: [1, 4, 5, 5], w: [4, 4, 3, 3], axis: 1, attrs: {} },
  MatMul: { x: [3, 4], w: [4, 4], axis: 1, attrs: {} },
  Gemm: { x: [3, 4], w: [4, 4], axis: 1, attrs: {} },
} as const;
const parameters = {
  sx: { type: 'float32', tensor: tensor('f32', [0.02], []) },
  zx: { type: 'uint8', tensor: tensor('u8', [100], []) },
  sy: { type: 'float32', tensor: tensor('f32', [0.05], []) },
  zy: { type: 'uint8', tensor: tensor('u8', [77], []) },
} as const;

/** A product between dequantize and quantize, one of whose parameters is an input. */
function withComputed(op: keyof typeof products, computed: keyof typeof parameters) {
  const { x, w, axis, attrs } = products[op];
  const bias = op === 'MatMul' ? [] : ['b'];
  const nodes: ModelNode[] = [
    { op: 'DequantizeLinear', inputs: ['x', 'sx', 'zx'], outputs: ['dx'] },
    { op: 'DequantizeLinear', inputs: ['w', 'sw', 'zw'], outputs: ['dw'], attrs: { axis } },
    { op, inputs: ['dx', 'dw', ...bias], outputs: ['c'], attrs },
    { op: 'QuantizeLinear', inputs: ['c', 'sy', 'zy'], outputs: ['y'] },
  ];
  const given = Object.entries(parameters).filter(([name]) => name !== computed);
  const bytes = writeModel({
    nodes,
    inputs: [
      { name: 'x', type: 'uint8', dims: x },
      { name: computed, type: parameters[computed].type, dims: [] },
    ],
    outputs: [{ name: 'y', type: 'uint8' }],
    initializers: [
      { name: 'w', tensor: tensor('s8', weightsOf(sizeOf(w)), w) },
      { name: 'sw', tensor: tensor('f32', [1, 0.001, 0.01, 0.003]) },
      { name: 'zw', tensor: tensor('s8', [0, 0, 0, 0]) },
      ...(bias.length > 0 ? [{ name: 'b', tensor: tensor('f32', [0.1, -3, 7.7, 0.013]) }] : []),
      ...given.map(([name, { tensor }]) => ({ name, tensor })),
    ],
  });
  const source = tensor(
    'u8',
    spread(sizeOf(x)).map((v) => v + 127),
    x,
  );
  return { bytes, feeds: { x: source, [computed]: parameters[computed].tensor } as Feeds };
}

const spread = (length: number): number[] => Array.from({ length }, (_, i) => ((i * 37) % 255) - 127);
const weightsOf = (length: number): number[] => spread(length).map((v) => (hasVnni ? v : v >> 1));

describe.each(Object.keys(products) as (keyof typeof products)[])('a float %s of dequantized weights', (op) => {
  // A float constant between dequantize and quantize is quantized by ONNX Runtime itself, per tensor.
  it.each(['sx', 'zx', 'sy', 'zy'] as const)('with a computed %s', async (computed) => {
    const { bytes, feeds } = withComputed(op, computed);
    for (const target of ['symmetric', 'onednn'] as const) {
      const exported = exportOnnx(legalize(importOnnx(bytes), { target }).graph);
      for (const level of optimizations)
        expect(differenceOf(await runOnnx(exported, feeds, level), await runOnnx(bytes, feeds, level))).toBeUndefined();
    }
  });

  it('is compiled with its weights dequantized', () => {
    const { x, w, axis, attrs } = products[op];
    const bytes = writeModel({
      nodes: [
        { op: 'DequantizeLinear', inputs: ['w', 'sw', 'zw'], outputs: ['dw'], attrs: { axis } },
        { op, inputs: ['x', 'dw'], outputs: ['y'], attrs },
      ],
      inputs: [{ name: 'x', type: 'float32', dims: x }],
      outputs: [{ name: 'y', type: 'float32' }],
      initializers: [
        { name: 'w', tensor: tensor('s8', weightsOf(sizeOf(w)), w) },
        { name: 'sw', tensor: tensor('f32', [1, 0.001, 0.01, 0.003]) },
        { name: 'zw', tensor: tensor('s8', [0, 1, 2, 3]) },
      ],
    });
    const { graph } = compileGraph(importOnnx(bytes), { threads: 1 });
    expect(nodesOf(graph).some(({ op }) => op === 'qnn.dequantize')).toBe(false);
  });
});
