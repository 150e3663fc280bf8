/** Open sizes of different names that a run makes one size: operators whose operands fit then, and not as far as names tell. */
import { expect, it } from 'vitest';
import { compile, importModel } from '../../src/index.ts';
import { tensor } from '../../src/ir/index.ts';
import { type ModelNode, writeModel } from '../support/onnx.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

type Input = readonly [name: string, dims: readonly (number | string)[], shape: readonly number[]];
const floatsOf = (shape: readonly number[], seed: number): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 1.3 + seed));

const forms: Readonly<Record<string, readonly [inputs: readonly Input[], node: ModelNode, opset: number]>> = {
  'LayerNormalization with a bias': [
    [
      ['x', ['N', 'C'], [3, 4]],
      ['scale', ['D'], [4]],
      ['bias', ['E'], [4]],
    ],
    { op: 'LayerNormalization', inputs: ['x', 'scale', 'bias'], outputs: ['y'] },
    17,
  ],
  RMSNormalization: [
    [
      ['x', ['N', 'C'], [3, 4]],
      ['scale', ['D'], [4]],
    ],
    { op: 'RMSNormalization', inputs: ['x', 'scale'], outputs: ['y'] },
    23,
  ],
  'angles of each position': [
    [
      ['x', ['N', 2, 'S', 4], [2, 2, 3, 4]],
      ['cos', ['M', 'T', 2], [2, 3, 2]],
      ['sin', ['K', 'U', 2], [2, 3, 2]],
    ],
    { op: 'RotaryEmbedding', inputs: ['x', 'cos', 'sin'], outputs: ['y'] },
    23,
  ],
};

it.each(Object.entries(forms))('%s', async (_, [inputs, node, opset]) => {
  const bytes = writeModel({
    inputs: inputs.map(([name, dims]) => ({ name, type: 'float32', dims: [...dims] })),
    outputs: [{ name: 'y', type: 'float32' }],
    nodes: [node],
    opsets: { '': opset },
  });
  const expected = await runOnnx(
    bytes,
    Object.fromEntries(inputs.map(([name, , shape], i) => [name, tensor('f32', floatsOf(shape, i), shape)])),
  );
  const model = await compile(bytes, { backends: ['onednn'] });
  const feeds = Object.fromEntries(
    inputs.map(([name, , shape], i) => [name, { type: 'float32', data: floatsOf(shape, i), dims: shape }]),
  );
  for (const { y } of [await model.run(feeds), model.runSync(feeds)]) {
    expect(y.dims).toEqual(expected.y.shape);
    for (const [i, v] of [...expected.y.data].entries()) expect(Number(y.data[i])).toBeCloseTo(Number(v), 5);
  }
  model.dispose();
});

it.each([
  ['a length', [2]],
  ['a length and a start', [2, 1]],
])('a mask of %s for each sequence, where either number is open', async (_, mask) => {
  const model = writeModel({
    inputs: [
      { name: 'x', type: 'float32', dims: ['N', 'S', 4] },
      { name: 'mask', type: 'int32', dims: ['M'] },
    ],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [
      { name: 'w', tensor: tensor('f32', floatsOf([4, 12], 1), [4, 12]) },
      { name: 'b', tensor: tensor('f32', floatsOf([12], 2), [12]) },
    ],
    nodes: [
      {
        op: 'Attention',
        domain: 'com.microsoft',
        inputs: ['x', 'w', 'b', 'mask'],
        outputs: ['y'],
        attrs: { num_heads: 2 },
      },
    ],
    opsets: { '': 17, 'com.microsoft': 1 },
  });
  const x = floatsOf([1, 3, 4], 3);
  const expected = await runOnnx(model, { x: tensor('f32', x, [1, 3, 4]), mask: tensor('s32', mask, [mask.length]) });
  const ours = await compile(model, { backends: ['onednn'] });
  const { y } = await ours.run({
    x: { type: 'float32', data: x, dims: [1, 3, 4] },
    mask: { type: 'int32', data: Int32Array.from(mask), dims: [mask.length] },
  });
  for (const [i, v] of [...expected.y.data].entries()) expect(Number(y.data[i])).toBeCloseTo(Number(v), 5);
  ours.dispose();
});

it('sizes that do not fit are refused when a run brings them', async () => {
  const bytes = writeModel({
    inputs: [
      { name: 'x', type: 'float32', dims: ['N', 'C'] },
      { name: 'scale', type: 'float32', dims: ['D'] },
    ],
    outputs: [{ name: 'y', type: 'float32' }],
    nodes: [{ op: 'LayerNormalization', inputs: ['x', 'scale'], outputs: ['y'] }],
    opsets: { '': 17 },
  });
  const model = await compile(bytes, { backends: ['onednn'] });
  const feeds = (n: number) => ({
    x: { type: 'float32', data: floatsOf([2, 4], 1), dims: [2, 4] },
    scale: { type: 'float32', data: floatsOf([n], 2), dims: [n] },
  });
  await expect(model.run(feeds(3))).rejects.toMatchObject({ code: 'U2004' });
  expect((await model.run(feeds(4))).y.dims).toEqual([2, 4]);
  model.dispose();
});

it('a carried QAttention gives floats', async () => {
  const graph = await importModel(
    writeModel({
      inputs: [
        { name: 'x', type: 'uint8', dims: ['N', 3, 4] },
        { name: 'mask', type: 'int32', dims: ['M'] },
      ],
      outputs: [{ name: 'y', type: 'float32' }],
      initializers: [
        { name: 'w', tensor: tensor('s8', Array(48).fill(3), [4, 12]) },
        { name: 'b', tensor: tensor('f32', Array(12).fill(0.5), [12]) },
        { name: 's', tensor: tensor('f32', [0.1], []) },
      ],
      nodes: [
        {
          op: 'QAttention',
          domain: 'com.microsoft',
          inputs: ['x', 'w', 'b', 's', 's', 'mask'],
          outputs: ['a'],
          attrs: { num_heads: 2 },
        },
        { op: 'Relu', inputs: ['a'], outputs: ['y'] },
      ],
      opsets: { '': 17, 'com.microsoft': 1 },
    }),
  );
  expect(graph.values[graph.outputs[0]].type).toEqual({ dtype: 'f32', shape: ['N', 3, 4] });
});
