/** A graph brought to life: a session of a back end for each of its parts. */

import {
  atOnce,
  type Backend,
  type Fallback,
  fallbacksOf,
  type NodeTime,
  type Part,
  type PlanFamilies,
  planningOf,
  type Session,
  type Step,
  type Steps,
} from '../codegen/index.ts';
import { assert, fail, formatBytes } from '../diagnostics/index.ts';
import {
  constantOf,
  copyOf,
  type Feeds,
  ForeignBuffers,
  type Graph,
  type ITensor,
  refuseTooLarge,
  specialize,
  type ValueId,
  withoutConstants,
} from '../ir/index.ts';
import { memoryFor } from './free_memory.ts';
import { explained, refuseTooLargePlans, stepsWithinMeans, withinMeans } from './means.ts';
import { inTurns, turn } from './turn.ts';

interface LiveStep {
  readonly part: Part;
  readonly session: Session;
  /** Values that nobody reads behind this step. */
  readonly done: readonly ValueId[];
}

/** A function that keeps nothing else alive. */
const always =
  <T>(value: T): (() => T) =>
  () =>
    value;

interface Making {
  readonly isMember?: boolean;
  /** The graph at the sizes of the sessions; absent: the graph itself. */
  readonly sized?: () => Graph;
  readonly file?: Uint8Array;
}

type Results = Record<string, ITensor>;

/** The values of one run, and whose memory they are in. */
class Values {
  readonly #graph: Graph;
  readonly #tensors: Map<ValueId, ITensor>;
  readonly #foreign = new ForeignBuffers();

  /** @param areUnchanging results may lie in the memory of feeds: whoever runs a body keeps them apart at its own border */
  constructor(graph: Graph, feeds: Feeds, areUnchanging = false) {
    this.#graph = graph;
    this.#tensors = new Map(graph.inputs.map((id) => [id, feeds[id]]));
    if (!areUnchanging) for (const tensor of this.#tensors.values()) this.#foreign.note(tensor);
  }

  read(id: ValueId): ITensor {
    const known = this.#tensors.get(id);
    if (known) return known;
    const constant = constantOf(this.#graph, id);
    assert(constant, `%${id} was not computed`);
    return this.#foreign.note(constant);
  }

  inputsOf = ({ inputs }: Part): ITensor[] => inputs.map((id) => this.read(id));

  /** Ends a step: what nobody reads any more is let go. */
  finish({ part: { outputs }, done }: LiveStep, tensors: readonly ITensor[]): void {
    for (const [i, id] of outputs.entries()) this.#tensors.set(id, tensors[i]);
    for (const id of done) this.#tensors.delete(id);
  }

  /**
   * Copies values that are read later and lie in the memory of a feed: the caller may change it while the run waits.
   */
  keep(read: ReadonlySet<ValueId>): void {
    for (const [id, tensor] of this.#tensors)
      if (read.has(id) && this.#foreign.has(tensor)) this.#tensors.set(id, copyOf(tensor));
  }

  results(): Results {
    return Object.fromEntries(this.#graph.outputs.map((id) => [id, this.#foreign.owned(this.read(id))]));
  }
}

/**
 * Feeds are read before a call returns, also where it returns a promise, and results are memory of their own: no feed, no
 * constant of the model and no other result shares it.
 */
export class Executable {
  readonly parts: readonly Part[];
  /** Sizes may be symbols in it; of its constants it has those alone that are outputs. */
  readonly #graph: Graph;
  readonly #sized: () => Graph;
  readonly #steps: readonly LiveStep[];
  readonly #bytesOfRun: number;
  /** That its sessions take, besides constants. */
  readonly bytes: number;
  /** The same where those of other sizes run. */
  readonly keptBytes: number;
  /** Its sessions are of use for others of its graph. */
  readonly isMember: boolean;
  #running = 0;
  #disposed = false;

  private constructor(
    graph: Graph,
    sized: () => Graph,
    steps: readonly Step[],
    live: readonly LiveStep[],
    isMember: boolean,
  ) {
    this.#graph = graph;
    this.isMember = isMember;
    this.#sized = sized;
    this.parts = steps.map(({ part }) => part);
    this.#steps = live;
    this.bytes = steps.reduce((sum, { plan }) => sum + plan.bytes, 0);
    this.keptBytes = steps.reduce((sum, { plan }) => sum + (plan.keptBytes ?? plan.bytes), 0);
    this.#bytesOfRun = steps.reduce((sum, { plan }) => sum + plan.bytesOfRun, 0);
  }

  /** @throws UnskewError U1006 when the system has no more memory, U5002 when it gives no more threads */
  static *#opened(
    graph: Graph,
    steps: readonly Step[],
    { sized, file, isMember = false }: Making = {},
  ): Steps<Executable> {
    const known = withoutConstants(graph);
    const lasting = sized ?? always(known);
    // other parts, and outputs, may read constants as well
    const isAlone = steps.length === 1 && graph.outputs.every((id) => graph.values[id].constant === undefined);
    const opened = steps.map(({ part, plan }): Step => ({ part: { ...part, graph: known }, plan }));
    const opening = liveSteps(opened, new Set(graph.outputs), isAlone ? file : undefined);
    return new Executable(known, lasting, opened, yield* stepsWithinMeans(lasting, opening), isMember);
  }

  /**
   * Plans a graph of static shapes.
   *
   * @param backends in the order in which they are asked
   * @throws UnskewError U1006 when it takes more memory than there is, U5002 when the system gives no more threads
   */
  static of(graph: Graph, backends: readonly Backend[]): Executable {
    return atOnce(Executable.#opened(graph, atOnce(stepsOf(graph, backends))));
  }

  /** A plan that is there already. */
  static planned(graph: Graph, step: Step): Executable {
    return atOnce(Executable.#opened(graph, [step]));
  }

  /**
   * The same, while the event loop turns.
   *
   * @param file the memory of its constants, or of some of them, where nobody else reads it; it may read as zeros afterwards
   */
  static async inTurns(graph: Graph, backends: readonly Backend[], file?: Uint8Array): Promise<Executable> {
    const steps = await inTurns(stepsOf(graph, backends));
    await turn();
    return inTurns(Executable.#opened(graph, steps, { ...(file && { file }) }));
  }

  /**
   * The graph of `families` at these sizes. A plan that follows from others is small, so that no memory is looked for before it is taken.
   *
   * @param isSearched a family for them was looked for
   * @throws UnskewError as `of` does
   */
  static at(families: PlanFamilies, sizes: ReadonlyMap<string, number>, isSearched = false): Executable {
    const { graph, backends } = families;
    const member = isSearched ? families.known(sizes) : families.memberAt(sizes);
    const sized = () => specialize(graph, sizes);
    return member
      ? atOnce(Executable.#opened(graph, [member], { sized, isMember: true }))
      : Executable.of(sized(), backends);
  }

  /** Runs that have not ended. */
  get running(): number {
    return this.#running;
  }

  /**
   * The results themselves where all was computed on the calling thread.
   *
   * @param areUnchanging nobody changes feeds from now on: results may lie in their memory
   */
  run(feeds: Feeds, areUnchanging = false): Promise<Results> | Results {
    this.#checkQueue();
    const values = new Values(this.#graph, feeds, areUnchanging);
    try {
      for (const [at, step] of this.#steps.entries()) {
        const done = step.session.run(values.inputsOf(step.part), areUnchanging);
        if (done instanceof Promise) {
          // behind the first promise no value lies in the memory of a feed that may change
          if (!areUnchanging) values.keep(this.#readAfter(at));
          return this.#continued(values, at, done);
        }
        values.finish(step, done);
      }
      return values.results();
    } catch (error) {
      throw explained(error, this.#sized());
    }
  }

  /** The rest of a run, of which a step has begun. */
  async #continued(values: Values, at: number, begun: Promise<readonly ITensor[]>): Promise<Results> {
    this.#running++;
    try {
      let outputs = await begun;
      for (let next = at; !this.#disposed; ) {
        values.finish(this.#steps[next], outputs);
        next++;
        if (next === this.#steps.length) return values.results();
        const { part, session } = this.#steps[next];
        outputs = await session.run(values.inputsOf(part), true);
      }
    } catch (error) {
      if (!this.#disposed) throw explained(error, this.#sized());
    } finally {
      this.#running--;
    }
    return fail('U4002', 'the model was disposed of before the run ended', {}, 'await the runs first');
  }

  runSync(feeds: Feeds): Results {
    return withinMeans(this.#sized, () => {
      const values = new Values(this.#graph, feeds);
      for (const step of this.#steps) values.finish(step, step.session.runSync(values.inputsOf(step.part)));
      return values.results();
    });
  }

  /** One run with the time of every node; layout changes count for the node that asked for them. */
  profile(feeds: Feeds): { readonly results: Results; readonly times: readonly NodeTime[] } {
    const values = new Values(this.#graph, feeds);
    const all = this.#steps.flatMap((step) => {
      const { outputs, times } = step.session.profile(values.inputsOf(step.part));
      values.finish(step, outputs);
      return times;
    });
    return { results: values.results(), times: all };
  }

  /** Nodes that others than the first back end compute, in bodies too. */
  get fallbacks(): readonly Fallback[] {
    return [...fallbacksOf(this.parts), ...this.#steps.flatMap(({ session }) => session.fallbacks ?? [])];
  }

  /** Frees memory at once, that of the run in progress at its end. All runs that have not ended reject. */
  dispose(): void {
    this.#disposed = true;
    for (const { session } of this.#steps) session.dispose();
  }

  /** The same where nothing runs, while others of its graph are to come: they take over what they can. */
  retire(): void {
    this.#disposed = true;
    for (const { session } of this.#steps) {
      if (session.retire) session.retire();
      else session.dispose();
    }
  }

  /** The values that are read behind a step. */
  #readAfter(at: number): ReadonlySet<ValueId> {
    return new Set([...this.#steps.slice(at + 1).flatMap(({ part }) => part.inputs), ...this.#graph.outputs]);
  }

  /**
   * Every run that waits holds a copy of its inputs and has memory for its outputs.
   *
   * @throws UnskewError U1006 when another run would need more memory than is free
   */
  #checkQueue(): void {
    const bytes = (this.#running + 1) * this.#bytesOfRun;
    if (this.#running === 0 || bytes <= LARGE_QUEUE || bytes <= memoryFor('now')) return;
    fail(
      'U1006',
      `${this.#running} runs of the model wait, and with another one their inputs and outputs would take ${formatBytes(bytes)}: there is not that much memory left`,
      {},
      'await some of them first',
    );
  }
}

function* stepsOf(graph: Graph, backends: readonly Backend[]): Steps<readonly Step[]> {
  refuseTooLarge(graph, 'now');
  yield;
  const steps = yield* stepsWithinMeans(always(graph), planningOf(graph, backends));
  yield;
  refuseTooLargePlans(graph, steps);
  return steps;
}

/** A queue of fewer bytes is not worth a look at the system. */
const LARGE_QUEUE = 2 ** 28;

/** All sessions, or none. */
function* liveSteps(steps: readonly Step[], outputs: ReadonlySet<ValueId>, expendable?: Uint8Array): Steps<LiveStep[]> {
  const ends: ValueId[][] = steps.map(() => []);
  const last = new Map<ValueId, number>();
  for (const [at, { part }] of steps.entries()) for (const id of [...part.outputs, ...part.inputs]) last.set(id, at);
  for (const [id, at] of last) if (!outputs.has(id)) ends[at].push(id);
  const live: LiveStep[] = [];
  try {
    for (const [at, { part, plan }] of steps.entries()) {
      const session = plan.opening ? yield* plan.opening(expendable) : plan.open(expendable);
      live.push({ part, session, done: ends[at] });
      yield;
    }
    return live;
  } catch (error) {
    for (const { session } of live) session.dispose();
    throw error;
  }
}
