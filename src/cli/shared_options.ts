/** Options that several commands share, and models made by them. */

import {
  type CompiledModel,
  type KernelChoice,
  kernelChoices,
  MOST_THREADS,
  type TargetName,
  targetNames,
  targets,
} from '../codegen/index.ts';
import { importProfiles, stateOptions } from '../importers/index.ts';
import type { Graph } from '../ir/index.ts';
import { isStrategyName, type Strategy, type StrategyName, strategyNames } from '../passes/index.ts';
import { allBackendNames, type BackendOrder, checkedOrder, compileGraph, Model } from '../runtime/index.ts';
import type { Source } from './files.ts';
import { argument, assignments, choice, entriesOf, type Option, optionalChoice, whole } from './options.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage_error.ts';

export const modelArgument = argument(
  'MODEL',
  'an ONNX model, an archive of PyTorch, a TensorFlow Lite model, a compiled model or textual IR; told by content',
);

export const profileOption = {
  profile: optionalChoice(
    'NAME',
    importProfiles,
    `The runtime whose arithmetic quantized operators follow: ${importProfiles.join(', ')} (default: ort; archives of PyTorch take only the profiles of PyTorch, by default the one that suits their layers; TensorFlow Lite files take xnnpack, the default, or tflite)`,
  ),
};
export const stateOption = {
  state: optionalChoice(
    'NAME',
    stateOptions,
    `The treatment of tensors that one run leaves for the next: ${stateOptions.join(', ')} (default: ${stateOptions[0]}); inputs and outputs: an input h, and an output h.next of its new value`,
  ),
};
export const strategyOption = {
  strategy: strategies(),
};
export const shapeOption = {
  shape: assignments(
    'NAME=SIZES',
    'Sizes for an input with symbolic dimensions, or of an archive of PyTorch, as in x=1,3,224,224; tensors that are given carry their own',
  ),
};
export const threadsOption = {
  threads: whole('N', 'Threads of one inference (default: all processors)', 1, MOST_THREADS),
};
export const kernelsOption = {
  kernels: choice(kernelChoices, 'The kernels of products and pools; onednn: primitives of oneDNN wherever it has one'),
};
export const executionOptions = {
  backend: backendOrder(),
  ...threadsOption,
  ...kernelsOption,
};

/** `NAME`, or several in their order, with commas. */
function backendOrder(): Option<BackendOrder | undefined> {
  return {
    doc: `The back ends that are asked for an operator, in their order: ${allBackendNames.join(', ')} (default: onednn,onnxruntime where onnxruntime-node is installed); the interpreter, reference, computes what is left`,
    value: 'NAMES',
    read(given, refuse) {
      const names = entriesOf(given).at(-1)?.split(',');
      if (names === undefined) return undefined;
      const unknown = names.find((name) => !allBackendNames.some((known) => known === name));
      return unknown === undefined
        ? checkedOrder(names)
        : refuse(`'${unknown}' is not one of: ${allBackendNames.join(', ')}`);
    },
  };
}

export const targetOption = (fallback: TargetName) => ({
  target: choice(
    [fallback, ...targetNames.filter((name) => name !== fallback)],
    `The zero points that may remain; ${targetNames.map((name) => `${name}: ${targets[name].doc}`).join(', ')}`,
  ),
});

/** `NAME` for all layers, `LAYER=NAME` for one. */
function strategies(): Option<Strategy | undefined> {
  return {
    doc: `The way to correct source zero points: ${strategyNames.join(', ')}; or LAYER=NAME for one layer`,
    value: 'NAME',
    repeats: true,
    read(given, refuse) {
      const byLayer: Record<string, StrategyName | 'auto'> = {};
      let forAll: StrategyName | 'auto' | undefined;
      for (const entry of entriesOf(given)) {
        const at = entry.lastIndexOf('=');
        const name = entry.slice(at + 1);
        if (!isStrategyName(name))
          return refuse(`'${name}' is not a strategy; the strategies are: ${strategyNames.join(', ')}`);
        if (at < 0) forAll = name;
        else byLayer[entry.slice(0, at)] = name;
      }
      const layers = Object.keys(byLayer);
      if (forAll !== undefined && layers.length > 0)
        refuse(`one way for all layers (${forAll}) and one for ${layers[0]} cannot be combined`);
      return layers.length > 0 ? byLayer : forAll;
    },
  };
}

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
