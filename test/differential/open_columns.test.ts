/** Quantized products of two tensors of the run whose columns are open: the scores of an attention over any number of positions. */
import { describe, expect, it } from 'vitest';
import { compile, importModel, type Tensor } from '../../src/index.ts';
import { interpret } from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { toFeeds } from '../../src/runtime/feeds.ts';
import { type ITensor, tensor } from '../../src/tensors/index.ts';
import { type ModelNode, writeModel } from '../support/onnx.ts';

const node = (op: string, inputs: string[], outputs: string[], attrs: ModelNode['attrs'] = {}): ModelNode => ({
  op,
  inputs,
  outputs,
  attrs,
});
const quantized = (x: string, scale: string, zero: string): ModelNode[] => [
  node('QuantizeLinear', [x, scale, zero], [`${x}.q`]),
  node('DequantizeLinear', [`${x}.q`, scale, zero], [`${x}.d`]),
];

/** x: f32[B,S,8] times itself, transposed, both quantized; the product is quantized, or its sum is needed. */
const modelOf = (type: 'u8' | 's8', zeros: readonly [number, number, number], ends: boolean): Uint8Array =>
  writeModel({
    inputs: [{ name: 'x', type: 'float32', dims: ['B', 'S', 8] }],
    outputs: [{ name: 'y' }],
    initializers: [
      ...[0.05, 0.03, 0.4].map((scale, i) => ({ name: `s${i}`, tensor: tensor('f32', [scale], []) })),
      ...zeros.map((zero, i) => ({ name: `z${i}`, tensor: tensor(type, [zero], []) })),
    ],
    nodes: [
      node('Transpose', ['x'], ['t'], { perm: [0, 2, 1] }),
      ...quantized('x', 's0', 'z0'),
      ...quantized('t', 's1', 'z1'),
      node('MatMul', ['x.d', 't.d'], ['p']),
      ...(ends ? quantized('p', 's2', 'z2') : []),
      node('Identity', [ends ? 'p.d' : 'p'], ['y']),
    ],
    opsets: { '': 17 },
  });

const feedsOf = ([b, s]: readonly [number, number]) => ({
  x: {
    type: 'float32',
    data: Float32Array.from({ length: b * s * 8 }, (_, i) => Math.sin(i * 1.3) * 5),
    dims: [b, s, 8],
  },
});
const plain = ({ dims, data }: Tensor) => ({ dims: [...dims], data: [...data] });
const listed = ({ shape, data }: ITensor) => ({ dims: [...shape], data: [...data] });

describe.each([
  ['s8', [0, 0, 0], true],
  ['s8', [3, -7, 5], true],
  ['u8', [128, 120, 130], true],
  ['u8', [120, 3, 0], false],
] as const)('%s with zero points %j', (type, zeros, ends) => {
  it(ends ? 'quantized again' : 'as floats', async () => {
    const bytes = modelOf(type, zeros, ends);
    const { graph } = compileGraph(await importModel(bytes), { backends: ['onednn'], threads: 1 });
    const model = await compile(bytes, { backends: ['onednn'], threads: 1 });
    for (const sizes of [
      [1, 5],
      [2, 9],
      [1, 1],
      [3, 32],
    ] as const) {
      const feeds = feedsOf(sizes);
      const expected = listed(interpret(graph, toFeeds(feeds as never)).y);
      expect(plain((await model.run(feeds as never)).y)).toEqual(expected);
      expect(model.fallbacks).toEqual([]);
    }
    model.dispose();
  });
});
