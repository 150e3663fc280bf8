/**
 * Editing a frozen graph. Reads see the edits at once and cost a map look-up; the edits reach immer in one
 * `produceWithPatches` at the end (a recipe per rewrite would be a hundred times slower), so that a pass yields its
 * next graph, the patches to replay or undo it, and the events that say which rule did what.
 */
import { enablePatches, type Patch, produceWithPatches } from 'immer';
import { assert } from '../../diagnostics/index.ts';
import {
  type ConstantPool,
  type DType,
  Emitter,
  type Graph,
  type ITensor,
  type Loc,
  type Node,
  type NodeId,
  type TensorType,
  topologicalOrder,
  type Value,
  type ValueId,
  type ValueInfo,
} from '../../ir/index.ts';
import { nnIdentity } from '../../ir/ops/nn_movement.op.ts';

enablePatches();

/** One application of a rule: what it took away and what stands there now. */
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

export class GraphEditor {
  readonly #base: Graph;
  readonly #nodes: Map<NodeId, Node>;
  readonly #values: Map<ValueId, ValueInfo>;
  readonly #producers = new Map<ValueId, NodeId>();
  readonly #consumers = new Map<ValueId, Set<NodeId>>();
  readonly #outputs: Set<ValueId>;
  readonly #touched = new Set<NodeId>();
  readonly #newValues = new Set<ValueId>();
  readonly #events: RewriteEvent[] = [];
  readonly #wide = new Map<NodeId, Wide>();
  #added: NodeId[] = [];
  readonly pool: ConstantPool;
  readonly emitter: Emitter;

  constructor(graph: Graph) {
    this.#base = graph;
    this.pool = graph.pool;
    this.#nodes = new Map(Object.entries(graph.nodes) as [NodeId, Node][]);
    this.#values = new Map(Object.entries(graph.values) as [ValueId, ValueInfo][]);
    this.#outputs = new Set(graph.outputs);
    for (const node of this.#nodes.values()) this.#link(node);
    this.emitter = new Emitter({
      pool: graph.pool,
      has: (id) => this.#values.has(id),
      addValue: (id, info) => {
        this.#values.set(id, info);
        this.#newValues.add(id);
      },
      addNode: (node) => {
        this.#set(node);
        this.#added.push(node.id);
      },
    });
  }

  // ---- reading ----

  /** The graph before the edit. What it says of a value that is still there holds. */
  get base(): Graph {
    return this.#base;
  }

  get nodeIds(): readonly NodeId[] {
    return topologicalOrder({
      ...this.#base,
      nodes: Object.fromEntries(this.#nodes),
      values: this.#base.values,
    }).order.map((n) => n.id);
  }
  node = (id: NodeId): Node | undefined => this.#nodes.get(id);
  type = (id: ValueId): TensorType => this.#info(id).type;
  value = (id: ValueId): Value => ({ id, type: this.type(id) });
  isOutput = (id: ValueId): boolean => this.#outputs.has(id);
  /** The node that computes the value; undefined for inputs and constants. */
  producer = (id: ValueId): Node | undefined => {
    const node = this.#producers.get(id);
    return node && this.#nodes.get(node);
  };
  consumers = (id: ValueId): readonly Node[] =>
    [...(this.#consumers.get(id) ?? [])].map((n) => this.#nodes.get(n) as Node);
  /** One consumer and not a graph output: whoever rewrites that consumer may take the value away. */
  isPrivate = (id: ValueId): boolean => !this.isOutput(id) && (this.#consumers.get(id)?.size ?? 0) <= 1;
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
      const producer = this.#producers.get(id);
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
    const added = [...affected].filter((id) => this.#nodes.has(id));
    this.#events.push({ rule, root: node.id, loc: node.loc, removed, added });
    return added;
  }

  /** Forgets what a rewrite emitted before it gave up. */
  abandon(): void {
    for (const id of this.#added) {
      const node = this.#nodes.get(id);
      if (node) this.#remove(node);
    }
    this.#added = [];
  }

  /** Removes the nodes whose results nobody reads. */
  removeDead(rule: string): void {
    for (const node of [...this.#nodes.values()]) {
      const removed = this.#nodes.has(node.id) ? this.#sweep(node.results.slice(0, 1)) : [];
      if (removed.length > 0) this.#events.push({ rule, root: node.id, loc: node.loc, removed, added: [] });
    }
  }

  /** Sets attributes or operands of a node in place: same results, same types. */
  update(rule: string, node: Node): void {
    const old = this.#nodes.get(node.id);
    assert(old, `${rule}: no node %${node.id}`);
    this.#unlink(old);
    this.#set(node);
    this.#events.push({ rule, root: node.id, loc: node.loc, removed: this.#sweep(old.operands), added: [node.id] });
  }

  /** The edited graph; constants that nobody reads any more are left out. */
  commit(): EditResult {
    const used = new Set<ValueId>([...this.#base.inputs, ...this.#base.outputs]);
    for (const node of this.#nodes.values())
      for (const id of [...node.operands, ...node.results]) if (id !== null) used.add(id);
    const [graph, patches, inversePatches] = produceWithPatches(this.#base, (draft) => {
      const nodes = draft.nodes as Record<NodeId, Node>;
      const values = draft.values as Record<ValueId, ValueInfo>;
      for (const id of this.#touched) {
        const node = this.#nodes.get(id);
        if (node) nodes[id] = node;
        else delete nodes[id];
      }
      for (const id of Object.keys(this.#base.values) as ValueId[]) if (!used.has(id)) delete values[id];
      for (const id of this.#newValues) {
        const info = this.#values.get(id);
        if (info && used.has(id)) values[id] = info;
      }
    });
    return { graph, events: this.#events, patches, inversePatches };
  }

  // ---- inside ----

  #info(id: ValueId): ValueInfo {
    const info = this.#values.get(id);
    assert(info, `no value %${id}`);
    return info;
  }

  #set(node: Node): void {
    this.#nodes.set(node.id, node);
    this.#touched.add(node.id);
    this.#link(node);
  }

  #link(node: Node): void {
    for (const id of node.results) this.#producers.set(id, node.id);
    for (const id of node.operands) {
      if (id === null) continue;
      const set = this.#consumers.get(id);
      if (set) set.add(node.id);
      else this.#consumers.set(id, new Set([node.id]));
    }
  }

  #unlink(node: Node): void {
    for (const id of node.results) if (this.#producers.get(id) === node.id) this.#producers.delete(id);
    for (const id of node.operands) if (id !== null) this.#consumers.get(id)?.delete(node.id);
  }

  #remove(node: Node): void {
    this.#unlink(node);
    this.#nodes.delete(node.id);
    this.#touched.add(node.id);
  }

  /** Gives the value `from` the name `to`, whose old definition is gone. */
  #rename(from: ValueId, to: ValueId): { from: NodeId; to: NodeId }[] {
    const swap = (id: ValueId): ValueId => (id === from ? to : id);
    this.#values.set(to, this.#info(from));
    this.#newValues.add(to);
    const renamed: { from: NodeId; to: NodeId }[] = [];
    const readers = [...(this.#consumers.get(from) ?? [])].map((id) => this.#nodes.get(id) as Node);
    const producer = this.#nodes.get(this.#producers.get(from) as NodeId) as Node;
    for (const node of new Set([producer, ...readers])) {
      const results = node.results.map(swap);
      this.#remove(node);
      this.#set({ ...node, id: results[0], results, operands: node.operands.map((id) => id && swap(id)) });
      renamed.push({ from: node.id, to: results[0] });
    }
    this.#consumers.delete(from);
    return renamed;
  }

  /** Makes every reader of `from` read `to`; a graph output keeps its name through an identity. */
  #redirect(from: ValueId, to: ValueId): NodeId[] {
    const readers = this.consumers(from);
    for (const node of readers) this.#replaceOperand(node, from, to);
    if (this.isOutput(from)) {
      const value = this.emitter.emit(nnIdentity, { x: this.value(to) as Value<DType> });
      this.#rename(value.id, from);
      return [...readers.map((n) => n.id), from];
    }
    return readers.map((n) => n.id);
  }

  /** A node of many operands is copied once per edit: each of its operands may be rewritten. */
  #replaceOperand(node: Node, from: ValueId, to: ValueId): void {
    this.#touched.add(node.id);
    this.#consumers.get(from)?.delete(node.id);
    this.#consumers.set(to, (this.#consumers.get(to) ?? new Set()).add(node.id));
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

  /** Removes the producers of values nobody reads any more, and theirs. */
  #sweep(values: readonly (ValueId | null)[]): NodeId[] {
    const removed: NodeId[] = [];
    const queue = [...values];
    while (queue.length > 0) {
      const id = queue.pop();
      const node = id ? this.producer(id) : undefined;
      if (node === undefined || node.results.some((r) => this.isOutput(r) || (this.#consumers.get(r)?.size ?? 0) > 0))
        continue;
      this.#remove(node);
      removed.push(node.id);
      for (const operand of node.operands) queue.push(operand);
    }
    return removed;
  }
}
