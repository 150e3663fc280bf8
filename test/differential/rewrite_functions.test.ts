/** Quantized layers in functions that bodies call, and in bodies that functions have: corrected, and the same on ONNX Runtime. */
import onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { accountOf } from '../../src/cli/layer_account.ts';
import { legalize } from '../../src/codegen/legalize.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Feeds, tensor } from '../../src/ir/index.ts';
import { zeroPointsLeft } from '../faults/zero_points.ts';
import { type ModelGraph, type ModelNode, writeModel } from '../support/onnx.ts';
import { productConstants, productLayers } from '../support/product_layers.ts';
import { bytes as bytesField, text } from '../unit/onnx_container/support.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

const { onnx } = onnxProto;
const feeds: Feeds = {
  x: tensor(
    'f32',
    Array.from({ length: 16 }, (_, i) => ((i * 37) % 101) / 11 - 4.3),
    [1, 1, 4, 4],
  ),
  condition: tensor('bool', [1], []),
};
const modelOf = (nodes: readonly ModelNode[]): Uint8Array =>
  writeModel({
    nodes,
    inputs: [
      { name: 'x', type: 'float32', dims: [1, 1, 4, 4] },
      { name: 'condition', type: 'bool', dims: [] },
    ],
    outputs: [{ name: 'y', type: 'float32', dims: [1, 1, 4, 4] }],
    initializers: productConstants(114),
    opsets: { '': 17, own: 1 },
  });

const branches = (nodes: readonly ModelNode[], result: string, source: string): ModelNode => {
  const branch = (inside: readonly ModelNode[], name: string): { g: ModelGraph } => ({
    g: { nodes: inside, inputs: [], outputs: [{ name, type: 'float32' }] },
  });
  const other = [{ op: 'Identity', inputs: [source], outputs: ['other'] }];
  const attrs = { then_branch: branch(nodes, result), else_branch: branch(other, 'other') };
  return { op: 'If', inputs: ['condition'], outputs: ['y'], name: 'branches', attrs };
};

/** The model with a function of its own, in the wire format: onnx-proto knows no functions. */
function withFunction(model: Uint8Array, inputs: readonly string[], nodes: readonly ModelNode[]): Uint8Array {
  const encoded = onnx.ModelProto.decode(modelOf(nodes)).graph?.node ?? [];
  const opset = onnx.OperatorSetIdProto.encode({ domain: '', version: 17 }).finish();
  const own = bytesField(25, [
    ...text(1, 'layers'),
    ...inputs.flatMap((name) => text(4, name)),
    ...text(5, 'y'),
    ...encoded.flatMap((node) => bytesField(7, [...onnx.NodeProto.encode(node).finish()])),
    ...bytesField(9, [...opset]),
    ...text(10, 'own'),
  ]);
  return Uint8Array.from([...model, ...own]);
}

const forms = ['a function in a body', 'a body in a function'] as const;
describe.each(forms)('%s', (form) => {
  it.each(Object.entries(productLayers))('%s', async (kind, layer) => {
    const used = new Set(layer.flatMap(({ inputs }) => inputs));
    const constants = productConstants(114).flatMap(({ name }) => (used.has(name) ? [name] : []));
    const call = { op: 'layers', domain: 'own', name: 'call' };
    const renamed = layer.map((node) => ({ ...node, outputs: node.outputs.map((o) => (o === 'y' ? 'inner' : o)) }));
    const bytes =
      form === 'a function in a body'
        ? withFunction(
            modelOf([branches([{ ...call, inputs: ['x', ...constants], outputs: ['result'] }], 'result', 'x')]),
            ['v', ...constants],
            layer,
          )
        : withFunction(
            modelOf([{ ...call, inputs: ['x', 'condition', ...constants], outputs: ['y'] }]),
            ['v', 'condition', ...constants],
            [branches(renamed, 'inner', 'v')],
          );
    const source = importOnnx(bytes);
    const legal = legalize(source);
    const written = exportOnnx(legal.graph);
    expect(accountOf(source, legal)).toMatchObject({ total: 1, read: 1, reached: true });
    expect(zeroPointsLeft(written)).toEqual([]);
    const [expected, found] = [(await runOnnx(bytes, feeds)).y, (await runOnnx(written, feeds)).y];
    expect(found.shape).toEqual(expected.shape);
    if (!kind.includes('float result')) expect(found.data).toEqual(expected.data);
    else
      Array.from(expected.data as Float32Array, (v, i) =>
        expect(Math.abs(v - Number(found.data[i]))).toBeLessThan(1e-6),
      );
  });
});
