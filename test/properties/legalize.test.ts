/** `legalize` on random networks: whatever target and strategy, the meaning stays, and every pass leaves a good graph. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verify } from '../../src/ir/index.ts';
import { legalize } from '../../src/passes/legalize.ts';
import { strategyNames } from '../../src/passes/strategies.ts';
import { targetNames } from '../../src/passes/target.ts';
import { arbitraryFeeds, arbitraryNet, compareGraphs, defaultRuns, feedsOf } from '../../src/testing/index.ts';

const settings = { numRuns: Math.ceil(defaultRuns / 5), seed: Number(process.env.UNSKEW_SEED ?? 665) };
const cases = targetNames.flatMap((target) =>
  strategyNames.map((strategy) => ({ target, strategy: strategy as 'auto' })),
);

describe.each(cases)('legalize for $target by $strategy', ({ target, strategy }) => {
  it('means the same, bit for bit', { timeout: 900_000 }, () => {
    fc.assert(
      fc.property(arbitraryNet(), arbitraryFeeds, (graph, inputs) => {
        const { graph: after, certificate } = legalize(graph, {
          target,
          strategy,
          afterPass: (pass, g) => expect(verify(g, pass.to)).toEqual([]),
        });
        expect(certificate.verdict).toBe('bit-exact');
        expect(compareGraphs(graph, after, feedsOf(graph, inputs))).toBeUndefined();
      }),
      settings,
    );
  });

  it('corrects grouped float networks without changing the grouped one', { timeout: 900_000 }, () => {
    fc.assert(
      fc.property(arbitraryNet('qdq'), arbitraryFeeds, (graph, inputs) => {
        const { graph: after, quantized } = legalize(graph, {
          target,
          strategy,
          afterPass: (pass, g) => expect(verify(g, pass.to)).toEqual([]),
        });
        expect(compareGraphs(quantized, after, feedsOf(graph, inputs))).toBeUndefined();
      }),
      settings,
    );
  });
});

describe('legalize for symmetric', () => {
  it('leaves no zero point on any convolution or matmul', { timeout: 900_000 }, () => {
    fc.assert(
      fc.property(arbitraryNet(), (graph) => {
        const { graph: after } = legalize(graph, { target: 'symmetric' });
        const left = Object.values(after.nodes).filter(({ op }) => op === 'qnn.conv' || op === 'qnn.matmul');
        expect(left).toEqual([]);
      }),
      settings,
    );
  });
});
