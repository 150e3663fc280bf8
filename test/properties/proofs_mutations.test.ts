/** Right rewrites with one number changed: the checker finds every change that matters. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import {
  constantOf,
  dtypes,
  type Graph,
  type ITensor,
  interpret,
  type Node,
  nodesOf,
  verify,
} from '../../src/ir/index.ts';
import { checkGraphs } from '../../src/proofs/check.ts';
import { isProved, isRefuted } from '../../src/proofs/obligation.ts';
import { Session } from '../../src/proofs/session.ts';
import {
  arbitraryNet,
  buildConv,
  compareGraphs,
  convSpec,
  defaultRuns,
  feedsOf,
  present,
} from '../../src/testing/index.ts';

const seed = Number(process.env.UNSKEW_SEED ?? 665);
const settings = { numRuns: defaultRuns, seed };
const LONG = { timeout: 900_000 };
const constant = fc.constant(false);
const conv = convSpec({ zx: present, symbolic: constant, computed: constant }).map(buildConv);

/** The graph with one element of one constant changed; undefined for a graph without constants. */
function mutated(
  graph: Graph,
  choice: number,
  by: number,
  among: (node: Node, operand: number) => boolean,
): Graph | undefined {
  const sites = nodesOf(graph).flatMap((node) =>
    node.operands.flatMap((id, operand) => {
      const t = constantOf(graph, id);
      return id && t && among(node, operand) && dtypes[t.dtype].kind !== 'float' && t.data.length > 0
        ? [{ id, t }]
        : [];
    }),
  );
  if (sites.length === 0) return undefined;
  const { id, t } = sites[choice % sites.length];
  const data = t.data.slice() as Int32Array;
  const at = (choice >> 4) % data.length;
  const { min, max } = dtypes[t.dtype];
  data[at] = data[at] + by > max || data[at] + by < min ? data[at] - by : data[at] + by;
  const pool = graph.pool;
  const changed = pool.add({ ...t, data } as ITensor);
  return { ...graph, values: { ...graph.values, [id]: { ...graph.values[id], constant: changed } } };
}

/** Refuted, or the change does not matter: then random inputs do not show it either. */
function judge(before: Graph, after: Graph): 'refuted' | 'harmless' {
  const obligations = [...checkGraphs(before, after, new Session(seed)).values()].flatMap((r) => r.obligations);
  if (obligations.some(isRefuted)) return 'refuted';
  expect(obligations.filter((o) => !isProved(o))).toEqual([]);
  for (let i = 0; i < 3; i++)
    expect(compareGraphs(before, after, feedsOf(before, { pattern: 'random', seed: i }))).toBeUndefined();
  return 'harmless';
}

describe.each([
  ['a sum, a border value or a factor', (node: Node) => /^nn\.(add|sub|mul)$/.test(node.op), 1],
  ['a weight', (node: Node, operand: number) => /conv$/.test(node.op) && operand === 1, 1],
  ['a weight by a power of two', (node: Node, operand: number) => /conv$/.test(node.op) && operand === 1, 64],
  ['what padding holds', (node: Node, operand: number) => node.op === 'nn.pad' && operand === 1, 1],
] as const)('%s changed', (_what, among, by) => {
  it.each(['auto', 'border-table', 'pad', 'four-term'] as const)('is refuted (%s)', LONG, (strategy) => {
    let [refuted, harmless] = [0, 0];
    fc.assert(
      fc.property(conv, fc.nat(), (graph, choice) => {
        const { quantized, graph: corrected } = legalize(graph, { strategy });
        const after = mutated(corrected, choice, by, among);
        if (after === undefined) return;
        if (judge(quantized, after) === 'refuted') refuted++;
        else harmless++;
      }),
      { ...settings, numRuns: Math.ceil(defaultRuns / 2) },
    );
    // A weight that meets zeros only, a tap that is always outside: few changes do not matter.
    if (refuted + harmless > 0) expect(refuted).toBeGreaterThan(harmless);
  });
});

describe('a zero point changed', () => {
  it('in one layer of a network is refuted, unless its weights are 0', LONG, () => {
    let [refuted, harmless] = [0, 0];
    fc.assert(
      fc.property(arbitraryNet(), fc.nat(), (graph, choice) => {
        const { quantized, graph: corrected } = legalize(graph, { target: 'onednn', strategy: 'native' });
        const after = mutated(corrected, choice, 1, (node, operand) => node.op === 'qnn.conv' && operand === 2);
        if (after === undefined) return;
        if (judge(quantized, after) === 'refuted') refuted++;
        else harmless++;
      }),
      settings,
    );
    expect(refuted).toBeGreaterThan(10 * harmless);
  });
});

describe('attributes changed', () => {
  it('pads moved from one side to the other are refuted', LONG, () => {
    let refuted = 0;
    fc.assert(
      fc.property(conv, (graph) => {
        const { quantized, graph: corrected } = legalize(graph, { strategy: 'border-table' });
        const node = nodesOf(corrected).find(({ op }) => op === 'nn.conv');
        const pads = node && (node.attrs.pads as readonly number[]);
        if (!node || !pads) return;
        const rank = pads.length / 2;
        const moved = [...pads.slice(rank), ...pads.slice(0, rank)];
        if (moved.every((p, i) => p === pads[i])) return;
        const after: Graph = {
          ...corrected,
          nodes: { ...corrected.nodes, [node.id]: { ...node, attrs: { ...node.attrs, pads: moved } } },
        };
        expect(verify(after)).toEqual([]);
        if (judge(quantized, after) === 'refuted') refuted++;
      }),
      settings,
    );
    expect(refuted).toBeGreaterThan(10);
  });
});

it('constants that the checker is given stay as they were', () => {
  const [graph] = fc.sample(conv, { numRuns: 1, seed });
  const { quantized, graph: corrected } = legalize(graph);
  const feeds = feedsOf(graph, { pattern: 'random', seed: 1 });
  const before = interpret(corrected, feeds);
  checkGraphs(quantized, corrected);
  expect(interpret(corrected, feeds)).toEqual(before);
});
