/**
 * The graph: plain data in SSA form, which nobody changes. Names of the model are the ids of its values.
 *
 *   Graph ── values: id → { type, constant? }        every value: input, result or constant
 *         └─ nodes:  id of first result → { op, operands, attrs, results, loc }
 *
 * Passes match on the graph and write through `passes/rewrite`.
 */
import { assert, type Diagnostic } from '../diagnostics/index.ts';
import type { RequantizeProfile } from '../numerics/index.ts';
import type { ITensor } from '../tensors/index.ts';
import type { ConstantId, ConstantPool } from './constant_pool.ts';
import type { AttrValue } from './define_op.ts';
import type { OpName } from './op_table.ts';
import type { Dim, Loc, NodeId, TensorType, ValueId } from './types.ts';

export interface ValueInfo {
  readonly type: TensorType;
  /** Set when the value is a constant. */
  readonly constant?: ConstantId;
}

export interface Node {
  readonly id: NodeId;
  readonly op: OpName;
  /** In the order of the declaration; null for an absent optional operand; a variadic one takes all the rest. */
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
  /** The sizes that symbols of the inputs may have, where not any, and the names that the file gives to symbols, where they are others. */
  readonly symbols?: Readonly<Record<string, SymbolFacts>>;
  /**
   * The rounding of sums that passes turn into integer ones, `ort` when absent; quantized operators state their own.
   */
  readonly profile?: RequantizeProfile;
  /** The file that the graph was read from, for exporters; see importers. Not part of the graph's meaning. */
  readonly origin?: Origin;
}

/** Bounds of a symbolic size, both included, and the name that the file gives it where it is not an identifier. */
export interface SymbolFacts {
  readonly min?: number;
  readonly max?: number;
  readonly name?: string;
}

/** A dimension by the name that the file gives it. */
export function namedDim({ symbols = {} }: Pick<Graph, 'symbols'>, dim: Dim): Dim {
  return typeof dim === 'string' && Object.hasOwn(symbols, dim) ? (symbols[dim].name ?? dim) : dim;
}

/** A type whose sizes have the names that the file gives them, for messages. */
export const namedType = (graph: Pick<Graph, 'symbols'>, type: TensorType): TensorType => ({
  ...type,
  shape: type.shape.map((dim) => namedDim(graph, dim)),
});

/** Facts that an importer leaves for the exporter of the same format, which `kind` names. */
export interface Origin {
  readonly kind: string;
  /** Values that became opaque, and why; nodes that are opaque because they read such a value are not listed. */
  readonly unsupported: readonly Unsupport[];
  /** Whose arithmetic its quantized operators were read with, where the format leaves that open. */
  readonly profile?: string;
  /** Notes for the user on the reading of the file. */
  readonly notes?: readonly Diagnostic[];
  /** Graphs inside of carried operators. */
  readonly bodies?: readonly Body[];
  /** Variables that became inputs and outputs. */
  readonly state?: readonly HeldTensor[];
}

/** A tensor that one run leaves for the next. */
export interface HeldTensor {
  readonly input: string;
  /** The output of its new value, which the next run is fed. */
  readonly output: string;
  /** Every element before the first run: zero in real terms, that is, the zero point. */
  readonly start: number;
}

/** A graph inside of an operator, such as a branch of an If. */
export interface Body {
  /** The name of the operator. */
  readonly within: string;
  readonly graph: Graph;
}

export interface Unsupport {
  /** The first carried value. */
  readonly value: string;
  /** The operator, `initializer`, `parameter` or `input`. */
  readonly operator: string;
  readonly reason: string;
  /** With known sizes of inputs it may be understood. */
  readonly dependsOnSizes?: boolean;
}

/** Remembers a function of a graph: it is computed when first asked for, and once. Nobody changes a graph. */
export function once<T>(make: (graph: Graph) => T): (graph: Graph) => T {
  const made = new WeakMap<Graph, T>();
  return (graph) => {
    let known = made.get(graph);
    if (known === undefined) {
      known = make(graph);
      made.set(graph, known);
    }
    return known;
  };
}

export const nodesOf = once((graph): readonly Node[] => Object.values(graph.nodes));

export const valueIdsOf = ({ values }: Pick<Graph, 'values'>): ValueId[] => Object.keys(values) as ValueId[];

/** True when one of the values has the name. */
export const hasValue = ({ values }: Pick<Graph, 'values'>, name: string): name is ValueId =>
  Object.hasOwn(values, name);

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

/** The graph when its nodes have been planned: without its file, and with the tensors of those constants alone that are outputs. */
export const withoutConstants = once(({ origin: _, ...graph }): Graph => {
  const kept = graph.outputs.flatMap((id) => graph.values[id].constant ?? []);
  return { ...graph, pool: graph.pool.only(kept) };
});

/** Every value's producing node; inputs and constants have none. */
export const producersOf = once((graph): ReadonlyMap<ValueId, Node> => {
  const producers = new Map<ValueId, Node>();
  for (const node of nodesOf(graph)) for (const result of node.results) producers.set(result, node);
  return producers;
});

/** Every value's consuming nodes, a node as often as it reads the value; graph outputs are not consumers. */
export const consumersOf = once((graph): ReadonlyMap<ValueId, readonly Node[]> => {
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
});

/** Every value's consuming nodes, each once. */
export const readersOf = once((graph): ReadonlyMap<ValueId, readonly Node[]> => {
  const readers = new Map<ValueId, Node[]>();
  for (const node of nodesOf(graph)) {
    for (const operand of node.operands) {
      if (operand === null) continue;
      const list = readers.get(operand);
      if (list === undefined) readers.set(operand, [node]);
      else if (list[list.length - 1] !== node) list.push(node);
    }
  }
  return readers;
});
