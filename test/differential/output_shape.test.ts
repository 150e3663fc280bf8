/** `output_shape` and pads of ConvTranspose, Conv and pools at their limits: ONNX Runtime is the judge of both. */
import { expect, it } from 'vitest';
import { createPeer } from '../../src/cli/onnxruntime.ts';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { interpret, tensor } from '../../src/ir/index.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { type ModelAttr, writeModel } from '../support/onnx.ts';

const x = tensor('f32', [1, 2, 3, 4, 5, 6], [1, 1, 6]);

function modelOf(op: string, attrs: Readonly<Record<string, ModelAttr>>): Uint8Array {
  return writeModel({
    nodes: [{ op, inputs: op.startsWith('Conv') ? ['x', 'w', 'b'] : ['x'], outputs: ['y'], attrs }],
    inputs: [{ name: 'x', type: 'float32', dims: [1, 1, 6] }],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: op.startsWith('Conv')
      ? [
          { name: 'w', tensor: tensor('f32', [1, 2, 3], [1, 1, 3]) },
          { name: 'b', tensor: tensor('f32', [100], [1]) },
        ]
      : [],
  });
}

/** The elements of the result, or its absence. */
async function theirs(bytes: Uint8Array): Promise<readonly number[] | 'refused'> {
  try {
    const peer = await createPeer(bytes, { threads: 1 });
    const { y } = await peer.run({ x: toPublic(x) });
    return Array.from(y.data as Float32Array);
  } catch {
    return 'refused';
  }
}

function ours(bytes: Uint8Array): readonly number[] | 'refused' {
  try {
    return Array.from(interpret(importOnnx(bytes), { x }).y.data as Float32Array);
  } catch (error) {
    if (!(error instanceof UnskewError)) throw error;
    expect(error.code).toBe('U2004');
    return 'refused';
  }
}

const lengths = Array.from({ length: 25 }, (_, length) => length);

it.each([1, 2, 3, 5])('output_shape of a transposed convolution with a stride of %i', async (stride) => {
  for (const auto of ['NOTSET', 'SAME_UPPER', 'SAME_LOWER'])
    for (const length of lengths) {
      const bytes = modelOf('ConvTranspose', { strides: [stride], output_shape: [length], auto_pad: auto });
      expect(ours(bytes), `${auto} ${length}`).toEqual(await theirs(bytes));
    }
});

it.each(['SAME_UPPER', 'SAME_LOWER'])('auto_pad %s of a transposed convolution', async (auto) => {
  for (const stride of [1, 2, 3, 4, 5, 7]) {
    const bytes = modelOf('ConvTranspose', { strides: [stride], auto_pad: auto });
    expect(ours(bytes), `${stride}`).toEqual(await theirs(bytes));
  }
});

it.each(['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool', 'LpPool'])('negative pads of %s', async (op) => {
  for (const pads of [
    [-1, 0],
    [0, -1],
    [-(2 ** 53), 0],
  ]) {
    const bytes = modelOf(op, { pads, kernel_shape: [3] });
    expect(await theirs(bytes)).toBe('refused');
    expect(ours(bytes)).toBe('refused');
  }
});
