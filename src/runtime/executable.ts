/** A plan brought to life: sessions for its native segments, the interpreter for the rest. */

import type { NativeSession, OneDnnBinding } from '../codegen/onednn/binding.ts';
import type { NativeStep, Plan, ReferenceStep } from '../codegen/onednn/plan.ts';
import { assert } from '../diagnostics/index.ts';
import {
  bytesOf,
  constantOf,
  dtypes,
  evaluateNode,
  type Feeds,
  type Graph,
  type ITensor,
  isStatic,
  newArray,
  sizeOf,
  type ValueId,
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

export class Executable {
  readonly plan: Plan;
  readonly #steps: readonly LiveStep[];

  constructor(plan: Plan, binding: OneDnnBinding) {
    this.plan = plan;
    this.#steps = plan.steps.map((step) =>
      step.kind === 'native' ? { step, session: binding.session(step.spec) } : { step },
    );
  }

  async run(feeds: Feeds): Promise<Record<string, ITensor>> {
    const values = this.#values(feeds);
    for (const { step, session } of this.#steps) {
      if (step.kind === 'reference') this.#evaluate(step, values);
      else {
        const { inputs, outputs } = this.#buffers(step, values);
        await session?.run(inputs, outputs);
      }
    }
    return this.#results(values);
  }

  runSync(feeds: Feeds): Record<string, ITensor> {
    const values = this.#values(feeds);
    for (const { step, session } of this.#steps) {
      if (step.kind === 'reference') this.#evaluate(step, values);
      else {
        const { inputs, outputs } = this.#buffers(step, values);
        session?.runSync(inputs, outputs);
      }
    }
    return this.#results(values);
  }

  /** One run with the time of every node; layout changes count for the node that asked for them. */
  profile(feeds: Feeds): NodeTime[] {
    const values = this.#values(feeds);
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

  dispose(): void {
    for (const { session } of this.#steps) session?.dispose();
  }

  #values(feeds: Feeds): Map<ValueId, ITensor> {
    return new Map(this.plan.graph.inputs.map((id) => [id, feeds[id]]));
  }

  #read(values: Map<ValueId, ITensor>, id: ValueId): ITensor {
    const value = values.get(id) ?? constantOf(this.plan.graph, id);
    assert(value, `%${id} was not computed`);
    return value;
  }

  #evaluate({ node }: ReferenceStep, values: Map<ValueId, ITensor>): void {
    const results = evaluateNode(
      node,
      node.operands.map((id) => (id === null ? null : this.#read(values, id))),
    );
    node.results.forEach((id, i) => {
      values.set(id, results[i]);
    });
  }

  /** Bytes of a segment's inputs, and fresh results for its outputs. */
  #buffers(
    { inputs, outputs }: NativeStep,
    values: Map<ValueId, ITensor>,
  ): { inputs: Uint8Array[]; outputs: Uint8Array[] } {
    const given = inputs.map((id) => bytesOf(this.#read(values, id).data));
    const made = outputs.map((id) => {
      const tensor = emptyTensor(this.plan.graph, id);
      values.set(id, tensor);
      return bytesOf(tensor.data);
    });
    return { inputs: given, outputs: made };
  }

  #results(values: Map<ValueId, ITensor>): Record<string, ITensor> {
    return Object.fromEntries(this.plan.graph.outputs.map((id) => [id, this.#read(values, id)]));
  }
}

function emptyTensor(graph: Graph, id: ValueId): ITensor {
  const { dtype, shape } = graph.values[id].type;
  assert(dtype !== 'opaque' && isStatic(shape) && dtypes[dtype], `%${id} has no static type`);
  return { dtype, shape, data: newArray(dtype, sizeOf(shape)) };
}
