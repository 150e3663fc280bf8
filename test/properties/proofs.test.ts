/** The checker against the rules, and against the interpreter: its proofs hold, and its witnesses show what it refutes. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import { select } from '../../src/codegen/select.ts';
import { targetNames } from '../../src/codegen/target_names.ts';
import { resolveTarget } from '../../src/codegen/targets.ts';
import { type Graph, interpret, type ValueId } from '../../src/ir/index.ts';
import { correctionRules } from '../../src/passes/all_rules.ts';
import { runPipeline } from '../../src/passes/manager.ts';
import type { AnyRule } from '../../src/passes/rewrite/rule.ts';
import { strategyNames } from '../../src/passes/strategy_names.ts';
import { checkGraphs } from '../../src/proofs/check.ts';
import { isRefuted, type Obligation, witnessFeeds } from '../../src/proofs/obligation.ts';
import { GraphPair } from '../../src/proofs/region.ts';
import { Session } from '../../src/proofs/session.ts';
import { portableBackend } from '../../src/runtime/backends.ts';
import {
  applyOnce,
  arbitraryFeeds,
  arbitraryNet,
  type Contents,
  compareGraphs,
  defaultRuns,
  feedsOf,
  graphsFor,
} from '../../src/testing/index.ts';

const seed = Number(process.env.UNSKEW_SEED ?? 665);
const settings = { numRuns: defaultRuns, seed };
const LONG = { timeout: 900_000 };

function checked(before: Graph, after: Graph): [ValueId, Obligation][] {
  return [...checkGraphs(before, after, new Session(seed))].flatMap(([root, { obligations }]) =>
    obligations.map((o): [ValueId, Obligation] => [root, o]),
  );
}

/** The verdict of the checker holds in the interpreter, and there is one. */
function expectRight(before: Graph, after: Graph, inputs: Contents): 'proved' | 'refuted' {
  const all = checked(before, after);
  const refuted = all.filter(([, o]) => isRefuted(o));
  for (const [root, { verdict }] of refuted) {
    const { refuted: witness } = verdict as Extract<Obligation['verdict'], { refuted: unknown }>;
    const region = new GraphPair(before, after).region(root)!;
    const feeds = witnessFeeds(witness);
    const [left, right] = [region.before, region.after].map((graph) => interpret(graph, feeds)[root]);
    const at = witness.index.reduce((flat, i, axis) => flat * left.shape[axis] + i, 0);
    expect([left.data[at], right.data[at]]).toEqual([witness.before, witness.after]);
    expect(witness.before).not.toBe(witness.after);
  }
  if (refuted.length > 0) return 'refuted';
  expect(
    all.flatMap(([, { verdict }]) => (typeof verdict === 'object' && 'open' in verdict ? [verdict.open] : [])),
  ).toEqual([]);
  for (const contents of [inputs, { ...inputs, pattern: 'random' } as Contents])
    expect(compareGraphs(before, after, feedsOf(before, contents))).toBeUndefined();
  return 'proved';
}

describe.each(correctionRules.map((rule) => [rule.name, rule] as const))('%s', (_name, rule) => {
  it('is proved wherever it fires', LONG, () => {
    let proved = 0;
    fc.assert(
      fc.property(graphsFor(rule), arbitraryFeeds, (graph, inputs) => {
        const after = applyOnce(graph, rule);
        if (after === undefined) return;
        expect(expectRight(graph, after, inputs)).toBe('proved');
        proved++;
      }),
      settings,
    );
    expect(proved).toBeGreaterThan(settings.numRuns / 4);
  });

  it('its wrong variant is refuted wherever it is wrong', LONG, () => {
    let refuted = 0;
    fc.assert(
      fc.property(graphsFor(rule), arbitraryFeeds, (graph, inputs) => {
        const after = wrongly(graph, rule);
        if (after !== undefined && expectRight(graph, after, inputs) === 'refuted') refuted++;
      }),
      settings,
    );
    expect(refuted).toBeGreaterThan(0);
  });
});

/** Undefined where the variant makes a graph of other types, which the driver refuses in any case. */
function wrongly(graph: Graph, rule: AnyRule): Graph | undefined {
  try {
    return applyOnce(graph, { ...rule, rewrite: rule.wrong!.rewrite });
  } catch {
    return undefined;
  }
}

const cases = targetNames.flatMap((target) =>
  strategyNames.map((strategy) => ({ target, strategy: strategy as 'auto' })),
);

describe.each(cases)('networks for $target by $strategy', ({ target, strategy }) => {
  it('are proved, corrections and selection', LONG, () => {
    fc.assert(
      fc.property(arbitraryNet(), (graph) => {
        const { quantized, graph: corrected } = legalize(graph, { target, strategy });
        const selected = runPipeline(corrected, [select(portableBackend)], { target: resolveTarget('onednn') }).graph;
        for (const [root, { what, verdict }] of [...checked(quantized, corrected), ...checked(corrected, selected)])
          expect([root, what, verdict]).toEqual([root, what, 'proved']);
      }),
      { ...settings, numRuns: Math.ceil(defaultRuns / 10) },
    );
  });
});
