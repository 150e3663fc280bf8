/** Exported models on ONNX Runtime: random graphs against the interpreter, the corpus against its own models. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnskewError } from '../../src/diagnostics/index.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import * as ir from '../../src/ir/index.ts';
import { allOps, type Graph, interpret, isFloat, isOp, nodesOf, oneOf, typeOf } from '../../src/ir/index.ts';
import { arbitraryFeeds, arbitraryNet, type Family, familiesOf, feedsOf } from '../../src/testing/index.ts';
import { describeCorpus, many } from '../support/corpus.ts';
import { hasVnni, mayLeaveInt16, SATURATES } from '../support/exact_weights.ts';
import { differenceOf, graphCases, isHeld, runOnnx, touched } from '../unit/onnx_export/support.ts';

const refused = (body: () => Uint8Array): Uint8Array | undefined => {
  try {
    return body();
  } catch (error) {
    if (error instanceof UnskewError && error.code === 'U2008') return undefined;
    throw error;
  }
};

/**
 * Operators whose ONNX Runtime kernels round otherwise than the interpreter: float sums in another order, functions that are
 * not rounded once, and the effect of both on ties after a quantization. /
 */
const isExact = (graph: Graph): boolean =>
  nodesOf(graph).every((node) => {
    const { dtype } = typeOf(graph, node.id);
    return dtype === 'opaque' || !isFloat(dtype) || isExactFloat(node);
  });
const isExactFloat = oneOf(
  ...[ir.nnCast, ir.nnAdd, ir.nnSub, ir.nnMul, ir.nnDiv, ir.nnMin, ir.nnMax, ir.nnNeg, ir.nnAbs, ir.nnRelu, ir.nnClip],
  ...[ir.nnIdentity, ir.nnReshape, ir.nnTranspose, ir.nnConcat, ir.nnPad, ir.nnSlice, ir.nnExpand, ir.nnTile],
  ...[ir.nnGather, ir.nnGatherElements, ir.nnDepthToSpace, ir.nnSpaceToDepth, ir.qnnDequantize],
);
/** True when ONNX Runtime may fuse nodes between dequantize and quantize, which changes their rounding. */
const isFusable = (graph: Graph): boolean => nodesOf(graph).some((node) => isOp(node, ir.qnnDequantize));
/** ONNX Runtime 1.30 moves a Pad into a MaxPool behind it, and then refuses pads that are not smaller than the kernel. */
const isRefused = (graph: Graph): boolean =>
  [ir.nnPad, ir.nnMaxPool].every((op) => nodesOf(graph).some((node) => isOp(node, op)));
/** One apart at ties: see src/exporters/onnx/emitters/qlinear.ts. */
const isStepped = (graph: Graph): boolean => nodesOf(graph).some(steps);
const steps = oneOf(ir.qnnAdd, ir.qnnMul, ir.qnnAveragePool, ir.qnnGlobalAveragePool, ir.qnnSoftmax);

describe('random graphs give the same integers on ONNX Runtime', () => {
  const families = allOps.flatMap((op) =>
    (familiesOf(op) ?? []).map(([name, graphs]): Family => [`${op.name}: ${name}`, graphs]),
  );
  for (const [name, graphs] of [...families, ['networks', arbitraryNet()] satisfies Family]) {
    it(name, async ({ skip }) => {
      let [compared, judged] = [0, 0];
      await fc.assert(
        fc.asyncProperty(graphs, arbitraryFeeds, async (graph, seed) => {
          const bytes = isExact(graph) && !isStepped(graph) ? refused(() => exportOnnx(graph)) : undefined;
          if (bytes === undefined) return;
          compared++;
          const feeds = feedsOf(graph, seed);
          if (!hasVnni && mayLeaveInt16(bytes, feeds)) return;
          judged++;
          const expected = interpret(graph, feeds);
          expect(differenceOf(await runOnnx(bytes, feeds, 'disabled'), expected)).toBeUndefined();
          if (!isFusable(graph) && !isRefused(graph))
            expect(differenceOf(await runOnnx(bytes, feeds, 'all'), expected)).toBeUndefined();
        }),
        { numRuns: process.env.UNSKEW_DEEP ? 500 : 25 },
      );
      if (
        !/of (floats|blocks|columns|one tensor)|quantize: |networks|((global_)?max_pool|resize): dequantized/.test(name)
      )
        expect(compared).toBeGreaterThan(5);
      skip(compared > 0 && judged === 0, SATURATES);
    });
  }
});

describeCorpus('the corpus, every node exported anew', () => {
  const isWanted = ({ id }: { id: string }) => process.env.UNSKEW_DEEP !== undefined || !id.startsWith('nets/mbv2');

  it('gives the same as its own model on ONNX Runtime, integers exactly', async () => {
    const wrong: string[] = [];
    let count = 0;
    for (const { id, bytes, graph, feeds } of graphCases(isWanted)) {
      const exported = isHeld(graph) ? refused(() => exportOnnx(touched(graph))) : undefined;
      const expected = exported && (await runOnnx(bytes, feeds).catch(() => undefined)); // not all of it is run
      if (exported === undefined || expected === undefined) continue;
      count++;
      const difference = differenceOf(await runOnnx(exported, feeds), expected, 2e-5);
      if (difference !== undefined) wrong.push(`${id}: ${difference}`);
    }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThanOrEqual(many(1400));
  }, 300_000);
});
