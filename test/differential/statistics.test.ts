/** The mean and the inverse deviation that LayerNormalization gives besides: binary32 whatever its input is, beside ONNX Runtime. */
import { expect, it } from 'vitest';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { interpret, tensor } from '../../src/ir/index.ts';
import { numberToHalf } from '../../src/numerics/half.ts';
import { writeModel } from '../support/onnx.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

const values = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i * 1.7) * 3);
const given = {
  float32: (data: Float32Array, shape: readonly number[]) => tensor('f32', data, shape),
  float16: (data: Float32Array, shape: readonly number[]) => tensor('f16', Uint16Array.from(data, numberToHalf), shape),
};

it.each(['float32', 'float16'] as const)('of %s', async (type) => {
  const bytes = writeModel({
    inputs: [{ name: 'x', type, dims: ['N', 2, 4] }],
    outputs: [
      { name: 'y', type },
      { name: 'mean', type: 'float32' },
      { name: 'inverse', type: 'float32' },
    ],
    initializers: [{ name: 'scale', tensor: given[type](values.slice(0, 4), [4]) }],
    nodes: [{ op: 'LayerNormalization', inputs: ['x', 'scale'], outputs: ['y', 'mean', 'inverse'] }],
    opsets: { '': 17 },
  });
  const feeds = { x: given[type](values, [3, 2, 4]) };
  const expected = await runOnnx(bytes, feeds);
  const results = interpret(importOnnx(bytes), feeds);
  for (const name of ['mean', 'inverse']) {
    expect(results[name].dtype).toBe('f32');
    expect(results[name].shape).toEqual(expected[name].shape);
    for (const [i, v] of [...expected[name].data].entries())
      expect(Number(results[name].data[i])).toBeCloseTo(Number(v), 5);
  }
});
