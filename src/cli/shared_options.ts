/** Options that several commands share. */
import { kernelChoices, MOST_THREADS, type TargetName, targetDocs, targetNames } from '../codegen/index.ts';
import { importProfiles, stateOptions } from '../importers/index.ts';
import { isStrategyName, type Strategy, type StrategyName, strategyNames } from '../passes/index.ts';
import { allBackendNames, type BackendOrder, checkedOrder } from '../runtime/index.ts';
import { argument, assignments, choice, entriesOf, flag, type Option, optionalChoice, text, whole } from './options.ts';
import { type PassEntry, parsePasses } from './pass_list.ts';

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
    `The zero points that may remain; ${targetNames.map((name) => `${name}: ${targetDocs[name]}`).join(', ')}`,
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

export const rewritingOptions = {
  passes: passesOption(),
  printIrAfterChange: flag('Print the graph after every pass that changed it, on stderr'),
  timing: flag('Print the time of every pass, on stderr'),
  emitIr: text('FILE', 'Write the graph as textual IR too, - for standard output'),
};

function passesOption(): Option<readonly PassEntry[] | undefined> {
  return {
    doc: "Passes instead of the usual ones, as in 'fold-constants,group-qdq{families=all}'",
    value: 'LIST',
    read: (given) => (given.length === 0 ? undefined : parsePasses(given.at(-1) ?? '')),
  };
}
