/** The sides that `check` compares: each runs a model and can show its intermediate values. */
import type { CompiledModel, KernelChoice } from '../codegen/index.ts';
import { fail } from '../diagnostics/index.ts';
import { withOutputs } from '../exporters/index.ts';
import { openOnnx } from '../formats/onnx/index.ts';
import { checkFeeds, type Feeds, type Graph, interpret, nodesOf, specialize } from '../ir/index.ts';
import { quantizedTypes } from '../numerics/index.ts';
import { Executable, openHere, toFeeds, usualBackend } from '../runtime/index.ts';
import type { Observed, Tensors } from './compare.ts';
import { observe, observed } from './compare.ts';
import type { Source } from './files.ts';
import { publicFeeds } from './inputs.ts';
import { createPeer, type PeerOptions } from './onnxruntime.ts';
import { shownPath } from './read_input.ts';
import { externalFiles } from './written_model.ts';

export interface Side {
  readonly name: string;
  run(feeds: Feeds): Promise<Tensors>;
  /** All values that keep their names, outputs included; undefined for engines that do not show them. */
  observe?(feeds: Feeds): Promise<Observed>;
  dispose(): Promise<void>;
}

/** The interpreter on a graph. */
export const interpreterSide = (graph: Graph, name = 'the interpreter'): Side => ({
  name,
  run: async (feeds) => interpret(graph, feeds),
  observe: async (feeds) => observe(graph, feeds),
  dispose: async () => {},
});

/** The addon on a compiled graph; `reference` is the graph whose values are asked for. */
export function compiledSide(
  { graph }: CompiledModel,
  reference: Graph,
  threads: number,
  kernels?: KernelChoice,
): Side {
  const asked = openHere([usualBackend], threads, kernels);
  const execute = (compiled: Graph, feeds: Feeds): Tensors => {
    const executable = Executable.of(specialize(compiled, checkFeeds(compiled, feeds)), asked);
    try {
      return executable.runSync(feeds);
    } finally {
      executable.dispose();
    }
  };
  return {
    name: 'the compiled model',
    run: async (feeds) => execute(graph, feeds),
    async observe(feeds) {
      const shared = nodesOf(graph)
        .flatMap(({ results }) => results)
        .filter((id) => reference.values[id] !== undefined && !graph.outputs.includes(id));
      const outputs = [...graph.outputs, ...shared];
      return observed(execute({ ...graph, outputs }, feeds));
    },
    dispose: async () => {},
  };
}

/**
 * ONNX Runtime on bytes, or on a file and the weights beside it. Given the graph that bytes were read as it can tell integers.
 *
 * @throws UnskewError U5003 when it is not installed or refuses the model
 */
export async function onnxRuntimeSide(
  model: Uint8Array | string,
  name = 'onnxruntime',
  options: PeerOptions = {},
  graph?: Graph,
): Promise<Side> {
  const peer = await createPeer(model, options);
  return {
    name,
    run: async (feeds) => toFeeds(await peer.run(publicFeeds(feeds))),
    ...(graph &&
      typeof model !== 'string' && {
        async observe(feeds: Feeds) {
          const talkative = await createPeer(withOutputs(model, shownBy(graph, model)), options);
          const values = toFeeds(await talkative.run(publicFeeds(feeds)));
          await talkative.dispose();
          return observed(values);
        },
      }),
    dispose: () => peer.dispose(),
  };
}

/** Results of quantized operators by their names: to return them too changes nothing in how they are computed. */
function shownBy(graph: Graph, model: Uint8Array): string[] {
  const names = new Set(openOnnx(model).graph.nodes.flatMap(({ outputs }) => outputs));
  return nodesOf(graph)
    .flatMap(({ results }) => results)
    .filter((id) => names.has(id) && !graph.outputs.includes(id) && isInteger(graph.values[id].type.dtype));
}

const isInteger = (dtype: string): boolean => [...quantizedTypes, 's32'].includes(dtype);

/**
 * The bytes, or the path when weights lie beside it. @throws UnskewError U4002 for a source that is not an ONNX model
 */
export function onnxModelOf({ kind, bytes, path, graph }: Source): Uint8Array | string {
  if (kind === 'onnx') return externalFiles(graph).length > 0 ? path : bytes;
  return fail('U4002', 'onnxruntime runs ONNX models only', { file: shownPath(path) });
}
