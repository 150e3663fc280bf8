/** `legalize` on random networks: for every target and strategy the meaning stays, and every pass leaves a valid graph. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LegalizeOptions, legalize } from '../../src/codegen/legalize.ts';
import { targetNames } from '../../src/codegen/target_names.ts';
import {
  type Graph,
  isOp,
  nnAdd,
  nnConv,
  nodesOf,
  qnnConv,
  qnnMatmul,
  qnnQuantize,
  qnnRequantize,
  verifyOrThrow,
} from '../../src/ir/index.ts';
import { strategyNames } from '../../src/passes/strategy_names.ts';
import { arbitraryNet, arbitraryRoot, checkTransform, defaultRuns } from '../../src/testing/index.ts';

const LONG = { timeout: 900_000 };
const runs = Math.ceil(defaultRuns / 5);
const afterPass: LegalizeOptions['afterPass'] = (pass, graph) => verifyOrThrow(graph, pass.to);

/** The graph before any zero point was corrected, and after. */
function corrected(graph: Graph, options: LegalizeOptions): readonly [Graph, Graph] {
  const { graph: after, quantized, certificate } = legalize(graph, { ...options, afterPass });
  expect(certificate.verdict).toBe('bit-exact');
  return [quantized, after];
}

const cases = targetNames.flatMap((target) =>
  strategyNames.map((strategy) => ({ target, strategy: strategy as 'auto' })),
);

describe.each(cases)('legalize for $target by $strategy', (options) => {
  it('means the same, bit for bit', LONG, () => {
    const transform = (graph: Graph) => corrected(graph, options)[1];
    checkTransform({ name: 'legalize', law: 'legalize(g) = g', graphs: arbitraryNet(), transform, runs });
  });

  it('corrects grouped float networks without changing the grouped one', LONG, () => {
    const transform = (graph: Graph) => corrected(graph, options);
    checkTransform({ name: 'correct', law: 'corrected = quantized', graphs: arbitraryNet('qdq'), transform, runs });
  });
});

/** Single layers with everything that may be computed at run time: weights, zero points, sizes. */
describe.each([qnnConv, qnnMatmul, qnnRequantize, qnnQuantize, nnAdd, nnConv])(
  'legalize of graphs around $name',
  (root) => {
    const targets = [...targetNames, { name: 'onednn', isa: 'avx2', threads: 1 } as const];

    it.each(
      targets.flatMap((target) => [...strategyNames].map((strategy) => ({ target, strategy: strategy as 'auto' }))),
    )('means the same for %j', LONG, (options) => {
      const transform = (graph: Graph) => corrected(graph, options);
      const graphs = arbitraryRoot(root);
      checkTransform({ name: 'correct', law: 'corrected = quantized', graphs, transform, runs: Math.ceil(runs / 3) });
    });
  },
);

describe('legalize for symmetric', () => {
  it('leaves no zero point on any convolution or matmul', LONG, () => {
    fc.assert(
      fc.property(arbitraryNet(), (graph) => {
        const { graph: after } = legalize(graph, { target: 'symmetric' });
        expect(nodesOf(after).filter((node) => isOp(node, qnnConv, qnnMatmul))).toEqual([]);
      }),
      { numRuns: runs, seed: 665 },
    );
  });
});
