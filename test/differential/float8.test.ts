/** Floats of 8 bits between QuantizeLinear, Cast and DequantizeLinear, beside ONNX Runtime: to the bit. */
import { expect, it } from 'vitest';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { interpret, tensor } from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { dtypes, float8Types } from '../../src/tensors/dtype.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { type ModelNode, writeModel } from '../support/onnx.ts';
import { random } from '../unit/numerics/ort.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

const next = random(5);
/** Numbers of many sizes; of fewer, none is beyond the range, where ONNX Runtime 1.30 strays from the table of Cast unless it saturates. */
const numbers = (sizes: number) =>
  tensor(
    'f32',
    Float32Array.from({ length: 600 }, (_, i) => (next() - 0.5) * 2 ** ((i % sizes) - 12)),
    [3, 200],
  );

for (const type of float8Types)
  for (const saturate of [0, 1])
    for (const way of ['cast', 'quantize', 'quantize along an axis'] as const)
      it(`${type}, ${way}, saturating ${saturate}`, async () => {
        const to = dtypes[type].onnxCode;
        const x = numbers(saturate === 0 ? 14 : 30);
        const scale = way === 'quantize' ? tensor('f32', [0.37], []) : tensor('f32', [0.37, 1.5, 0.01], [3]);
        const axis: Record<string, number> = way === 'quantize' ? {} : { axis: 0 };
        const nodes: ModelNode[] =
          way === 'cast'
            ? [
                { op: 'Cast', inputs: ['x'], outputs: ['q'], attrs: { to, saturate } },
                { op: 'Transpose', inputs: ['q'], outputs: ['t'] },
                { op: 'Cast', inputs: ['t'], outputs: ['y'], attrs: { to: 1 } },
              ]
            : [
                {
                  op: 'QuantizeLinear',
                  inputs: ['x', 'scale', 'zero'],
                  outputs: ['q'],
                  attrs: { saturate, ...axis },
                },
                { op: 'DequantizeLinear', inputs: ['q', 'scale', 'zero'], outputs: ['y'], attrs: axis },
              ];
        const bytes = writeModel({
          nodes,
          inputs: [{ name: 'x', type: 'float32', dims: [3, 200] }],
          outputs: [{ name: 'y', type: 'float32' }],
          initializers:
            way === 'cast'
              ? []
              : [
                  { name: 'scale', tensor: scale },
                  {
                    name: 'zero',
                    tensor: { dtype: type, shape: scale.shape, data: new Uint8Array(scale.data.length) },
                  },
                ],
          opsets: { '': 21 },
        });
        const graph = importOnnx(bytes);
        expect(graph.origin?.unsupported ?? []).toEqual([]);
        const expected = (await runOnnx(bytes, { x })).y;
        const { y } = interpret(graph, { x });
        expect(y.shape).toEqual(expected.shape);
        expect([...y.data]).toEqual([...expected.data]);
        const model = new Model(compileGraph(graph));
        expect([...model.runSync({ x: toPublic(x) }).y.data]).toEqual([...y.data]);
        model.dispose();
      });
