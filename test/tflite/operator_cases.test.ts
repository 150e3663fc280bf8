/** The 942 single-operator models of the shared corpus: on the interpreter, and exported on ONNX Runtime. */
import { describe, expect } from 'vitest';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { interpret, isOp, nodesOf, opaqueOp } from '../../src/ir/index.ts';
import { itWhole } from '../support/corpus.ts';
import { differenceOf, runOnnx } from '../unit/onnx_export/support.ts';
import {
  graphOf,
  inAnotherOrder,
  inputsOfRuns,
  type OperatorCase,
  operatorCases,
  outcomeOf,
} from './operator_cases.ts';
import { startOf } from './runs.ts';

const slackOf = (c: OperatorCase): number => (inAnotherOrder(c) ? 2 ** -22 : 0);

describe.each(tfliteProfiles)('single operators in the profile %s', (profile) => {
  itWhole('are equal to what LiteRT computes, or carried by name', async () => {
    const wrong: string[] = [];
    let equal = 0;
    for (const c of operatorCases()) {
      const outcome = await outcomeOf(c, profile, async (graph, feeds) => interpret(graph, feeds), slackOf(c));
      if (outcome.status === 'wrong') wrong.push(`${c.id}: ${outcome.why}`);
      if (outcome.status === 'equal') equal++;
    }
    expect(wrong).toEqual([]);
    expect(equal).toBeGreaterThanOrEqual(800);
  });

  itWhole(
    'give the same numbers on ONNX Runtime after an export',
    async () => {
      const wrong: string[] = [];
      let compared = 0;
      for (const c of operatorCases()) {
        const graph = unlessRefused(() => graphOf(c, profile));
        if (graph === undefined || nodesOf(graph).some((node) => isOp(node, opaqueOp))) continue;
        const bytes = unlessRefused(() => exportOnnx(graph));
        if (bytes === undefined) continue;
        const feeds = { ...inputsOfRuns(c, graph)[0], ...startOf(graph) };
        const why = differenceOf(
          await runOnnx(bytes, feeds, 'all'),
          interpret(graph, feeds),
          inAnotherOrder(c) ? 1e-6 : 0,
        );
        compared++;
        if (why !== undefined) wrong.push(`${c.id}: ${why}`);
      }
      expect(wrong).toEqual([]);
      expect(compared).toBeGreaterThanOrEqual(700);
    },
    60_000,
  );
});

/** Undefined for a model that is refused by its name. */
function unlessRefused<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch (error) {
    if (error instanceof UnskewError && error.code === 'U2008') return undefined;
    throw error;
  }
}
