/** `compile`: a graph, a file or bytes become a model that runs. */
import { availableParallelism } from 'node:os';
import {
  type CompiledModel,
  type Fallback,
  fallbacksOf,
  isCompiledFile,
  type KernelChoice,
  kernelChoices,
  MOST_THREADS,
  type NodeTime,
  PlanFamilies,
  readCompiledFile,
  select,
  type TargetDescription,
  targetFor,
} from '../codegen/index.ts';
import { checkOptions, fail, type OptionNames } from '../diagnostics/index.ts';
import { type ImportOptions, importBytes } from '../importers/index.ts';
import {
  checkFeeds,
  type Feeds,
  type Graph,
  type ITensor,
  refuseTooLarge,
  type Tensor,
  type TensorLike,
  toPublic,
  withoutConstants,
} from '../ir/index.ts';
import {
  type Certificate,
  type CorrectionOptions,
  foldWeights,
  type LegalizeResult,
  legalizeFor,
  runPipeline,
  type Strategy,
  type StrategyReport,
} from '../passes/index.ts';
import type { AnyBackendName, BackendName, BackendOrder } from './backend_names.ts';
import { checkedOrder, usualOrder } from './backend_order.ts';
import { backends, costsHere, openHere, openOrder } from './backends.ts';
import { bindShapes } from './bind_shapes.ts';
import { Executable } from './executable.ts';
import { externalReader } from './external_data.ts';
import { metadataOf, toFeeds, type ValueMetadata } from './feeds.ts';
import { readModelFile } from './import_model.ts';
import { refuseOpenSizes, refuseUnknown } from './refuse_unrunnable.ts';

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

const optionNames: OptionNames<CompileOptions> = {
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

export type Feed = Readonly<Record<string, TensorLike>>;

const KEPT_SHAPES = 8;
/** Sessions that take so many bytes together are kept anyway. */
const KEPT_BYTES = 2 ** 26;

export class Model {
  readonly inputs: readonly ValueMetadata[];
  readonly outputs: readonly ValueMetadata[];
  readonly certificate: Certificate;
  readonly strategies: readonly StrategyReport[];
  readonly backend: BackendName;
  readonly #order: BackendOrder;
  #graph: Graph;
  readonly #threads: number;
  readonly #kernels: KernelChoice | undefined;
  readonly #keptShapes: number;
  readonly #keptBytes: number;
  /** Of all sizes, which share constants. */
  #families: PlanFamilies | undefined;
  /** By sizes, the least recently used first. */
  readonly #executables = new Map<string, Executable>();
  #disposed = false;

  /** @param file the memory of its constants where nobody else reads it */
  constructor(
    compiled: CompiledModel,
    options: Pick<CompileOptions, 'backend' | 'backends' | 'threads' | 'kernels' | 'keptShapes'> = {},
    file?: Uint8Array,
  ) {
    const { graph, certificate, strategies } = compiled;
    this.#order = orderOf(options);
    [this.backend] = this.#order;
    this.#threads = threadsOf(options);
    this.#kernels = options.kernels ?? compiled.target.kernels;
    this.#keptShapes = keptShapesOf(options);
    this.#keptBytes = options.keptShapes === undefined ? KEPT_BYTES : 0;
    this.#graph = graph;
    this.certificate = certificate;
    this.strategies = strategies;
    this.inputs = metadataOf(graph, graph.inputs);
    this.outputs = metadataOf(graph, graph.outputs);
    const isFixed = this.inputs.every(({ dims }) => dims.every((d) => typeof d === 'number'));
    if (!isFixed) return;
    // there will be no other sizes, so that the sessions have all constants that are needed
    this.#executable(new Map(), file);
    this.#families = undefined;
    this.#graph = withoutConstants(graph);
  }

  /**
   * Computes without keeping the event loop waiting. Feeds are taken before it returns the promise: they may be changed,
   * reused or transferred at once. Results are the caller's own: they share memory with no feed, no other result and
   * nothing of the model. Runs of the same sizes are computed in the order of the calls; models, and sizes of one model,
   * take turns. A run that takes less time than handing it to another thread (0.1 ms when it last ran) is computed at once,
   * but for one of 32.
   *
   * @throws UnskewError (as a rejection) U4001 for a wrong name, type or shape, U4002 when the model was disposed of,
   *   U1006 when there is not enough memory
   */
  async run(feeds: Feed): Promise<Record<string, Tensor>> {
    const { tensors, bindings } = this.#prepare(feeds);
    try {
      const results = this.#executable(bindings).run(tensors);
      this.#evict(); // while the run computes
      return publicly(await results);
    } finally {
      this.#evict();
    }
  }

  /** The same at once, on the calling thread, after the runs of the same sizes that wait. */
  runSync(feeds: Feed): Record<string, Tensor> {
    const { tensors, bindings } = this.#prepare(feeds);
    try {
      return publicly(this.#executable(bindings).runSync(tensors));
    } finally {
      this.#evict();
    }
  }

  /** The time each node took in one run. */
  profile(feeds: Feed): NodeTime[] {
    const { tensors, bindings } = this.#prepare(feeds);
    if (!backends[this.backend].keepsTimes) fail('U4002', `the ${this.backend} backend keeps no times per node`);
    try {
      return this.#executable(bindings).profile(tensors);
    } finally {
      this.#evict();
    }
  }

  /** Nodes that run on the interpreter although the backend is native, and why. Known once a shape is. */
  get fallbacks(): readonly Fallback[] {
    const [executable] = this.#executables.values();
    return fallbacksOf(executable?.parts ?? []);
  }

  /**
   * Frees native memory and threads, without waiting: every run that has not ended rejects with U4002, and the memory
   * of a run in progress is freed when it ends. Await the runs first to have their results. The model cannot run
   * afterwards. To dispose of it again does nothing.
   */
  dispose(): void {
    this.#disposed = true;
    for (const executable of this.#executables.values()) executable.dispose();
    this.#executables.clear();
    this.#families = undefined;
  }

  #prepare(feeds: Feed): { tensors: Feeds; bindings: ReadonlyMap<string, number> } {
    if (this.#disposed) fail('U4002', 'the model has been disposed of');
    const tensors = toFeeds(feeds);
    return { tensors, bindings: checkFeeds(this.#graph, tensors) };
  }

  #executable(bindings: ReadonlyMap<string, number>, file?: Uint8Array): Executable {
    const key = JSON.stringify([...bindings].sort());
    const known = this.#executables.get(key);
    if (known) {
      this.#executables.delete(key);
      this.#executables.set(key, known);
      return known;
    }
    this.#families ??= new PlanFamilies(this.#graph, openHere(this.#order, this.#threads, this.#kernels));
    const made = Executable.at(this.#families, bindings, file);
    this.#executables.set(key, made);
    return made;
  }

  /**
   * Disposes of the least recently used sessions, except the latest ones that are kept. Sessions in use stay, and go when their
   * runs end. The new ones are there before, and take packed weights over from old ones.
   */
  #evict(): void {
    const all = [...this.#executables.values()];
    let bytes = Math.max(0, ...all.map((executable) => executable.bytes));
    for (const { keptBytes } of all) bytes += keptBytes;
    for (const [key, executable] of this.#executables) {
      if (this.#executables.size <= this.#keptShapes || bytes <= this.#keptBytes) return;
      if (executable.running > 0) continue;
      this.#executables.delete(key);
      executable.dispose();
      bytes -= executable.keptBytes;
    }
  }
}

/**
 * Compiles a model: imports it when a path or bytes are given, legalizes it for this machine, selects primitives.
 * A compiled file (`unskew compile`) is loaded as it is.
 *
 * @throws UnskewError for a wrong model (U1…, U2…), U5001 when the addon cannot be loaded, U5004 for a bad compiled file
 */
export async function compile(source: Graph | string | Uint8Array, options: CompileOptions = {}): Promise<Model> {
  checkOptions('compile', options, optionNames);
  orderOf(options);
  threadsOf(options);
  keptShapesOf(options);
  const { kernels } = options;
  if (kernels !== undefined && !kernelChoices.includes(kernels))
    fail('U4002', `'${kernels}' is not a choice of kernels`, {}, `one of: ${kernelChoices.join(', ')}`);
  if (typeof source !== 'string' && !(source instanceof Uint8Array))
    return new Model(compileGraph(source, options), options);
  const bytes = typeof source === 'string' ? await readModelFile(source) : source;
  return new Model(await load(source, bytes, options), options, typeof source === 'string' ? bytes : undefined);
}

async function load(source: string | Uint8Array, bytes: Uint8Array, options: CompileOptions): Promise<CompiledModel> {
  const { profile, inputShapes } = options;
  if (isCompiledFile(bytes)) {
    const compiled = readCompiledFile(bytes, typeof source === 'string' ? source : undefined);
    const settled = (['strategy', 'target', 'profile'] as const).find((name) => options[name] !== undefined);
    if (settled !== undefined)
      fail(
        'U4002',
        `a compiled model has settled its ${settled}: the option cannot change it`,
        {},
        'compile the model that it was made of',
      );
    return inputShapes ? { ...compiled, graph: bindShapes(compiled.graph, inputShapes) } : compiled;
  }
  // from the bytes that were read already: a pipe gives its contents once
  const graph = await importBytes(bytes, {
    ...(typeof source === 'string' && { file: source, readExternal: externalReader(source) }),
    ...(profile && { profile }),
    ...(inputShapes && { inputShapes }),
  });
  return compileGraph(graph, options);
}

/** A fresh compilation, with the parts that a compiled file does not keep. */
export interface Compilation extends CompiledModel, Pick<LegalizeResult, 'quantized' | 'remaining'> {}

/** The graph legalized and selected, as a compiled file holds it. @throws UnskewError U2008 for an operator that nothing here computes */
export function compileGraph(graph: Graph, options: CompileOptions = {}): Compilation {
  const { target, measuredCosts = true, inputShapes, kernels } = options;
  const order = orderOf(options);
  const [name] = order;
  const machine = target ?? { ...backends[name].here(threadsOf(options)), ...(kernels && { kernels }) };
  const own = target === undefined && measuredCosts ? costsHere(name, machine.threads) : [];
  const asked = openOrder(order, machine, own);
  const [backend] = asked;
  const bound = inputShapes ? bindShapes(graph, inputShapes) : graph;
  refuseUnknown(bound, asked);
  refuseOpenSizes(bound);
  refuseTooLarge(bound, 'ever');
  const goal = targetFor(machine, backend);
  const legalized = legalizeFor(bound, goal, {
    ...(backend.byteSums && { byteSums: backend.byteSums }),
    ...(options.strategy && { strategy: options.strategy }),
    ...(options.verify !== undefined && { verify: options.verify }),
    ...(options.onProof && { onProof: options.onProof }),
  });
  const selected = runPipeline(legalized.graph, [select(backend)], { target: goal }).graph;
  return {
    graph: runPipeline(selected, [foldWeights(backend.level)], { target: goal }).graph,
    target: machine,
    certificate: legalized.certify(selected, backend),
    strategies: legalized.strategies,
    quantized: legalized.quantized,
    get remaining() {
      return legalized.remaining;
    },
  };
}

function orderOf({ backend, backends }: Pick<CompileOptions, 'backend' | 'backends'>): BackendOrder {
  if (backend !== undefined && backends !== undefined)
    fail('U4002', 'a backend is given twice: as backend, and in backends', {}, 'give one of them');
  if (backends !== undefined && !Array.isArray(backends)) fail('U4002', 'backends should be a list of names');
  const named = backends ?? (backend === undefined ? undefined : [backend]);
  return named === undefined ? usualOrder() : checkedOrder(named);
}

function threadsOf({ threads = availableParallelism() }: CompileOptions): number {
  if (!Number.isSafeInteger(threads) || threads < 1 || threads > MOST_THREADS)
    fail('U4002', `threads should be a whole number from 1 to ${MOST_THREADS}, but is ${threads}`);
  return threads;
}

function keptShapesOf({ keptShapes = KEPT_SHAPES }: CompileOptions): number {
  if (!Number.isSafeInteger(keptShapes) || keptShapes < 1)
    fail('U4002', `keptShapes should be a whole number from 1, but is ${keptShapes}`);
  return keptShapes;
}

const publicly = (results: Readonly<Record<string, ITensor>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(results).map(([name, t]) => [name, toPublic(t)]));
