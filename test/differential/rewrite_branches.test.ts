/**
 * Random networks cut in two, the second part in the branches of an If: the rewritten networks compute the same, and every
 * layer left is named.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { accountOf } from '../../src/cli/layer_account.ts';
import { legalize } from '../../src/codegen/legalize.ts';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { openOnnx } from '../../src/formats/onnx/index.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Graph, nodesOf, tensor } from '../../src/ir/index.ts';
import { arbitraryFeeds, arbitraryNet, feedsOf } from '../../src/testing/index.ts';
import { zeroPointsLeft } from '../faults/zero_points.ts';
import { hasVnni, SATURATES } from '../support/exact_weights.ts';
import { intoBranches } from '../support/into_branches.ts';
import { differenceOf, runOnnx } from '../unit/onnx_export/support.ts';

function written(graph: Graph): Uint8Array | undefined {
  try {
    return exportOnnx(graph);
  } catch (error) {
    if (error instanceof UnskewError && error.code === 'U2008') return undefined;
    throw error;
  }
}

/**
 * True for pools that may have a last window behind the edge: ONNX infers an element for it, the kernel of ONNX Runtime
 * computes none.
 */
const isMisjudged = (net: Graph): boolean =>
  nodesOf(net).some(({ op, attrs }) => /pool/.test(op) && attrs.ceilMode === true);

it('networks in branches', async ({ skip }) => {
  const count = { compared: 0, corrected: 0 };
  const property = fc.asyncProperty(
    arbitraryNet(),
    arbitraryFeeds,
    fc.nat(),
    fc.boolean(),
    fc.boolean(),
    async (net, seed, at, inner, condition) => {
      const flat = isMisjudged(net) ? undefined : written(net);
      const bytes = flat && intoBranches(flat, at % openOnnx(flat).graph.nodes.length, inner);
      if (bytes === undefined) return;
      const source = importOnnx(bytes);
      const legal = legalize(source);
      const after = written(legal.graph);
      if (after === undefined) return;
      const left = zeroPointsLeft(after);
      if (accountOf(source, legal).reached) expect(left).toEqual([]);
      if (left.length < zeroPointsLeft(bytes).length) count.corrected++;
      const feeds = { ...feedsOf(net, seed), condition: tensor('bool', [condition ? 1 : 0], []) };
      const expected = await runOnnx(bytes, feeds).catch(() => undefined); // not all of it is run
      if (expected === undefined) return;
      const found = await runOnnx(after, feeds);
      // groups are within a step
      if (legal.certificate.grouping.length > 0) return;
      count.compared++;
      if (hasVnni) expect(differenceOf(found, expected, 2e-5)).toBeUndefined();
    },
  );
  await fc.assert(property, { numRuns: process.env.UNSKEW_DEEP ? 2500 : 60 });
  expect(count.compared).toBeGreaterThan(10);
  expect(count.corrected).toBeGreaterThan(5);
  skip(!hasVnni, SATURATES);
}, 300_000);
