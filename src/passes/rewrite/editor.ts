/**
 * Edits a graph. Edits are kept beside the graph, so that an editor costs only its changes; reads see them at
 * once. They reach immer in one `produceWithPatches` at the end (a recipe per rewrite would be a hundred times slower),
 * so that a pass yields its next graph, the patches to replay or undo it, and the events that name the rule of each
 * change.
 */
import type { Patch } from 'immer';
import { assert } from '../../diagnostics/index.ts';
import {
  type AnyOp,
  type ConstantPool,
  type DType,
  Emitter,
  type Graph,
  type ITensor,
  isComputable,
  type Loc,
  type Node,
  type NodeId,
  nnIdentity,
  nodesOf,
  once,
  operandsByName,
  producersOf,
  readersOf,
  type TensorType,
  tellersRead,
  tensorOfType,
  topologicalOrder,
  type Value,
  type ValueId,
  type ValueInfo,
  type ValueView,
  valueIdsOf,
} from '../../ir/index.ts';
import { produceWithPatches } from './drafts.ts';

/** One application of a rule: the removed nodes and the new ones. */
export interface RewriteEvent {
  readonly rule: string;
  readonly root: NodeId;
  readonly loc: Loc;
  readonly removed: readonly NodeId[];
  readonly added: readonly NodeId[];
}

export interface EditResult {
  readonly graph: Graph;
  readonly events: readonly RewriteEvent[];
  readonly patches: readonly Patch[];
  readonly inversePatches: readonly Patch[];
}

/** Operands from which on a node is copied once and then changed in place. */
const WIDE = 32;

/** A node that this edit made, and where it reads which value. */
interface Wide {
  readonly node: Node;
  readonly operands: (ValueId | null)[];
  readonly places: Map<ValueId, number[]>;
}

function placesIn(operands: readonly (ValueId | null)[]): Map<ValueId, number[]> {
  const places = new Map<ValueId, number[]>();
  for (const [place, id] of operands.entries()) {
    if (id === null) continue;
    const known = places.get(id);
    if (known) known.push(place);
    else places.set(id, [place]);
  }
  return places;
}

const idsInOrder = once((graph): readonly NodeId[] => topologicalOrder(graph).order.map(({ id }) => id));

const inBase = (graph: Graph, id: NodeId): Node | undefined => {
  const node = producersOf(graph).get(id);
  return node?.id === id ? node : undefined;
};

/** Values that are not inputs, and that nothing makes or reads. */
const unusedIn = once((graph): readonly ValueId[] => {
  const [borders, producers, readers] = [
    new Set([...graph.inputs, ...graph.outputs]),
    producersOf(graph),
    readersOf(graph),
  ];
  return valueIdsOf(graph).filter((id) => !readers.has(id) && !producers.has(id) && !borders.has(id));
});

export class GraphEditor {
  readonly #base: Graph;
  readonly #outputs: Set<ValueId>;
  /** Nodes that are new or changed since the base; undefined for removed ones. */
  readonly #nodes = new Map<NodeId, Node | undefined>();
  /** The changed nodes that stand behind all others. */
  readonly #appended = new Set<NodeId>();
  readonly #values = new Map<ValueId, ValueInfo>();
  /** The producers of values that changed since the base. */
  readonly #producers = new Map<ValueId, NodeId | undefined>();
  readonly #consumers = new Map<ValueId, Set<NodeId>>();
  readonly #events: RewriteEvent[] = [];
  readonly #wide = new Map<NodeId, Wide>();
  #added: NodeId[] = [];
  readonly pool: ConstantPool;
  readonly emitter: Emitter;

  constructor(graph: Graph) {
    this.#base = graph;
    this.pool = graph.pool;
    this.#outputs = new Set(graph.outputs);
    this.emitter = new Emitter({
      pool: graph.pool,
      has: (id) => this.#values.has(id) || Object.hasOwn(graph.values, id),
      addValue: (id, info) => this.#values.set(id, info),
      addNode: (node) => {
        this.#set(node);
        this.#added.push(node.id);
      },
    });
  }

  // ---- reading ----

  /** The graph before the edit. Its facts about remaining values still hold. */
  get base(): Graph {
    return this.#base;
  }

  /** Operands first. */
  get nodeIds(): readonly NodeId[] {
    if (this.#nodes.size === 0) return idsInOrder(this.#base);
    return idsInOrder({ ...this.#base, nodes: Object.fromEntries(this.#all().map((node) => [node.id, node])) });
  }
  node = (id: NodeId): Node | undefined => {
    const own = this.#nodes.get(id);
    return own !== undefined || this.#nodes.has(id) ? own : inBase(this.#base, id);
  };
  type = (id: ValueId): TensorType => this.#info(id).type;
  /** A value; rules never see opaque ones. */
  value = (id: ValueId): Value => {
    const value = { id, type: this.type(id) };
    assert(isComputable(value), `%${id} is only carried`);
    return value;
  };
  /** The operands of a node by name, with the declared element types; undefined for a node of another operator. */
  view = <D extends AnyOp>(op: D, node: Node | undefined): ValueView<D> | undefined =>
    node?.op === op.name ? this.viewOf<D>(node) : undefined;
  /** The view of a node whose operator is known to be D, or one of a union D. */
  viewOf<D extends AnyOp>(node: Node): ValueView<D> {
    const named = { ...operandsByName(node, this.value), attrs: node.attrs, node };
    return named as ValueView<AnyOp> as ValueView<D>;
  }
  /** The elements of a constant, undefined for anything else. */
  tensor = <D extends DType>(value: Value<D> | undefined): ITensor<D> | undefined => {
    const found = this.constant(value?.id);
    return value && found && tensorOfType(found, value.type.dtype);
  };
  /** The same for when somebody looks at them: weights that no rule reads are not loaded. */
  loader = <D extends DType>({ id, type }: Value<D>): (() => ITensor<D>) | undefined => {
    const { constant } = this.#info(id);
    return constant === undefined ? undefined : () => tensorOfType(this.pool.get(constant), type.dtype);
  };
  isOutput = (id: ValueId): boolean => this.#outputs.has(id);
  /** The node that computes the value; undefined for inputs and constants. */
  producer = (id: ValueId): Node | undefined => {
    const node = this.#producerId(id);
    return node && this.node(node);
  };
  consumers = (id: ValueId): readonly Node[] => {
    const own = this.#consumers.get(id);
    const ids = own ? [...own] : (readersOf(this.#base).get(id) ?? []).map((node) => node.id);
    return ids.flatMap((node) => this.node(node) ?? []);
  };
  /** True for a value with one consumer that is not a graph output: a rewrite of the consumer may remove the value. */
  isPrivate = (id: ValueId): boolean => !this.isOutput(id) && this.#countConsumers(id) <= 1;
  constant = (id: ValueId | null | undefined): ITensor | undefined => {
    const constant = id === null || id === undefined ? undefined : this.#info(id).constant;
    return constant === undefined ? undefined : this.pool.get(constant);
  };
  isConstant = (id: ValueId): boolean => this.#info(id).constant !== undefined;

  // ---- writing ----

  /**
   * Puts `results` in the place of the node's results. A result computed by a node of this rewrite takes over the
   * name, so that readers and graph outputs need not change; an older value takes over the readers.
   *
   * @returns ids of the nodes that are new or read something new, for the driver's worklist
   */
  replace(rule: string, node: Node, results: readonly Value[]): readonly NodeId[] {
    assert(
      results.length === node.results.length,
      `${rule}: ${node.op} has ${node.results.length} results, the rewrite gives ${results.length}`,
    );
    const fresh = new Set(this.#added);
    this.#remove(node);
    const affected = new Set<NodeId>(this.#added);
    node.results.forEach((old, i) => {
      const { id } = results[i];
      const producer = this.#producerId(id);
      if (producer !== undefined && fresh.has(producer) && !this.#outputs.has(id)) {
        for (const renamed of this.#rename(id, old)) {
          affected.delete(renamed.from);
          affected.add(renamed.to);
        }
      } else for (const n of this.#redirect(old, id)) affected.add(n);
    });
    for (const consumer of node.results.flatMap((id) => this.consumers(id))) affected.add(consumer.id);
    this.#added = [];
    this.#sweep([...fresh]); // emitted and then not needed
    const removed = [node.id, ...this.#sweep(node.operands)];
    const added = [...affected].filter((id) => this.node(id) !== undefined);
    this.#events.push({ rule, root: node.id, loc: node.loc, removed, added });
    return added;
  }

  /** Forgets the nodes that a rewrite emitted before it gave up. */
  abandon(): void {
    for (const id of this.#added) {
      const node = this.node(id);
      if (node) this.#remove(node);
    }
    this.#added = [];
  }

  /** Removes the nodes whose results nobody reads. */
  removeDead(rule: string): void {
    for (const node of this.#all()) {
      const removed = this.node(node.id) ? this.#sweep(node.results.slice(0, 1)) : [];
      if (removed.length > 0) this.#events.push({ rule, root: node.id, loc: node.loc, removed, added: [] });
    }
  }

  /** Sets attributes or operands of a node in place: same results, same types. */
  update(rule: string, node: Node): void {
    const old = this.node(node.id);
    assert(old, `${rule}: no node %${node.id}`);
    this.#unlink(old);
    this.#set(node);
    this.#events.push({ rule, root: node.id, loc: node.loc, removed: this.#sweep(old.operands), added: [node.id] });
  }

  /** The edited graph; constants that nobody reads any more are left out. */
  commit(): EditResult {
    const unused = this.#unused();
    const [graph, patches, inversePatches] = produceWithPatches(this.#base, (draft) => {
      const nodes: Record<NodeId, Node> = draft.nodes;
      const values: Record<ValueId, ValueInfo> = draft.values;
      for (const [id, node] of this.#nodes) {
        if (node) nodes[id] = node;
        else delete nodes[id];
      }
      for (const id of unused) delete values[id];
      for (const [id, info] of this.#values) if (this.#isUsed(id)) values[id] = info;
    });
    return { graph, events: this.#events, patches, inversePatches };
  }

  // ---- inside ----

  #info(id: ValueId): ValueInfo {
    const info = this.#values.get(id) ?? this.#base.values[id];
    assert(info, `no value %${id}`);
    return info;
  }

  #producerId(id: ValueId): NodeId | undefined {
    const own = this.#producers.get(id);
    return own !== undefined || this.#producers.has(id) ? own : producersOf(this.#base).get(id)?.id;
  }

  #countConsumers(id: ValueId): number {
    return this.#consumers.get(id)?.size ?? readersOf(this.#base).get(id)?.length ?? 0;
  }

  /** The consumers of a value, to be changed. */
  #ownConsumers(id: ValueId): Set<NodeId> {
    let own = this.#consumers.get(id);
    if (own === undefined) {
      own = new Set((readersOf(this.#base).get(id) ?? []).map((node) => node.id));
      this.#consumers.set(id, own);
    }
    return own;
  }

  /** All nodes, in the order of the base; new ones, and removed ones that were put back, come last. */
  #all(): readonly Node[] {
    if (this.#nodes.size === 0) return nodesOf(this.#base);
    const kept = nodesOf(this.#base).filter(({ id }) => !this.#appended.has(id));
    return [...kept.map(({ id }) => id), ...this.#appended].flatMap((id) => this.node(id) ?? []);
  }

  #isUsed = (id: ValueId): boolean =>
    this.#outputs.has(id) || this.#countConsumers(id) > 0 || this.#producerId(id) !== undefined;

  /** Values of the base that are not inputs and that no node makes or reads any more. */
  #unused(): readonly ValueId[] {
    if (this.#nodes.size === 0) return unusedIn(this.#base);
    const inputs = new Set(this.#base.inputs);
    return valueIdsOf(this.#base).filter((id) => !this.#isUsed(id) && !inputs.has(id));
  }

  #set(node: Node): void {
    if (this.node(node.id) === undefined) this.#appended.add(node.id);
    this.#nodes.set(node.id, node);
    this.#link(node);
  }

  #link(node: Node): void {
    for (const id of node.results) this.#producers.set(id, node.id);
    for (const id of node.operands) if (id !== null) this.#ownConsumers(id).add(node.id);
  }

  #unlink(node: Node): void {
    for (const id of node.results) if (this.#producerId(id) === node.id) this.#producers.set(id, undefined);
    for (const id of node.operands) if (id !== null) this.#ownConsumers(id).delete(node.id);
  }

  #remove(node: Node): void {
    this.#unlink(node);
    this.#nodes.set(node.id, undefined);
    this.#appended.delete(node.id);
  }

  /** Gives the value `from` the name `to`, whose old definition is gone. */
  #rename(from: ValueId, to: ValueId): { from: NodeId; to: NodeId }[] {
    const swap = (id: ValueId): ValueId => (id === from ? to : id);
    this.#values.set(to, this.#info(from));
    const renamed: { from: NodeId; to: NodeId }[] = [];
    for (const node of new Set([this.producer(from), ...this.consumers(from)])) {
      if (node === undefined) continue;
      const results = node.results.map(swap);
      this.#remove(node);
      this.#set({ ...node, id: results[0], results, operands: node.operands.map((id) => id && swap(id)) });
      renamed.push({ from: node.id, to: results[0] });
    }
    this.#consumers.set(from, new Set());
    return renamed;
  }

  /** Makes every reader of `from` read `to`; a graph output keeps its name through an identity. */
  #redirect(from: ValueId, to: ValueId): NodeId[] {
    const readers = this.consumers(from);
    for (const node of readers) this.#replaceOperand(node, from, to);
    if (this.isOutput(from)) {
      const value = this.emitter.emit(nnIdentity, { x: this.value(to) });
      this.#rename(value.id, from);
      return [...readers.map((n) => n.id), from];
    }
    return readers.map((n) => n.id);
  }

  /** A node of many operands is copied once per edit: each of its operands may be rewritten. */
  #replaceOperand(node: Node, from: ValueId, to: ValueId): void {
    this.#ownConsumers(from).delete(node.id);
    this.#ownConsumers(to).add(node.id);
    if (node.operands.length < WIDE) {
      this.#nodes.set(node.id, { ...node, operands: node.operands.map((id) => (id === from ? to : id)) });
      return;
    }
    let wide = this.#wide.get(node.id);
    if (wide?.node !== node) {
      const operands = [...node.operands];
      wide = { node: { ...node, operands }, operands, places: placesIn(operands) };
      this.#wide.set(node.id, wide);
      this.#nodes.set(node.id, wide.node);
    }
    const moved = wide.places.get(from) ?? [];
    for (const place of moved) wide.operands[place] = to;
    wide.places.delete(from);
    const there = wide.places.get(to);
    if (there === undefined) wide.places.set(to, moved);
    else for (const place of moved) there.push(place);
  }

  /** True also for a value of the base that a node reads for its size alone. */
  #isRead(id: ValueId): boolean {
    return this.isOutput(id) || this.#countConsumers(id) > 0 || tellersRead(this.#base).has(id);
  }

  /** Removes the producers of values nobody reads any more, and theirs. */
  #sweep(values: readonly (ValueId | null)[]): NodeId[] {
    const removed: NodeId[] = [];
    const queue = [...values];
    while (queue.length > 0) {
      const id = queue.pop();
      const node = id ? this.producer(id) : undefined;
      if (node === undefined || node.results.some((r) => this.#isRead(r))) continue;
      this.#remove(node);
      removed.push(node.id);
      for (const operand of node.operands) queue.push(operand);
    }
    return removed;
  }
}
