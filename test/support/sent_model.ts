/** A model as another thread compiles it: what that thread sends is cloned, as between threads, and made a model here. */
import { type CompileOptions, importModel, type Model } from '../../src/index.ts';
import { fileAgain } from '../../src/runtime/at_sizes.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { madeOf, modelOf } from '../../src/runtime/elsewhere/made.ts';
import { Model as Opened } from '../../src/runtime/model.ts';

export async function sentModel(bytes: Uint8Array, options: CompileOptions = {}): Promise<Model> {
  const { inputShapes } = options;
  const graph = await importModel(bytes.slice(), inputShapes ? { inputShapes } : {});
  const { made, moved } = madeOf(compileGraph(graph, options, true), { again: fileAgain(graph, undefined) });
  const received = structuredClone(made, { transfer: [...moved] });
  return Opened.inTurns(modelOf(received, options).compiled, options);
}
