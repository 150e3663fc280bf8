/** Integer products whose zero points only the run knows, as dynamic quantization makes them: the addon beside the interpreter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, nodesOf, tensor } from '../../src/ir/index.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnDynamicQuantize } from '../../src/ir/ops/qnn_dynamic_quantize.op.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { scaledProducts } from '../../src/testing/arbitraries/scaled.ts';
import { buildConv, buildMatmul, convSpec, feedsOf, matmulSpec } from '../../src/testing/index.ts';
import { draws } from '../support/draws.ts';
import { expectSame } from './support.ts';

const ofRun = fc.record({
  presence: fc.constant('input' as const),
  value: fc.constant(0),
  form: fc.constantFrom('scalar' as const, 'one' as const),
});
const threads = fc.constantFrom(1, 2);
const feeds = fc.record({ pattern: fc.constantFrom('random' as const, 'max' as const), seed: fc.nat(0xffff) });
const isa = fc.constantFrom('vnni' as const, 'avx2' as const, 'amx' as const);

describe('zero points of the run', () => {
  it.each([
    ['convolutions', convSpec({ zx: ofRun }).map(buildConv)],
    ['matrix products', matmulSpec({ za: ofRun }).map(buildMatmul)],
    ...(['product', 'sum', 'relu', 'clip'] as const).map(
      (end) => [`floats behind it: ${end}`, scaledProducts(end)] as const,
    ),
  ] as const)('%s', async (_name, graphs) => {
    await fc.assert(
      fc.asyncProperty(graphs, feeds, threads, isa, async (graph, contents, count, to) => {
        const target = { name: 'onednn', isa: to, threads: count } as const;
        const model = await expectSame(graph, feedsOf(graph, contents), { threads: count, target });
        expect(model.certificate.verdict).toBe('bit-exact');
        model.dispose();
      }),
      draws(40),
    );
  });

  const weights = (shape: readonly number[]) =>
    tensor(
      'u8',
      Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 37) % 256),
      shape,
    );
  const zeroPoint = tensor('u8', Uint8Array.of(131), []);

  it.each([
    ['1-D', [2, 6, 9], [5, 6, 3], 1],
    ['2-D', [1, 3, 8, 8], [7, 3, 3, 3], 1],
    ['grouped', [1, 6, 5, 5], [4, 3, 2, 2], 2],
    ['depthwise', [1, 20, 6, 6], [20, 1, 3, 3], 20],
    ['depthwise in one dimension', [1, 20, 6], [20, 1, 3], 20],
  ] as const)('a %s convolution stays one product, and runs natively', async (_, x, w, group) => {
    const b = new GraphBuilder();
    const { y: q, zp: zx } = b.emit(qnnDynamicQuantize, { x: b.input('x', 'f32', x) });
    const rank = w.length - 2;
    const y = b.emit(
      qnnConv,
      { x: q, w: b.constant(weights(w)), zx, zw: b.constant(zeroPoint) },
      { strides: Array(rank).fill(1), dilations: Array(rank).fill(1), pads: Array(2 * rank).fill(1), group },
    );
    const graph = b.finish([y]);
    const compiled = compileGraph(graph);
    expect(nodesOf(compiled.graph).map(({ op }) => op)).toEqual(['qnn.dynamic_quantize', 'qnn.conv']);
    expect(compiled.certificate.verdict).toBe('bit-exact');
    const model = await expectSame(graph, feedsOf(graph, { pattern: 'random', seed: 3 }));
    expect(model.fallbacks).toEqual([]);
  });

  it.each(['vnni', 'avx2', 'amx'] as const)('a convolution over three axes runs natively: %s', async (to) => {
    const b = new GraphBuilder();
    const { y: q, zp: zx } = b.emit(qnnDynamicQuantize, { x: b.input('x', 'f32', [1, 3, 4, 5, 6]) });
    const y = b.emit(
      qnnConv,
      { x: q, w: b.constant(weights([5, 3, 3, 3, 3])), zx, zw: b.constant(zeroPoint) },
      { strides: [1, 1, 1], dilations: [1, 1, 1], pads: [1, 1, 1, 1, 1, 1] },
    );
    const graph = b.finish([y]);
    const options = { target: { name: 'onednn', isa: to, threads: 1 } } as const;
    const model = await expectSame(graph, feedsOf(graph, { pattern: 'random', seed: 3 }), options);
    expect(model.fallbacks).toEqual([]);
  });

  it('both matrices of attention are of the run', async () => {
    const b = new GraphBuilder();
    const { y: q, zp: za } = b.emit(qnnDynamicQuantize, { x: b.input('q', 'f32', [2, 3, 5, 8]) });
    const { y: k, zp: zb } = b.emit(qnnDynamicQuantize, { x: b.input('k', 'f32', [2, 3, 8, 7]) });
    const graph = b.finish([b.emit(qnnMatmul, { a: q, b: k, za, zb })]);
    const model = await expectSame(graph, feedsOf(graph, { pattern: 'random', seed: 3 }));
    expect(model.fallbacks).toEqual([]);
    expect(new Model(compileGraph(graph)).certificate.verdict).toBe('bit-exact');
  });
});
