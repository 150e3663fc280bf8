/** Integers of 4 bits as inputs, outputs and between operators, and weights in blocks of them. */
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { compile, Tensor } from '../../../src/index.ts';
import { interpret, nodesOf, parse, print } from '../../../src/ir/index.ts';
import { numberToHalf } from '../../../src/numerics/index.ts';
import { compileGraph } from '../../../src/runtime/compile_graph.ts';
import { packed, sizeOf, tensor } from '../../../src/tensors/index.ts';
import { writeModel } from '../../support/onnx.ts';
import { runOnnx } from '../onnx_export/support.ts';

const opsets = { '': 21 };
const raw = (name: string, dtype: 's4' | 'u4', values: readonly number[], shape: readonly number[]) => ({
  name,
  tensor: tensor('s8', values, [...shape]),
  raw: { onnxType: dtype === 's4' ? 22 : 21, bytes: packed(dtype, values, shape).data },
});

describe('int4', () => {
  it('is quantized to, moved, and dequantized', () => {
    const bytes = writeModel({
      nodes: [
        { op: 'QuantizeLinear', inputs: ['x', 's', 'z'], outputs: ['q'] },
        { op: 'Transpose', inputs: ['q'], outputs: ['t'], attrs: { perm: [1, 0] } },
        { op: 'DequantizeLinear', inputs: ['t', 's', 'z'], outputs: ['y'] },
      ],
      inputs: [{ name: 'x', type: 'float32', dims: [2, 3] }],
      outputs: [
        { name: 't', type: 'int4' },
        { name: 'y', type: 'float32' },
      ],
      initializers: [{ name: 's', tensor: tensor('f32', [0.5], []) }, raw('z', 's4', [1], [])],
      opsets,
    });
    const graph = importOnnx(bytes);
    expect(graph.origin?.unsupported).toEqual([]);
    const x = tensor('f32', [-100, -1, 0, 0.25, 0.75, 100], [2, 3]);
    const { t, y } = interpret(graph, { x });
    expect(t).toEqual(packed('s4', [-8, 1, -1, 3, 1, 7], [3, 2]));
    expect([...y.data]).toEqual([-4.5, 0, -1, 1, 0, 3]);
    expect(interpret(parse(print(graph)), { x }).t).toEqual(t);
    expect(interpret(importOnnx(exportOnnx(parse(print(graph)))), { x }).t).toEqual(t);
  });

  it('is fed and returned as bytes that two elements share', async () => {
    const bytes = writeModel({
      nodes: [{ op: 'Cast', inputs: ['x'], outputs: ['y'], attrs: { to: 21 } }],
      inputs: [{ name: 'x', type: 'int4', dims: [3] }],
      outputs: [{ name: 'y', type: 'uint4' }],
      opsets,
    });
    const model = await compile(bytes);
    const { y } = await model.run({ x: new Tensor('int4', Uint8Array.of(0xf1, 0x02), [3]) });
    expect(y).toEqual(new Tensor('uint4', Uint8Array.of(0xf1, 0x02), [3]));
    expect(() => new Tensor('int4', Uint8Array.of(1, 2, 3), [3])).toThrow('hold 3 elements');
    model.dispose();
  });
});

describe.each([
  ['s4', true, false],
  ['u4', true, true],
  ['u4', false, false],
  ['s4', true, true],
] as const)('DequantizeLinear by blocks of %s, zero points %s, through a Transpose %s', (dtype, hasZeros, isTurned) => {
  const [depth, columns, block] = [72, 20, 32];
  const blocks = 3;
  const low = dtype === 's4' ? -8 : 0;
  const values = (count: number, seed: number) => Array.from({ length: count }, (_, i) => low + ((i * seed) % 16));
  const order = (a: number, b: number) => (isTurned ? [b, a] : [a, b]);
  const bytes = writeModel({
    nodes: [
      {
        op: 'DequantizeLinear',
        inputs: ['w', 's', ...(hasZeros ? ['z'] : [])],
        outputs: ['d'],
        attrs: { axis: isTurned ? 1 : 0, block_size: block },
      },
      ...(isTurned ? [{ op: 'Transpose', inputs: ['d'], outputs: ['dt'], attrs: { perm: [1, 0] } }] : []),
      { op: 'MatMul', inputs: ['x', isTurned ? 'dt' : 'd'], outputs: ['y'] },
    ],
    inputs: [{ name: 'x', type: 'float32', dims: [2, depth] }],
    outputs: [{ name: 'y', type: 'float32' }],
    initializers: [
      raw('w', dtype, values(depth * columns, 7), order(depth, columns)),
      {
        name: 's',
        tensor: tensor(
          'f32',
          Array.from({ length: blocks * columns }, (_, i) => (1 + (i % 5)) / 64),
          order(blocks, columns),
        ),
      },
      ...(hasZeros ? [raw('z', dtype, values(blocks * columns, 5), order(blocks, columns))] : []),
    ],
    opsets,
  });

  it('is one product with packed weights', async () => {
    const graph = importOnnx(bytes);
    const x = tensor(
      'f32',
      Array.from({ length: 2 * depth }, (_, i) => ((i * 37) % 41) / 8 - 2.5),
      [2, depth],
    );
    const expected = interpret(graph, { x }).y.data;
    const selected = compileGraph(graph).graph;
    expect(nodesOf(selected).map(({ op }) => op)).toEqual(['qnn.block_matmul']);
    expect(interpret(selected, { x }).y.data).toEqual(expected);
    const model = await compile(bytes);
    expect((await model.run({ x: new Tensor('float32', x.data, [2, depth]) })).y.data).toEqual(expected);
    model.dispose();
    const peer = (await runOnnx(bytes, { x })).y.data as Float32Array;
    // one rounding for each product, of sums of at most 72·2.5·16·5/64
    for (const [i, value] of peer.entries())
      expect(Math.abs(value - Number(expected[i]))).toBeLessThan(72 * 2 ** -24 * 225);
  });
});

it('MatMulNBits of float16 is computed in binary32 and rounded once, as in ONNX Runtime', async () => {
  const [rows, depth, columns, block] = [3, 40, 10, 16];
  const half = (shape: readonly number[], of: (i: number) => number) =>
    tensor(
      'f16',
      Uint16Array.from({ length: sizeOf(shape) }, (_, i) => numberToHalf(of(i))),
      shape,
    );
  const bytes = writeModel({
    nodes: [
      {
        ...{ op: 'MatMulNBits', domain: 'com.microsoft', inputs: ['x', 'w', 's', '', '', 'b'], outputs: ['y'] },
        attrs: { K: depth, N: columns, bits: 4, block_size: block },
      },
    ],
    inputs: [{ name: 'x', type: 'float16', dims: [rows, depth] }],
    outputs: [{ name: 'y', type: 'float16' }],
    initializers: [
      {
        name: 'w',
        tensor: tensor(
          'u8',
          Array.from({ length: columns * 3 * 8 }, (_, i) => (i * 89) % 256),
          [columns, 3, 8],
        ),
      },
      { name: 's', tensor: half([columns, 3], (i) => (1 + (i % 7)) / 64) },
      { name: 'b', tensor: half([columns], (i) => i / 10) },
    ],
    opsets: { '': 21, 'com.microsoft': 1 },
  });
  const graph = importOnnx(bytes);
  expect(graph.origin?.unsupported).toEqual([]);
  const x = half([rows, depth], (i) => ((i * 29) % 31) / 8 - 2);
  // every product and sum is a multiple of 2^-9 here, so that no order of additions rounds
  expect((await runOnnx(bytes, { x })).y.data).toEqual(interpret(graph, { x }).y.data);
});
