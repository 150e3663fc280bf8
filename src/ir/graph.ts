/**
 * The graph: plain frozen data in SSA form. Names of the model are the ids of its values.
 *
 *   Graph ── values: id → { type, constant? }        every value: input, result or constant
 *         └─ nodes:  id of first result → { op, operands, attrs, results, loc }
 *
 * Passes match on the frozen graph and write through `passes/rewrite`; nobody mutates.
 */
import { assert, type Diagnostic } from '../diagnostics/index.ts';
import type { RequantizeProfile } from '../numerics/index.ts';
import type { ConstantId, ConstantPool } from './constant_pool.ts';
import type { AttrValue } from './define_op.ts';
import type { ITensor } from './tensor.ts';
import type { Loc, NodeId, TensorType, ValueId } from './types.ts';

export interface ValueInfo {
  readonly type: TensorType;
  /** Set when the value is a constant. */
  readonly constant?: ConstantId;
}

export interface Node {
  readonly id: NodeId;
  readonly op: string;
  /** In the order of the declaration; null for an optional operand that is absent; a variadic one takes all the rest. */
  readonly operands: readonly (ValueId | null)[];
  /** Complete: defaults are filled in. */
  readonly attrs: Readonly<Record<string, AttrValue>>;
  readonly results: readonly ValueId[];
  readonly loc: Loc;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  readonly nodes: Readonly<Record<NodeId, Node>>;
  readonly values: Readonly<Record<ValueId, ValueInfo>>;
  readonly pool: ConstantPool;
  /** What sizes symbols of the inputs may have; those of other symbols are free. */
  readonly symbols?: Readonly<Record<string, SymbolRange>>;
  /** How sums round that passes read as integer ones, `ort` when absent; operators that are there say it themselves. */
  readonly profile?: RequantizeProfile;
  /** The file that the graph was read from, for exporters; see importers. Not part of the graph's meaning. */
  readonly origin?: Origin;
}

/** Bounds of a symbolic size, both included. */
export interface SymbolRange {
  readonly min?: number;
  readonly max?: number;
}

/** What an importer leaves for the exporter of the same format. `kind` says whose it is. */
export interface Origin {
  readonly kind: string;
  /** What became an opaque value, and why; not listed: nodes that are opaque because they read one. */
  readonly unsupported: readonly Unsupport[];
  /** Whose arithmetic its quantized operators were read with, where the format leaves that open. */
  readonly profile?: string;
  /** What a user should know of how the file was read. */
  readonly notes?: readonly Diagnostic[];
  /** Graphs inside of operators that are carried. */
  readonly bodies?: readonly Body[];
}

/** A graph inside of an operator, such as a branch of an If. */
export interface Body {
  /** The name of the operator. */
  readonly within: string;
  readonly graph: Graph;
}

export interface Unsupport {
  /** The first value that is carried and not computed. */
  readonly value: string;
  /** The operator, `initializer`, `parameter` or `input`. */
  readonly operator: string;
  readonly reason: string;
}

export const nodesOf = (graph: Graph): Node[] => Object.values(graph.nodes);

export function valueInfo(graph: Graph, id: ValueId): ValueInfo {
  const info = graph.values[id];
  assert(info, `no value %${id} in the graph`);
  return info;
}

export const typeOf = (graph: Graph, id: ValueId): TensorType => valueInfo(graph, id).type;

/** The tensor of a constant value, undefined for any other. */
export function constantOf(graph: Graph, id: ValueId | null | undefined): ITensor | undefined {
  if (id === null || id === undefined) return undefined;
  const { constant } = valueInfo(graph, id);
  return constant === undefined ? undefined : graph.pool.get(constant);
}

/** Every value's producing node; inputs and constants have none. */
export function producersOf(graph: Graph): Map<ValueId, Node> {
  const producers = new Map<ValueId, Node>();
  for (const node of nodesOf(graph)) for (const result of node.results) producers.set(result, node);
  return producers;
}

/** Every value's consuming nodes, a node as often as it reads the value; graph outputs are not consumers. */
export function consumersOf(graph: Graph): Map<ValueId, Node[]> {
  const consumers = new Map<ValueId, Node[]>();
  for (const node of nodesOf(graph)) {
    for (const operand of node.operands) {
      if (operand === null) continue;
      const list = consumers.get(operand);
      if (list) list.push(node);
      else consumers.set(operand, [node]);
    }
  }
  return consumers;
}

/**
 * Nodes in an order in which every operand is defined before its use: the order of insertion where that allows.
 * A cycle is left to the verifier; nodes on one are returned in `cyclic`.
 */
export function topologicalOrder(graph: Graph): { readonly order: readonly Node[]; readonly cyclic: readonly Node[] } {
  const producers = producersOf(graph);
  const state = new Map<NodeId, 'open' | 'done'>();
  const order: Node[] = [];
  const cyclic: Node[] = [];
  for (const root of nodesOf(graph)) {
    const stack: { node: Node; next: number }[] = [{ node: root, next: 0 }];
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const seen = state.get(top.node.id);
      if (seen === 'done') {
        stack.pop();
        continue;
      }
      state.set(top.node.id, 'open');
      if (top.next === top.node.operands.length) {
        state.set(top.node.id, 'done');
        order.push(top.node);
        stack.pop();
        continue;
      }
      const operand = top.node.operands[top.next++];
      const producer = operand === null ? undefined : producers.get(operand);
      if (producer === undefined || state.get(producer.id) === 'done') continue;
      if (state.get(producer.id) === 'open') cyclic.push(producer);
      else stack.push({ node: producer, next: 0 });
    }
  }
  return { order, cyclic };
}
