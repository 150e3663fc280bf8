/** Sums beyond 2^24, which f32 does not hold: oneDNN returns s32 sums by way of f32 where it adds a bias or shifts the source. */
import { describe, expect, it } from 'vitest';
import { type Feeds, type Graph, GraphBuilder, sizeOf, tensor } from '../../src/ir/index.ts';
import { dnnlConv } from '../../src/ir/ops/dnnl_conv.op.ts';
import { dnnlMatmul } from '../../src/ir/ops/dnnl_matmul.op.ts';
import { nnAdd } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnConvTranspose } from '../../src/ir/ops/qnn_conv_transpose.op.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { randomSource } from '../../src/testing/contents.ts';
import { expectSame } from './support.ts';

const K = 2048;

/** Bytes near the upper end of their type, so that sums pass 2^24. */
function high<D extends 'u8' | 's8'>(dtype: D, shape: readonly number[], seed: number) {
  const next = randomSource(seed);
  const top = dtype === 'u8' ? 255 : 127;
  return tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, () => top - Math.floor(next() * 9)),
    shape,
  );
}

const product = {
  conv(x: 'u8' | 's8', bias: boolean, zero: number): Graph {
    const b = new GraphBuilder();
    const source = b.input('x', x, [1, K, 2, 3]);
    const w = b.constant(high('s8', [5, K, 1, 2], 3));
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 1, 1, 0], group: 1 };
    const y = b.emit(qnnConv, { x: source, w, zx: b.scalar(x, zero) }, attrs);
    return b.finish([bias ? b.emit(nnAdd, { a: y, b: b.constant(tensor('s32', [1, 3, 5, 7, 9], [5, 1, 1])) }) : y]);
  },
  'transposed conv'(x: 'u8' | 's8', bias: boolean, zero: number): Graph {
    const b = new GraphBuilder();
    const source = b.input('x', x, [1, K / 4, 3, 4]);
    const w = b.constant(high('s8', [K / 4, 5, 4, 4], 3));
    const attrs = { strides: [2, 2], dilations: [1, 1], pads: [1, 1, 1, 1], outputPadding: [0, 0], group: 1 };
    const y = b.emit(qnnConvTranspose, { x: source, w, zx: b.scalar(x, zero) }, attrs);
    return b.finish([bias ? b.emit(nnAdd, { a: y, b: b.constant(tensor('s32', [1, 3, 5, 7, 9], [5, 1, 1])) }) : y]);
  },
  matmul(x: 'u8' | 's8', bias: boolean, zero: number): Graph {
    const b = new GraphBuilder();
    const source = b.input('x', x, [3, K]);
    const w = b.constant(high('s8', [K, 5], 3));
    const y = b.emit(qnnMatmul, { a: source, b: w, za: b.scalar(x, zero) });
    return b.finish([bias ? b.emit(nnAdd, { a: y, b: b.constant(tensor('s32', [1, 3, 5, 7, 9])) }) : y]);
  },
  'matmul of batches'(x: 'u8' | 's8', computed: boolean, zero: number): Graph {
    const b = new GraphBuilder();
    const source = b.input('x', x, [2, 3, K]);
    const w = computed ? b.input('w', 's8', [2, K, 5]) : b.constant(high('s8', [2, K, 5], 3));
    return b.finish([b.emit(qnnMatmul, { a: source, b: w, za: b.scalar(x, zero) })]);
  },
  'matmul of one batch and several'(x: 'u8' | 's8', computed: boolean, zero: number): Graph {
    const b = new GraphBuilder();
    const source = b.input('x', x, [3, K]);
    const w = computed ? b.input('w', 's8', [2, K, 5]) : b.constant(high('s8', [2, K, 5], 3));
    return b.finish([b.emit(qnnMatmul, { a: source, b: w, za: b.scalar(x, zero) })]);
  },
};

const feedsFor = (graph: Graph): Feeds =>
  Object.fromEntries(
    graph.inputs.map((id, i) => {
      const { dtype, shape } = graph.values[id].type;
      return [id, high(dtype as 'u8', shape as number[], i + 1)];
    }),
  );

describe.each(Object.entries(product))('s32 sums of a %s', (_, build) => {
  it.each(
    (['u8', 's8'] as const).flatMap((x) =>
      [false, true].flatMap((more) => [3, 0].map((zero) => [x, more, zero] as const)),
    ),
  )('are exact beyond 2^24: %s, %s, zero point %i', async (x, more, zero) => {
    const graph = build(x, more, zero);
    const model = await expectSame(graph, feedsFor(graph), { threads: 1, strategy: 'native' });
    expect(model.fallbacks).toEqual([]);
    model.dispose();
  });
});

describe('s32 sums of fused operators with additions', () => {
  it.each([0, 3])('are exact beyond 2^24, zero point %i', async (sourceZeroPoint) => {
    const b = new GraphBuilder();
    const x = b.input('x', 'u8', [1, K, 1, 2]);
    const w = b.constant(high('s8', [5, K, 1, 1], 3));
    const bias = b.constant(tensor('s32', [1, 3, 5, 7, 9]));
    const map = b.constant(tensor('s32', [1, -2, 3, -4, 5, -6, 7, -8, 9, -10], [1, 5, 1, 2]));
    const window = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };
    const y = b.emit(dnnlConv, { x, w, bias, map }, { ...window, to: 's32', sourceZeroPoint });
    const a = b.input('a', 'u8', [3, K]);
    const z = b.emit(dnnlMatmul, { a, b: b.constant(high('s8', [K, 5], 4)), bias }, { to: 's32', sourceZeroPoint });
    const graph = b.finish([y, z]);
    const model = await expectSame(graph, feedsFor(graph), { threads: 1 });
    expect(model.fallbacks).toEqual([]);
    model.dispose();
  });
});
