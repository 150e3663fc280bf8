/** A plan brought to life: sessions for its native segments, the interpreter for the rest. */

import type { NativeSession, OneDnnBinding } from '../codegen/onednn/binding.ts';
import type { NativeStep, Plan, ReferenceStep } from '../codegen/onednn/plan.ts';
import { assert, fail } from '../diagnostics/index.ts';
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
  sizeOf,
  type ValueId,
  viewAs,
} from '../ir/index.ts';

interface LiveStep {
  readonly step: NativeStep | ReferenceStep;
  readonly session?: NativeSession;
}

/** Where the time of one run went, per node of the plan. */
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

  /** Copies what is read from now on and lies in the memory of a feed: the caller may change it while the run waits. */
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
  /** What is read after the first native step, where `run` waits for the first time. */
  readonly #readLater: ReadonlySet<ValueId>;
  #running = 0;
  #retired = false;
  #disposed = false;

  constructor(plan: Plan, binding: OneDnnBinding) {
    this.plan = plan;
    this.#steps = plan.steps.map((step) =>
      step.kind === 'native' ? { step, session: binding.session(step.spec) } : { step },
    );
    const later = plan.steps.slice(plan.steps.findIndex(({ kind }) => kind === 'native') + 1);
    this.#readLater = new Set([...later.flatMap(operandsOf), ...plan.graph.outputs]);
  }

  async run(feeds: Feeds): Promise<Record<string, ITensor>> {
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
          step.outputs.forEach((id, i) => {
            const { dtype, shape } = typeOfResult(this.plan.graph, id);
            values.set(id, { dtype, shape, data: viewAs(dtype, outputs[i]) });
          });
        }
      }
      return values.results();
    } catch (error) {
      if (this.#disposed) fail('U4002', 'the model has been disposed of');
      throw error;
    } finally {
      this.#running--;
      if (this.#retired && this.#running === 0) this.dispose();
    }
  }

  runSync(feeds: Feeds): Record<string, ITensor> {
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

  /** A run that computes natively goes on to the end of that; others reject with U4002. */
  dispose(): void {
    this.#disposed = true;
    for (const { session } of this.#steps) session?.dispose();
  }

  /** Disposes of it as soon as the runs that go on have ended. */
  retire(): void {
    this.#retired = true;
    if (this.#running === 0) this.dispose();
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

const inputsOf = ({ inputs }: NativeStep, values: Values): Uint8Array[] =>
  inputs.map((id) => bytesOf(values.read(id).data));

const operandsOf = (step: NativeStep | ReferenceStep): readonly ValueId[] =>
  step.kind === 'native' ? step.inputs : step.node.operands.filter((id) => id !== null);

function typeOfResult(graph: Graph, id: ValueId): { readonly dtype: DType; readonly shape: readonly number[] } {
  const { dtype, shape } = graph.values[id].type;
  assert(dtype !== 'opaque' && isStatic(shape) && dtypes[dtype], `%${id} has no static type`);
  return { dtype, shape };
}
