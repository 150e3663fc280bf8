/** A graph on the interpreter, on the addon, and written as ONNX on ONNX Runtime: the same integers. */
import { expect } from 'vitest';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { type Feeds, type Graph, type ITensor, interpret } from '../../src/ir/index.ts';
import type { Model } from '../../src/runtime/model.ts';
import { expectSame } from '../differential/support.ts';
import { runOnnx } from '../unit/onnx_export/support.ts';

/** Returns the results, and the nodes that the addon leaves to the interpreter. */
export async function sameEverywhere(
  graph: Graph,
  feeds: Feeds,
): Promise<{ readonly results: Record<string, ITensor>; readonly fallbacks: Model['fallbacks'] }> {
  const results = interpret(graph, feeds);
  const model = await expectSame(graph, feeds);
  const { fallbacks } = model;
  model.dispose();
  for (const optimization of ['disabled', 'all'] as const)
    expect(await runOnnx(exportOnnx(graph), feeds, optimization), optimization).toEqual(results);
  return { results, fallbacks };
}
