/** Graphs with one change of any kind: a difference that an input shows is never proved away, before and after selection. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import { select } from '../../src/codegen/select.ts';
import { resolveTarget } from '../../src/codegen/targets.ts';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { type Feeds, type Graph, interpret } from '../../src/ir/index.ts';
import { runPipeline } from '../../src/passes/manager.ts';
import { checkGraphs } from '../../src/proofs/check.ts';
import { isProved, isRefuted, witnessFeeds } from '../../src/proofs/obligation.ts';
import { GraphPair } from '../../src/proofs/region.ts';
import { Session } from '../../src/proofs/session.ts';
import { portableBackend } from '../../src/runtime/backends.ts';
import { randomSource } from '../../src/testing/contents.ts';
import {
  arbitraryNet,
  arbitraryRoot,
  buildConv,
  buildMatmul,
  compareGraphs,
  convSpec,
  defaultRuns,
  feedsOf,
  matmulSpec,
  ops,
  patterns,
} from '../../src/testing/index.ts';
import { mutant, mutations } from './graph_mutations.ts';

const sources: Readonly<Record<string, fc.Arbitrary<Graph>>> = {
  convolutions: convSpec().map(buildConv),
  'transposed convolutions': arbitraryRoot(ops.qnnConvTranspose),
  matmuls: matmulSpec().map(buildMatmul),
  requantizations: arbitraryRoot(ops.qnnRequantize),
  tables: arbitraryRoot(ops.qnnLut),
  movements: fc.oneof(...[ops.nnTranspose, ops.nnConcat, ops.nnPad].map((op) => arbitraryRoot(op))),
  networks: fc.oneof(arbitraryNet(), arbitraryNet('qdq')),
};
const strategies = ['auto', 'border-table', 'pad', 'four-term', 'native', 'two-conv', 'f32-shift'] as const;
const kinds = Object.values(mutations);

/** Inputs of every pattern; sums that are inputs stay where layers leave them too. */
function* inputsOf(graph: Graph): Generator<Feeds> {
  for (const pattern of patterns)
    for (const seed of [1, 2]) {
      const feeds = feedsOf(graph, { pattern, seed });
      yield feeds;
      yield Object.fromEntries(
        Object.entries(feeds).map(([id, t]) => [
          id,
          t.dtype === 's32' ? { ...t, data: (t.data as Int32Array).map((v) => v % 300) } : t,
        ]),
      );
    }
}

/** True when an input shows that the graphs differ. A graph that fails on an input differs from one that does not. */
function differ(before: Graph, after: Graph): boolean {
  for (const feeds of inputsOf(before)) {
    try {
      if (compareGraphs(before, after, feeds)) return true;
    } catch (error) {
      if (!(error instanceof UnskewError)) throw error;
      return true;
    }
  }
  return false;
}

/** Checks every refutation that has an input: both sides compute the values that it states. */
function expectWitnesses(before: Graph, after: Graph): 'proved' | 'refuted' | 'open' {
  const pair = new GraphPair(before, after);
  const found = [...checkGraphs(before, after, new Session(665))];
  for (const [root, { obligations }] of found)
    for (const { verdict } of obligations) {
      if (typeof verdict === 'string' || !('refuted' in verdict)) continue;
      const { index, before: expected, after: other, ...witness } = verdict.refuted;
      const region = pair.region(root)!;
      const feeds = witnessFeeds({ index, before: expected, after: other, ...witness });
      const values = [region.before, region.after].map((graph) => {
        const { shape, data } = interpret(graph, feeds)[root];
        return Number(data[index.reduce((flat, i, axis) => flat * shape[axis] + i, 0)]);
      });
      expect(values).toEqual([expected, other]);
    }
  const all = found.flatMap(([, { obligations }]) => obligations);
  return all.some(isRefuted) ? 'refuted' : all.every(isProved) ? 'proved' : 'open';
}

it.each(Object.entries(sources))('%s', { timeout: 900_000 }, (_name, graphs) => {
  const count = { refuted: 0, open: 0, proved: 0 };
  fc.assert(
    fc.property(graphs, fc.nat(), (graph, seed) => {
      const random = randomSource(seed);
      const draw = (n: number) => Math.floor(random() * n);
      const { quantized, graph: corrected } = legalize(graph, {
        target: draw(2) === 0 ? 'symmetric' : 'onednn',
        strategy: strategies[draw(strategies.length)],
        verify: false,
      });
      const pairs = [
        [quantized, corrected],
        [quantized, quantized],
        [corrected, runPipeline(corrected, [select(portableBackend)], { target: resolveTarget('onednn') }).graph],
      ] as const;
      for (const [before, made] of pairs) {
        const after = mutant(made, kinds[draw(kinds.length)], draw);
        if (after === undefined) continue;
        const verdict = expectWitnesses(before, after);
        if (verdict === 'proved') expect(differ(before, after)).toBe(false);
        count[verdict]++;
      }
    }),
    { numRuns: defaultRuns },
  );
  expect(count.refuted + count.open).toBeGreaterThan(5);
});
