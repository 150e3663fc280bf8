/** Graphs compiled and interpreted side by side. */
import { expect } from 'vitest';
import { type Feeds, type Graph, interpret } from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import type { CompileOptions } from '../../src/runtime/compile_options.ts';
import { Model } from '../../src/runtime/model.ts';
import { toPublic } from '../../src/tensors/tensor.ts';

/** Runs a graph on the addon and on the interpreter: equal, element for element. */
export async function expectSame(graph: Graph, feeds: Feeds, options: CompileOptions = {}): Promise<Model> {
  const model = new Model(compileGraph(graph, options), options);
  const expected = interpret(graph, feeds);
  const publicFeeds = Object.fromEntries(Object.entries(feeds).map(([k, v]) => [k, toPublic(v)]));
  const actual = await model.run(publicFeeds);
  for (const [name, tensor] of Object.entries(expected)) {
    expect(actual[name].dims).toEqual(tensor.shape);
    expect(actual[name].data).toEqual(tensor.data);
  }
  expect(model.runSync(publicFeeds)).toEqual(actual);
  return model;
}
