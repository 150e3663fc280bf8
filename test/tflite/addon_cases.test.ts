/** Single-operator models of the shared corpus on the addon: the bytes of the interpreter, without its help where nothing is left to it. */
import { describe, expect } from 'vitest';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { interpret } from '../../src/ir/index.ts';
import { expectSame } from '../differential/support.ts';
import { itWhole } from '../support/corpus.ts';
import { type OperatorCase, operatorCases, outcomeOf } from './operator_cases.ts';

/** By operator, the least number of recorded cases that run on the addon alone. */
const native = {
  ...{ SOFTMAX: 27, QUANTIZE: 53, ADD: 48, SUB: 30, MUL: 38, PRELU: 14 },
  ...{ SLICE: 6, STRIDED_SLICE: 12, SPLIT: 5, PACK: 5, GATHER: 3, ARG_MAX: 6 },
  ...{ RESIZE_BILINEAR: 25, RESIZE_NEAREST_NEIGHBOR: 14 },
} as const;

describe.each(tfliteProfiles)('in the profile %s', (profile) => {
  /** True when nothing was left to the interpreter. */
  async function isNative(c: OperatorCase): Promise<boolean> {
    let left = 1;
    const { status, ...why } = await outcomeOf(c, profile, async (graph, feeds) => {
      const model = await expectSame(graph, feeds, { threads: 1 });
      left = model.fallbacks.length;
      model.dispose();
      return interpret(graph, feeds);
    });
    if (status === 'wrong') expect.fail(`${c.id}: ${JSON.stringify(why)}`);
    return status === 'equal' && left === 0;
  }

  for (const [operator, least] of Object.entries(native))
    itWhole(`${operator} equals the interpreter`, async () => {
      let count = 0;
      for (const c of operatorCases(operator)) if (await isNative(c)) count++;
      expect(count).toBeGreaterThanOrEqual(least);
    });
});
