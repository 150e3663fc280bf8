/** A model that runs, of any sizes. */
import {
  type Backend,
  type CompiledModel,
  type Fallback,
  type KernelChoice,
  type NodeTime,
  PlanFamilies,
} from '../codegen/index.ts';
import { fail, UnskewError } from '../diagnostics/index.ts';
import {
  bodiesIn,
  checkFeeds,
  controlIf,
  type Feeds,
  type Graph,
  type ITensor,
  isOp,
  nodesOf,
  nodesWithBodies,
  type Tensor,
  type TensorLike,
  toPublic,
  withoutConstants,
} from '../ir/index.ts';
import type { Certificate, StrategyReport } from '../passes/index.ts';
import type { BackendName, BackendOrder } from './backend_names.ts';
import { backends, openHere } from './backends.ts';
import type { Compilation } from './compile_graph.ts';
import { type CompileOptions, keptShapesOf, orderOf, threadsOf } from './compile_options.ts';
import { Executable } from './executable.ts';
import { FamilySearch, type Sought } from './family_search.ts';
import { metadataOf, toFeeds, type ValueMetadata } from './feeds.ts';
import { Foresight } from './foresight.ts';
import type { ReadyFile } from './ready_file.ts';
import { turn } from './turn.ts';

export type Feed = Readonly<Record<string, TensorLike>>;

/** Sessions that take so many bytes together are kept anyway. */
const KEPT_BYTES = 2 ** 26;

type ModelOptions = Pick<CompileOptions, 'backend' | 'backends' | 'threads' | 'kernels' | 'keptShapes'>;

/** A compiled model; its certificate may be made when it is first read. */
export type Opened = Omit<CompiledModel, 'certificate'> &
  Pick<Compilation, 'atSizes'> & { readonly certificate: Certificate | (() => Certificate) };

/** The sessions of all sizes. */
const ANY = 'any';

/** Of sizes by their symbols. */
const keyOf = (sizes: ReadonlyMap<string, number>): string => JSON.stringify([...sizes].sort());

export class Model {
  readonly inputs: readonly ValueMetadata[];
  readonly outputs: readonly ValueMetadata[];
  readonly strategies: readonly StrategyReport[];
  readonly backend: BackendName;
  readonly #certificate: () => Certificate;
  readonly #order: BackendOrder;
  #graph: Graph;
  readonly #threads: number;
  readonly #kernels: KernelChoice | undefined;
  readonly #keptShapes: number;
  readonly #keptBytes: number;
  readonly #atSizes: Compilation['atSizes'];
  readonly #isForAllSizes: boolean;
  /** Of all sizes, which share constants. */
  #families: PlanFamilies | undefined;
  readonly #search = new FamilySearch();
  readonly #foresight = new Foresight();
  /** By sizes, the least recently used first. */
  readonly #executables = new Map<string, Executable>();
  #disposed = false;

  /** A model of fixed sizes is ready at once. */
  constructor(compiled: Opened, options: ModelOptions = {}, isReady = true) {
    const { graph, certificate, strategies } = compiled;
    this.#order = orderOf(options);
    [this.backend] = this.#order;
    this.#threads = threadsOf(options);
    this.#kernels = options.kernels ?? compiled.target.kernels;
    this.#keptShapes = keptShapesOf(options);
    this.#keptBytes = options.keptShapes === undefined ? KEPT_BYTES : 0;
    this.#graph = graph;
    this.#atSizes = compiled.atSizes;
    this.#isForAllSizes = compiled.atSizes === undefined && isMostlyBranches(graph);
    this.#certificate = typeof certificate === 'function' ? certificate : () => certificate;
    this.strategies = strategies;
    this.inputs = metadataOf(graph, graph.inputs);
    this.outputs = metadataOf(graph, graph.outputs);
    if (isReady && this.#isFixed) this.#settle(Executable.of(graph, this.#backends()));
  }

  /**
   * The same, while the event loop turns.
   *
   * @param file the memory of its constants where nobody else reads it
   */
  static async inTurns(compiled: Opened, options: ModelOptions, file?: Uint8Array): Promise<Model> {
    const model = new Model(compiled, options, false);
    if (!model.#isFixed) return model;
    await turn();
    model.#settle(await Executable.inTurns(compiled.graph, model.#backends(), file));
    return model;
  }

  /** The model of a compiled file with a plan for this machine; undefined where the addon refuses the plan. */
  static planned({ header, ...read }: ReadyFile, options: ModelOptions): Model | undefined {
    const { target, certificate, strategies } = header;
    const { graph, inputs, outputs, plan } = read;
    const model = new Model({ graph, target, certificate, strategies }, options, false);
    const [backend] = model.#backends();
    const part = { backend, graph, nodes: [], inputs, outputs, refusals: new Map() };
    try {
      model.#settle(Executable.planned(graph, { part, plan }));
      return model;
    } catch (error) {
      if (error instanceof UnskewError) throw error;
      return undefined;
    }
  }

  get certificate(): Certificate {
    return this.#certificate();
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
      const results = this.#search.run(this.#soughtFor(bindings), tensors, false, (given, areUnchanging) => {
        const running = this.#executable(bindings, this.#atSizes === undefined).run(given, areUnchanging);
        if (running instanceof Promise) this.#foresee(bindings); // while the run computes
        this.#evict();
        return running;
      });
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
      return [...this.#executable(bindings).profile(tensors).times];
    } finally {
      this.#evict();
    }
  }

  /** Nodes that run on the interpreter although the backend is native, and why. Known once a shape is. */
  get fallbacks(): readonly Fallback[] {
    const [executable] = this.#executables.values();
    return executable?.fallbacks ?? [];
  }

  /**
   * Frees native memory and threads, without waiting: every run that has not ended rejects with U4002, and the memory
   * of a run in progress is freed when it ends. Await the runs first to have their results. The model cannot run
   * afterwards. To dispose of it again does nothing.
   */
  dispose(): void {
    this.#disposed = true;
    this.#search.dispose();
    for (const executable of this.#executables.values()) executable.dispose();
    this.#executables.clear();
    this.#families?.dispose();
    this.#families = undefined;
  }

  #prepare(feeds: Feed): { tensors: Feeds; bindings: ReadonlyMap<string, number> } {
    if (this.#disposed) fail('U4002', 'the model has been disposed of');
    const tensors = toFeeds(feeds);
    return { tensors, bindings: checkFeeds(this.#graph, tensors) };
  }

  get #isFixed(): boolean {
    return this.inputs.every(({ dims }) => dims.every((dim) => typeof dim === 'number'));
  }

  #backends = (): readonly Backend[] => openHere(this.#order, this.#threads, this.#kernels);

  /** There will be no other sizes, so that the sessions have all constants that are needed. */
  #settle(executable: Executable): void {
    this.#executables.set(keyOf(new Map()), executable);
    this.#graph = withoutConstants(this.#graph);
  }

  #keyAt(bindings: ReadonlyMap<string, number>): string {
    const isOpen = this.#isForAllSizes && [...bindings.values()].every((size) => size > 0);
    return isOpen ? ANY : keyOf(bindings);
  }

  /** A first run of these sizes waits for a family of plans, where there may be one. */
  #soughtFor(sizes: ReadonlyMap<string, number>): Sought | undefined {
    const key = this.#keyAt(sizes);
    if (key === ANY || this.#atSizes || this.#executables.has(key)) return undefined;
    return { families: this.#familiesOf(), sizes };
  }

  #familiesOf = (): PlanFamilies => (this.#families ??= new PlanFamilies(this.#graph, this.#backends()));

  /** @param isSearched a family for them was looked for, where that is of use */
  #executable(bindings: ReadonlyMap<string, number>, isSearched = false): Executable {
    const key = this.#keyAt(bindings);
    const known = this.#executables.get(key);
    if (known) {
      this.#executables.delete(key);
      this.#executables.set(key, known);
      return known;
    }
    this.#evict(1);
    const made = this.#made(key === ANY ? undefined : bindings, isSearched);
    this.#executables.set(key, made);
    return made;
  }

  /**
   * Makes the session of the sizes that come next, where they follow from those before and are of a family. It is that of the run before, whose
   * sizes will hardly come back soon.
   */
  #foresee(bindings: ReadonlyMap<string, number>): void {
    if (this.#atSizes || this.#keyAt(bindings) === ANY) return;
    const found = this.#foresight.around(bindings);
    if (found === undefined || this.#executables.has(keyOf(found.next))) return;
    try {
      if (this.#familiesOf().known(found.next) === undefined) return;
      const key = keyOf(found.before);
      const last = this.#executables.get(key);
      if (last?.isMember && last.running === 0 && this.#executables.delete(key)) last.retire();
      this.#executable(found.next, true);
    } catch {
      // the run that needs it fails, if there is one
    }
  }

  /** Sessions of one model share what its back ends keep. @param bindings absent: for all sizes */
  #made(bindings: ReadonlyMap<string, number> | undefined, isSearched: boolean): Executable {
    const { backends: order } = this.#familiesOf();
    if (bindings === undefined) return Executable.of(this.#graph, order);
    const own = this.#atSizes?.(bindings);
    return own ? Executable.of(own, order) : Executable.at(this.#familiesOf(), bindings, isSearched);
  }

  /**
   * Disposes of the least recently used sessions, except the latest ones that are kept. Sessions in use stay, and go when their
   * runs end. The new ones are there before, and take packed weights over from old ones, or they are old ones with other sizes.
   *
   * @param coming so many are about to be made
   */
  #evict(coming = 0): void {
    const all = [...this.#executables.values()];
    let bytes = Math.max(0, ...all.map((executable) => executable.bytes));
    for (const { keptBytes } of all) bytes += keptBytes;
    for (const [key, executable] of this.#executables) {
      if (this.#executables.size + coming <= this.#keptShapes || bytes <= this.#keptBytes) return;
      if (executable.running > 0 || (coming > 0 && !executable.isMember)) continue;
      this.#executables.delete(key);
      executable.retire();
      bytes -= executable.keptBytes;
    }
  }
}

/**
 * True where branches hold most nodes. They are planned by themselves for the sizes that they meet, and their families of plans last as
 * long as the session around them: one for all sizes. At the size 0, and behind loops, values may have other sizes than their types say.
 */
const isMostlyBranches = (graph: Graph): boolean => {
  const holders = nodesWithBodies(graph);
  const inner = holders.flatMap((node) => bodiesIn(node).map(([, body]) => nodesOf(body).length));
  return holders.every((node) => isOp(node, controlIf)) && inner.reduce((a, b) => a + b, 0) > nodesOf(graph).length;
};

const publicly = (results: Readonly<Record<string, ITensor>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(results).map(([name, t]) => [name, toPublic(t)]));
