/** The options of `compile`. */
import { availableParallelism } from 'node:os';
import { type KernelChoice, MOST_THREADS, type TargetDescription } from '../codegen/index.ts';
import { fail, type OptionNames } from '../diagnostics/index.ts';
import type { ImportOptions } from '../importers/index.ts';
import type { CorrectionOptions, Strategy } from '../passes/index.ts';
import type { AnyBackendName, BackendName, BackendOrder } from './backend_names.ts';
import { checkedOrder, usualOrder } from './backend_order.ts';

export interface CompileOptions {
  /** `onednn` (the native addon; default) or `reference` (the interpreter: slow, the meaning itself), and no other. */
  readonly backend?: BackendName;
  /**
   * The back ends that are asked for a node, in this order; the model is compiled for the first one, and the interpreter computes what
   * is left. By default `['onednn', 'onnxruntime']` where the package onnxruntime-node is installed, else `['onednn']`: ONNX Runtime
   * computes operators that have no native form, those among them that unskew does not understand.
   */
  readonly backends?: readonly AnyBackendName[];
  /** Threads of one inference; all processors by default. */
  readonly threads?: number;
  /** `onednn`: products and pools by primitives of oneDNN wherever it has one, to compare with our kernels; as exact. */
  readonly kernels?: KernelChoice;
  /**
   * For how many sets of sizes sessions are kept when dimensions are symbolic; unless said 8, and more while all of them take 64 MiB at
   * most. Each takes about 1 KiB for each of its commands, and all together take the memory of one run, or of as many as run at once.
   * The least recently used one that no run uses goes first; another run with its sizes makes it anew.
   */
  readonly keptShapes?: number;
  readonly strategy?: Strategy;
  /** Sizes for symbolic dimensions, by input: the model is then made for these alone. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  readonly target?: TargetDescription;
  /**
   * Lets `auto` use the costs that `unskew strategies --measure` found on this machine, if any; true by default. It
   * affects speed alone.
   */
  readonly measuredCosts?: boolean;
  /** Proves the corrections at once, and gives a layer another way where something is not proved: true for `auto`. */
  readonly verify?: boolean;
  /** Whose arithmetic requantization follows; `ort` unless the model says otherwise. */
  readonly profile?: ImportOptions['profile'];
  /** Told before each proof how many are done, of how many. */
  readonly onProof?: CorrectionOptions['onProof'];
}

export const compileOptionNames: OptionNames<CompileOptions> = {
  backend: true,
  backends: true,
  threads: true,
  kernels: true,
  strategy: true,
  inputShapes: true,
  keptShapes: true,
  target: true,
  measuredCosts: true,
  verify: true,
  profile: true,
  onProof: true,
};

const KEPT_SHAPES = 8;

export function orderOf({ backend, backends }: Pick<CompileOptions, 'backend' | 'backends'>): BackendOrder {
  if (backend !== undefined && backends !== undefined)
    fail('U4002', 'a backend is given twice: as backend, and in backends', {}, 'give one of them');
  if (backends !== undefined && !Array.isArray(backends)) fail('U4002', 'backends should be a list of names');
  const named = backends ?? (backend === undefined ? undefined : [backend]);
  return named === undefined ? usualOrder() : checkedOrder(named);
}

export function threadsOf({ threads = availableParallelism() }: CompileOptions): number {
  if (!Number.isSafeInteger(threads) || threads < 1 || threads > MOST_THREADS)
    fail('U4002', `threads should be a whole number from 1 to ${MOST_THREADS}, but is ${threads}`);
  return threads;
}

export function keptShapesOf({ keptShapes = KEPT_SHAPES }: CompileOptions): number {
  if (!Number.isSafeInteger(keptShapes) || keptShapes < 1)
    fail('U4002', `keptShapes should be a whole number from 1, but is ${keptShapes}`);
  return keptShapes;
}
