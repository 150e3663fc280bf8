/** A way that was asked for, for all layers, is taken, or the report says why it is not. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { legalize } from '../../../src/codegen/legalize.ts';
import { targetNames } from '../../../src/codegen/target_names.ts';
import { strategyNames } from '../../../src/passes/strategy_names.ts';
import { arbitraryNet } from '../../../src/testing/index.ts';

const cases = targetNames.flatMap((target) => strategyNames.map((strategy) => [strategy, target] as const));

test.each(cases)('%s for %s', (strategy, target) => {
  let entries = 0;
  fc.assert(
    fc.property(arbitraryNet(), (graph) => {
      for (const entry of legalize(graph, { target, strategy: strategy as 'auto' }).strategies) {
        entries++;
        const { insteadOf } = entry;
        if (strategy === 'auto' || entry.chosen === strategy) expect(insteadOf).toBeUndefined();
        else expect(insteadOf).toEqual({ way: strategy, reason: expect.stringMatching(/./) });
        const judged = entry.ways.find(({ name }) => name === strategy);
        if (insteadOf && judged) expect(judged).toMatchObject({ legal: false, reason: insteadOf.reason });
      }
    }),
    { numRuns: 20 },
  );
  expect(entries).toBeGreaterThan(0);
});
