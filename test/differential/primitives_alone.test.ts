/** `kernels: 'onednn'`: products and pools by primitives alone, as exact as with kernels of our own. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planGraph } from '../../src/codegen/index.ts';
import type { NativePlan } from '../../src/codegen/onednn/plan.ts';
import { checkFeeds, type Feeds, type Graph, GraphBuilder, specialize } from '../../src/ir/index.ts';
import { nnMaxPool } from '../../src/ir/ops/nn_pool.op.ts';
import { openHere } from '../../src/runtime/backends.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { buildConv, buildMatmul, convSpec, feedsOf, matmulSpec } from '../../src/testing/index.ts';
import { draws } from '../support/draws.ts';
import { expectSame } from './support.ts';

const isa = fc.constantFrom('vnni' as const, 'avx2' as const, 'amx' as const);
const feeds = fc.record({ pattern: fc.constantFrom('random' as const, 'max' as const), seed: fc.nat(0xffff) });
const ours = ['convolution', 'depthwise', 'matrix-product', 'byte-max-pool'];

/** The names of our kernels among the commands of a run. */
function kernelsOf(graph: Graph, feeds: Feeds, kernels: 'auto' | 'onednn'): string[] {
  const compiled = compileGraph(graph, { target: { name: 'onednn', isa: 'vnni', threads: 1, kernels } });
  const sized = specialize(compiled.graph, checkFeeds(compiled.graph, feeds));
  return planGraph(sized, openHere(['onednn'], 1, kernels)).flatMap(
    ({ plan }) =>
      (plan as Partial<NativePlan>).spec?.commands.flatMap((command) =>
        command.kind === 'kernel' ? [command.kernel.name] : [],
      ) ?? [],
  );
}

describe("kernels: 'onednn'", () => {
  it.each([
    ['convolutions', convSpec().map(buildConv)],
    ['matrix products', matmulSpec().map(buildMatmul)],
  ])('%s equal the interpreter, and none is of ours', async (_name, graphs) => {
    await fc.assert(
      fc.asyncProperty(graphs, feeds, isa, async (graph, contents, to) => {
        const target = { name: 'onednn', isa: to, threads: 1, kernels: 'onednn' } as const;
        const model = await expectSame(graph, feedsOf(graph, contents), { kernels: 'onednn', threads: 1, target });
        expect(model.certificate.verdict).toBe('bit-exact');
        model.dispose();
        expect(kernelsOf(graph, feedsOf(graph, contents), 'onednn').filter((name) => ours.includes(name))).toEqual([]);
      }),
      draws(40),
    );
  });

  it('maximum pools', async () => {
    const b = new GraphBuilder();
    const pads = [1, 1, 0, 0];
    const attrs = { kernel: [3, 3], strides: [2, 2], dilations: [1, 1], pads };
    const graph = b.finish([b.emit(nnMaxPool, { x: b.input('x', 's8', [2, 20, 9, 9]) }, attrs)]);
    const given = feedsOf(graph, { pattern: 'random', seed: 3 });
    await expectSame(graph, given, { kernels: 'onednn' });
    expect(kernelsOf(graph, given, 'onednn')).not.toContain('byte-max-pool');
    expect(kernelsOf(graph, given, 'auto')).toContain('byte-max-pool');
  });
});
