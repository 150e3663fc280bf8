/** Models made by the options of a command. */
import type { CompiledModel, KernelChoice } from '../codegen/index.ts';
import type { Graph } from '../ir/index.ts';
import type { Strategy } from '../passes/index.ts';
import { type BackendOrder, compileGraph, Model } from '../runtime/index.ts';
import type { Source } from './files.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage_error.ts';

export interface CompileValues {
  readonly backend: BackendOrder | undefined;
  readonly threads: number | undefined;
  readonly kernels: KernelChoice;
  readonly strategy: Strategy | undefined;
  readonly shape: ReadonlyMap<string, string>;
  readonly batch?: number | undefined;
}

/** @throws UsageError for options that a compiled file has settled already */
export function compileSource(
  source: Source,
  values: Omit<CompileValues, 'shape' | 'batch'>,
  graph: Graph,
  { proving }: Terminal,
): CompiledModel {
  const { backend: backends, threads, kernels, strategy } = values;
  if (source.compiled === undefined) {
    const given = { ...(threads && { threads }), ...(strategy && { strategy }) };
    return compileGraph(graph, { ...(backends && { backends }), kernels, ...given, onProof: proving });
  }
  if (strategy !== undefined)
    throw new UsageError(
      `${source.path} is compiled already: --strategy cannot change it`,
      'compile the model anew with it',
    );
  return { ...source.compiled, graph };
}

/** A graph of a source, ready to run. */
export function modelOf(
  source: Source,
  values: Omit<CompileValues, 'shape' | 'batch'>,
  graph: Graph,
  terminal: Terminal,
): Model {
  const { backend: backends, threads, kernels } = values;
  const options = { ...(backends && { backends }), kernels, ...(threads && { threads }) };
  return new Model(compileSource(source, values, graph, terminal), options);
}

/** A back end that computes what has no native form, as sentences name it. */
export const computerOf = (backend: string): string => (backend === 'onnxruntime' ? 'ONNX Runtime' : 'the interpreter');

/** Says when part of the model does not run natively. */
export function noteFallbacks(model: Model, path: string, terminal: Terminal): void {
  const { fallbacks } = model;
  if (fallbacks.length === 0) return;
  for (const name of new Set(fallbacks.map(({ backend }) => backend))) {
    const count = fallbacks.filter(({ backend }) => backend === name).length;
    const shown = computerOf(name);
    terminal.note(
      `note: ${count === 1 ? '1 node runs' : `${count} nodes run`} on ${shown}; unskew explain ${path} says why`,
    );
  }
}
