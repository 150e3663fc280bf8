/** A plan brought to life: sessions for its native segments, the interpreter for the rest. */

import type { NativeSession, OneDnnBinding } from '../codegen/onednn/binding.ts';
import { buildPlan, type NativeStep, type Plan, type ReferenceStep } from '../codegen/onednn/plan.ts';
import { assert, fail, formatBytes } from '../diagnostics/index.ts';
import {
  bytesOf,
  constantOf,
  copyOf,
  type DType,
  dtypes,
  evaluateNode,
  type Feeds,
  ForeignBuffers,
  type Graph,
  type ITensor,
  isStatic,
  newArray,
  refuseTooLarge,
  sizeOf,
  type ValueId,
  viewAs,
} from '../ir/index.ts';
import { memoryFor } from './free_memory.ts';
import { explained, refuseTooLargePlan, withinMeans } from './means.ts';

interface LiveStep {
  readonly step: NativeStep | ReferenceStep;
  readonly session?: NativeSession;
}

/** The time that one run spent on a node of the plan. */
export interface NodeTime {
  readonly node: string;
  readonly op: string;
  readonly microseconds: number;
}

/** The values of one run, and whose memory they are in. */
class Values {
  readonly #graph: Graph;
  readonly #tensors: Map<ValueId, ITensor>;
  readonly #foreign = new ForeignBuffers();

  constructor(graph: Graph, feeds: Feeds) {
    this.#graph = graph;
    this.#tensors = new Map(graph.inputs.map((id) => [id, this.#foreign.note(feeds[id])]));
  }

  read(id: ValueId): ITensor {
    const known = this.#tensors.get(id);
    if (known) return known;
    const constant = constantOf(this.#graph, id);
    assert(constant, `%${id} was not computed`);
    return this.#foreign.note(constant);
  }

  set(id: ValueId, tensor: ITensor): void {
    this.#tensors.set(id, tensor);
  }

  /**
   * Copies values that are read later and lie in the memory of a feed: the caller may change it while the run waits.
   */
  keep(read: ReadonlySet<ValueId>): void {
    for (const [id, tensor] of this.#tensors)
      if (read.has(id) && this.#foreign.has(tensor)) this.#tensors.set(id, copyOf(tensor));
  }

  results(): Record<string, ITensor> {
    return Object.fromEntries(this.#graph.outputs.map((id) => [id, this.#foreign.owned(this.read(id))]));
  }
}

/**
 * Feeds are read before a call returns, also where it returns a promise, and results are memory of their own: no feed, no
 * constant of the model and no other result shares it.
 */
export class Executable {
  readonly plan: Plan;
  readonly #steps: readonly LiveStep[];
  /** Values that are read after the first native step, at which `run` waits for the first time. */
  readonly #readLater: ReadonlySet<ValueId>;
  readonly #bytesOfRun: number;
  #running = 0;
  #disposed = false;

  /**
   * Plans a graph of static shapes.
   *
   * @throws UnskewError U1006 when it takes more memory than there is, U5002 when the system gives no more threads
   */
  constructor(graph: Graph, binding: OneDnnBinding, threads: number) {
    refuseTooLarge(graph, 'now');
    const plan = withinMeans(graph, () => buildPlan(graph, binding, threads));
    refuseTooLargePlan(plan);
    this.plan = plan;
    this.#steps = withinMeans(graph, () => liveSteps(plan, binding));
    this.#bytesOfRun = bytesOfRun(plan);
    const later = plan.steps.slice(plan.steps.findIndex(({ kind }) => kind === 'native') + 1);
    this.#readLater = new Set([...later.flatMap(operandsOf), ...plan.graph.outputs]);
  }

  /** Runs that have not ended. */
  get running(): number {
    return this.#running;
  }

  async run(feeds: Feeds): Promise<Record<string, ITensor>> {
    this.#checkQueue();
    const values = new Values(this.plan.graph, feeds);
    this.#running++;
    try {
      let waited = false;
      for (const { step, session } of this.#steps) {
        if (step.kind === 'reference') this.#evaluate(step, values);
        else if (session) {
          const done = session.run(inputsOf(step, values));
          if (!waited) values.keep(this.#readLater);
          waited = true;
          const outputs = await done;
          if (this.#disposed) break;
          step.outputs.forEach((id, i) => {
            const { dtype, shape } = typeOfResult(this.plan.graph, id);
            values.set(id, { dtype, shape, data: viewAs(dtype, outputs[i]) });
          });
        }
      }
      if (!this.#disposed) return values.results();
    } catch (error) {
      if (!this.#disposed) throw explained(error, this.plan.graph);
    } finally {
      this.#running--;
    }
    return fail('U4002', 'the model was disposed of before the run ended', {}, 'await the runs first');
  }

  runSync(feeds: Feeds): Record<string, ITensor> {
    return withinMeans(this.plan.graph, () => this.#runSync(feeds));
  }

  #runSync(feeds: Feeds): Record<string, ITensor> {
    const values = new Values(this.plan.graph, feeds);
    for (const { step, session } of this.#steps) {
      if (step.kind === 'reference') this.#evaluate(step, values);
      else {
        const { inputs, outputs } = this.#buffers(step, values);
        session?.runSync(inputs, outputs);
      }
    }
    return values.results();
  }

  /** One run with the time of every node; layout changes count for the node that asked for them. */
  profile(feeds: Feeds): NodeTime[] {
    const values = new Values(this.plan.graph, feeds);
    const times: NodeTime[] = [];
    for (const { step, session } of this.#steps) {
      if (step.kind === 'reference') {
        const start = performance.now();
        this.#evaluate(step, values);
        times.push({
          node: step.node.id,
          op: `${step.node.op} (interpreter)`,
          microseconds: (performance.now() - start) * 1000,
        });
      } else {
        const { inputs, outputs } = this.#buffers(step, values);
        const perCommand = session?.profile(inputs, outputs) ?? [];
        const byNode = new Map<string, number>();
        step.labels.forEach((label, i) => {
          byNode.set(label, (byNode.get(label) ?? 0) + perCommand[i]);
        });
        for (const node of step.nodes)
          times.push({ node: node.id, op: node.op, microseconds: byNode.get(node.id) ?? 0 });
      }
    }
    return times;
  }

  /** Frees memory at once, that of the run in progress at its end. All runs that have not ended reject. */
  dispose(): void {
    this.#disposed = true;
    for (const { session } of this.#steps) session?.dispose();
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

  #evaluate({ node }: ReferenceStep, values: Values): void {
    const results = evaluateNode(
      node,
      node.operands.map((id) => (id === null ? null : values.read(id))),
    );
    node.results.forEach((id, i) => {
      values.set(id, results[i]);
    });
  }

  /** Bytes of a segment's inputs, and fresh results for its outputs. */
  #buffers(step: NativeStep, values: Values): { inputs: Uint8Array[]; outputs: Uint8Array[] } {
    const outputs = step.outputs.map((id) => {
      const { dtype, shape } = typeOfResult(this.plan.graph, id);
      const data = newArray(dtype, sizeOf(shape));
      values.set(id, { dtype, shape, data });
      return bytesOf(data);
    });
    return { inputs: inputsOf(step, values), outputs };
  }
}

/** A queue of fewer bytes is not worth a look at the system. */
const LARGE_QUEUE = 2 ** 28;

const bytesOfRun = ({ steps }: Plan): number =>
  steps
    .flatMap((step) => (step.kind === 'native' ? [...step.spec.inputBytes, ...step.spec.outputBytes] : []))
    .reduce((sum, bytes) => sum + bytes, 0);

/** All sessions, or none. */
function liveSteps({ steps }: Plan, binding: OneDnnBinding): LiveStep[] {
  const live: LiveStep[] = [];
  try {
    for (const step of steps)
      live.push(step.kind === 'native' ? { step, session: binding.session(step.spec) } : { step });
    return live;
  } catch (error) {
    for (const { session } of live) session?.dispose();
    throw error;
  }
}

const inputsOf = ({ inputs }: NativeStep, values: Values): Uint8Array[] =>
  inputs.map((id) => bytesOf(values.read(id).data));

const operandsOf = (step: NativeStep | ReferenceStep): readonly ValueId[] =>
  step.kind === 'native' ? step.inputs : step.node.operands.filter((id) => id !== null);

function typeOfResult(graph: Graph, id: ValueId): { readonly dtype: DType; readonly shape: readonly number[] } {
  const { dtype, shape } = graph.values[id].type;
  assert(dtype !== 'opaque' && isStatic(shape) && dtypes[dtype], `%${id} has no static type`);
  return { dtype, shape };
}
