/** The property of any model, however faulty: a coded error, or the same result compiled and interpreted. */
import { expect } from 'vitest';
import { randomFeeds } from '../../../src/cli/random.ts';
import { legalize } from '../../../src/codegen/legalize.ts';
import { UnskewError } from '../../../src/diagnostics/index.ts';
import { exportOnnx } from '../../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../../src/importers/onnx/import.ts';
import { type Graph, interpret, parse, print, toPublic, verify } from '../../../src/ir/index.ts';
import { compile } from '../../../src/runtime/compile.ts';
import { differenceOf } from '../onnx_export/support.ts';

/** Nothing here computes much. */
const MOST_MILLISECONDS = 5000;

export type Outcome = 'refused' | 'ran';

/** `undefined` for an error that is ours; everything else goes on. */
async function coded<T>(body: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof UnskewError)) throw error;
    expect(error.code).not.toBe('U9001');
    return undefined;
  }
}

/** @param make a graph, or a coded error */
export async function examine(make: () => Graph): Promise<Outcome> {
  const start = performance.now();
  const outcome = await examined(make);
  expect(performance.now() - start).toBeLessThan(MOST_MILLISECONDS);
  return outcome;
}

async function examined(make: () => Graph): Promise<Outcome> {
  const graph = await coded(make);
  if (graph === undefined) return 'refused';
  expect(verify(graph)).toEqual([]);
  expect(print(parse(print(graph)))).toBe(print(graph));
  await coded(() => importOnnx(exportOnnx(legalize(graph, { target: 'symmetric' }).graph)));
  const feeds = await coded(() => randomFeeds(graph, 1));
  const expected = feeds && (await coded(() => interpret(graph, feeds)));
  const model = await coded(() => compile(graph, { backend: 'onednn', threads: 1, measuredCosts: false }));
  if (model === undefined) return 'refused';
  try {
    if (feeds === undefined) return 'refused';
    const given = Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, toPublic(t)]));
    const found = await coded(() => model.run(given));
    expect(found === undefined).toBe(expected === undefined);
    if (found === undefined || expected === undefined) return 'refused';
    const results = Object.fromEntries(
      Object.entries(expected).map(([name, t]) => [name, { ...t, data: found[name].data, shape: found[name].dims }]),
    ) as typeof expected;
    expect(differenceOf(results, expected, 1e-5)).toBeUndefined();
    return 'ran';
  } finally {
    model.dispose();
  }
}
