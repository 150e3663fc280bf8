/** A network that examples/02-pytorch/make_fixture.py trained and quantized, against PyTorch's own outputs. */

import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { interpret } from '../../../src/ir/interpret.ts';
import { compile } from '../../../src/runtime/compile.ts';
import { importModel } from '../../../src/runtime/import_model.ts';
import { type ITensor, Tensor } from '../../../src/tensors/tensor.ts';
import { hasVnni, SATURATES } from '../../support/exact_weights.ts';
import { readNpy } from '../../support/npy.ts';

const folder = new URL('../../../examples/02-pytorch/fixture/', import.meta.url);
const read = (name: string) => new Uint8Array(readFileSync(new URL(name, folder)));
const { scale, zeroPoint } = JSON.parse(readFileSync(new URL('network.json', folder), 'utf8'));
const inputs = readNpy(read('inputs.npy')) as ITensor<'f32'>;
const expected = Array.from(readNpy(read('outputs.npy')).data as Uint8Array);
const network = () => importModel(read('network.pt'), { profile: 'torch-qnnpack', inputShapes: { x: inputs.shape } });
const integers = (y: ArrayLike<number>) => Array.from(y, (v) => Math.round(v / scale) + zeroPoint);

describe("a small network, PyTorch's integers", () => {
  it('by the interpreter; every layer has a zero point', async () => {
    const graph = await network();
    expect(graph.origin?.unsupported).toEqual([]);
    const { output } = interpret(graph, { x: inputs });
    expect(integers(output.data as Float32Array)).toEqual(expected);
    const products = Object.values(graph.nodes).filter(({ op }) => op === 'qnn.conv' || op === 'qnn.matmul');
    expect(products.map(({ operands }) => operands[2] !== null)).toEqual([true, true, true, true, true]);
  });

  it('by the addon', async () => {
    const model = await compile(await network(), { threads: 1 });
    const { output } = await model.run({ x: new Tensor('float32', inputs.data, inputs.shape) });
    expect(model.strategies.length).toBeGreaterThanOrEqual(3);
    expect(integers(output.data as Float32Array)).toEqual(expected);
    model.dispose();
  });

  it('as plain ONNX in ONNX Runtime', async ({ skip }) => {
    skip(!hasVnni, SATURATES);
    const session = await InferenceSession.create(exportOnnx(legalize(await network()).graph), { logSeverityLevel: 3 });
    const { output } = await session.run({ x: new OrtTensor('float32', inputs.data, inputs.shape) });
    expect(integers(output.data as Float32Array)).toEqual(expected);
  });
});
