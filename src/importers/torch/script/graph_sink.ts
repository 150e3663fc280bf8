/** A graph under construction, whose latest nodes can still be renamed or taken back. */
import { assert } from '../../../diagnostics/index.ts';
import {
  type AnyValue,
  ConstantPool,
  checkSizes,
  Emitter,
  type Graph,
  type Node,
  type NodeId,
  nnCast,
  nnExpand,
  nnIdentity,
  nnReshape,
  nnSlice,
  nnTile,
  nnTranspose,
  type Origin,
  oneOf,
  type Sink,
  type TensorType,
  type Value,
  type ValueId,
  type ValueInfo,
  valueId,
} from '../../../ir/index.ts';
import type { DType, ITensor } from '../../../tensors/index.ts';

/** Names of outputs, and of nothing else: `output`, `output_0`, `output_key`. Others may start so: `output.constant`. */
const RESERVED = /^output(_\w*)?$/;

/** Operators that move the elements of their first operand. */
const moves = oneOf(nnReshape, nnSlice, nnTranspose, nnIdentity, nnExpand, nnTile, nnCast);

/** A point to which the graph can be taken back. */
export interface Mark {
  readonly values: number;
  readonly nodes: number;
}

export class GraphSink {
  readonly emitter: Emitter;
  readonly #pool = new ConstantPool();
  readonly #values = new Map<ValueId, ValueInfo>();
  readonly #nodes = new Map<ValueId, Node>();
  /** Ids in the order of their definition. */
  readonly #defined: ValueId[] = [];
  readonly #emitted: ValueId[] = [];
  readonly #inputs: ValueId[] = [];

  constructor() {
    const sink: Sink = {
      pool: this.#pool,
      has: (id) => this.#values.has(id) || RESERVED.test(id),
      addValue: (id, info) => {
        this.#values.set(id, info);
        this.#defined.push(id);
      },
      addNode: (node) => {
        this.#nodes.set(node.id, node);
        this.#emitted.push(node.id);
      },
    };
    this.emitter = new Emitter(sink);
  }

  input<D extends DType>(name: string, type: TensorType<D>): Value<D> {
    const id = this.emitter.fresh(name);
    checkSizes(type, { input: name }, 'the input');
    this.#values.set(id, { type });
    this.#inputs.push(id);
    return { id, type };
  }

  /** The elements of a constant, undefined for a computed value. */
  constant(id: ValueId): ITensor | undefined {
    const constant = this.#values.get(id)?.constant;
    return constant === undefined ? undefined : this.#pool.get(constant);
  }

  inputBehind(id: ValueId): ValueId | undefined {
    let at: ValueId | null | undefined = id;
    while (at && !this.#inputs.includes(at)) {
      const node = this.#nodes.get(at);
      at = node && moves(node) ? node.operands[0] : undefined;
    }
    return at ?? undefined;
  }

  has(id: ValueId): boolean {
    return this.#values.has(id);
  }

  // ---- the interface of a journal, for operators shared with programs

  get pool(): ConstantPool {
    return this.#pool;
  }

  begin(): Emitter {
    return this.emitter;
  }

  info(id: ValueId): ValueInfo | undefined {
    return this.#values.get(id);
  }

  /** Sizes are numbers of the code here, not elements of tensors. */
  elementsOf(): undefined {}

  know(): void {}

  get latest(): Node {
    const id = this.#emitted.at(-1);
    assert(id !== undefined, 'nothing was emitted');
    return this.#node(id);
  }

  undo(): Node {
    const node = this.latest;
    this.#emitted.pop();
    this.#nodes.delete(node.id);
    for (const result of node.results) {
      this.#values.delete(result);
      this.#defined.splice(this.#defined.lastIndexOf(result), 1);
    }
    return node;
  }

  mark(): Mark {
    return { values: this.#defined.length, nodes: this.#emitted.length };
  }

  /** Takes back everything since the mark. */
  rollback({ values, nodes }: Mark): void {
    for (const id of this.#defined.splice(values)) this.#values.delete(id);
    for (const id of this.#emitted.splice(nodes)) this.#nodes.delete(id);
  }

  /** Renames a result emitted since the mark, when only nodes emitted since read it; any other value keeps its name. */
  rename<D extends DType | 'opaque'>(value: Value<D>, name: string, { nodes }: Mark): Value<D> {
    let at = this.#emitted.length - 1;
    while (at >= nodes && !this.#nodes.get(this.#emitted[at])?.results.includes(value.id)) at--;
    if (at < nodes) return value;
    const old = this.#node(this.#emitted[at]);
    const id = this.emitter.fresh(name);
    const results = old.results.map((result) => (result === value.id ? id : result));
    const node: Node = { ...old, id: results[0], results };
    this.#nodes.delete(old.id);
    this.#nodes.set(node.id, node);
    this.#emitted[at] = node.id;
    for (const later of this.#emitted.slice(at + 1)) {
      const reader = this.#node(later);
      if (!reader.operands.includes(value.id)) continue;
      const operands = reader.operands.map((operand) => (operand === value.id ? id : operand));
      this.#nodes.set(later, { ...reader, operands });
    }
    const info = this.#values.get(value.id);
    assert(info, `%${value.id} is gone`);
    this.#values.delete(value.id);
    this.#values.set(id, info);
    this.#defined[this.#defined.lastIndexOf(value.id)] = id;
    return { id, type: value.type };
  }

  /** The graph with these outputs; an output that is an input, a constant or another output is copied. */
  finish(name: string, outputs: readonly (readonly [string, AnyValue])[], origin: Origin): Graph {
    const names = new Map<ValueId, ValueId>();
    const produced = new Set([...this.#nodes.values()].flatMap(({ results }) => results));
    const ids = outputs.map(([output, given]) => {
      const isOwn = produced.has(given.id) && !names.has(given.id);
      const value = isOwn ? given : this.emitter.emitList(nnIdentity, [given], {})[0];
      names.set(value.id, valueId(output));
      return value;
    });
    const renamed = (id: ValueId): ValueId => names.get(id) ?? id;
    const values: Record<ValueId, ValueInfo> = Object.create(null);
    const nodes: Record<ValueId, Node> = Object.create(null);
    const { live, used } = this.#reachable(ids);
    for (const [id, info] of this.#values) if (used.has(id)) values[renamed(id)] = info;
    for (const node of live) {
      const results = node.results.map(renamed);
      nodes[results[0]] = { ...node, id: results[0], results, operands: node.operands.map((id) => id && renamed(id)) };
    }
    return {
      name,
      inputs: this.#inputs,
      outputs: ids.map(({ id }) => renamed(id)),
      nodes,
      values,
      pool: this.#pool,
      origin,
    };
  }

  #node(id: NodeId): Node {
    const node = this.#nodes.get(id);
    assert(node, `the node %${id} is gone`);
    return node;
  }

  /** The nodes that the outputs need: code may compute values that it never uses. */
  #reachable(outputs: readonly AnyValue[]): { live: Node[]; used: ReadonlySet<ValueId> } {
    const used = new Set<ValueId>([...this.#inputs, ...outputs.map(({ id }) => id)]);
    const live: Node[] = [];
    const inOrder = this.#emitted.map((id) => this.#node(id));
    for (const node of [...inOrder].reverse()) {
      if (!node.results.some((id) => used.has(id))) continue;
      live.unshift(node);
      for (const id of [...node.operands, ...node.results]) if (id !== null) used.add(id);
    }
    return { live, used };
  }
}
