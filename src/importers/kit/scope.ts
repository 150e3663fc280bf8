/**
 * The graph during the import. Nodes for one node of the model go to a journal first: the node may turn out not to be
 * understood (then the journal is dropped), and its values get their final names only when its results are known.
 */
import { assert, fail } from '../../diagnostics/index.ts';
import {
  type AnyOp,
  type AnyValue,
  ConstantPool,
  checkSizes,
  type Elements,
  Emitter,
  type GivenAttrs,
  type Graph,
  isOp,
  keysOf,
  type Loc,
  type Node,
  type NodeId,
  type Origin,
  opaqueOp,
  type Sink,
  sizesRead,
  symbolsIn,
  type TensorType,
  type Value,
  type ValueId,
  type ValueInfo,
  valueId,
} from '../../ir/index.ts';
import type { DType } from '../../tensors/index.ts';

/** The way to compute a 16-bit float in binary32 from values that were not rounded to it. */
export interface Wide {
  /** The cause of the rounding: an operator, a dequantization, or a Cast of the model. */
  readonly by: 'operator' | 'dequantize' | 'cast';
  /** The float itself, or the operands of an operator that moves elements. */
  readonly operands: readonly Value[];
  readonly moved?: {
    readonly op: AnyOp;
    readonly attrs: GivenAttrs;
    readonly wides: readonly Wide['by'][];
  };
}

interface Journal {
  readonly values: Map<ValueId, ValueInfo>;
  readonly nodes: Node[];
  readonly elements: Map<ValueId, Elements>;
  readonly wide: Map<ValueId, Wide>;
}

export class Scope {
  readonly pool = new ConstantPool();
  readonly values: Record<ValueId, ValueInfo> = Object.create(null);
  readonly nodes: Record<NodeId, Node> = Object.create(null);
  readonly inputs: ValueId[] = [];
  readonly elements = new Map<ValueId, Elements>();
  readonly wide = new Map<ValueId, Wide>();
  /** Names of the model: nothing else may be called so. */
  readonly #reserved: ReadonlySet<string>;
  #journal: Journal = empty();
  #counts = 0;
  readonly #openSymbol: () => string;

  /** @param openSymbol of the graph around this one */
  constructor(reserved: ReadonlySet<string>, openSymbol?: () => string) {
    this.#reserved = reserved;
    this.#openSymbol = openSymbol ?? (() => `count.${++this.#counts}`);
  }

  /** The value of this name, when it is defined by now. */
  lookup(name: string): AnyValue | undefined {
    const id = valueId(name);
    const info = this.info(id);
    return info && { id, type: info.type };
  }

  info(id: ValueId): ValueInfo | undefined {
    return this.#journal.values.get(id) ?? this.values[id];
  }

  define<D extends DType | 'opaque'>(
    name: string,
    info: ValueInfo & { readonly type: TensorType<D> },
    loc: Loc,
  ): Value<D> {
    const id = valueId(name);
    if (id in this.values) fail('U2002', `the value '${name}' is defined twice`, loc);
    checkSizes(info.type, loc, info.constant === undefined ? 'the input' : 'the constant');
    this.values[id] = info;
    return { id, type: info.type };
  }

  /** An emitter into a new journal. */
  begin(): Emitter {
    this.#journal = empty();
    const journal = this.#journal;
    const sink: Sink = {
      pool: this.pool,
      has: (id) => journal.values.has(id) || id in this.values,
      addValue: (id, info) => journal.values.set(id, info),
      addNode: (node) => journal.nodes.push(node),
    };
    return new Emitter(sink);
  }

  /** A symbol for a size that only the run knows. Symbols of sizes that the model declares have no points. */
  openSymbol(): string {
    return this.#openSymbol();
  }

  inJournal(id: ValueId): boolean {
    return this.#journal.values.has(id);
  }

  /** Records the known elements of a value that is not a constant. */
  know(id: ValueId, elements: Elements): void {
    this.#journal.elements.set(id, elements);
  }

  elementsOf(id: ValueId): Elements | undefined {
    return this.#journal.elements.get(id) ?? this.elements.get(id);
  }

  /** The node whose first result a value is. */
  makerOf(id: ValueId): Node | undefined {
    return this.#journal.nodes.find(({ results }) => results[0] === id) ?? this.nodes[id];
  }

  /** True where constants and the sizes of inputs decide the elements of a value. */
  isOfSizes(id: ValueId): boolean {
    const found = new Set([id]); // a chain of thousands of operators is deeper than the stack of calls
    for (const value of found) {
      const elements = this.elementsOf(value);
      if (elements && !elements.flatMap(symbolsIn).every(isDeclared)) return false;
      if (elements || this.info(value)?.constant !== undefined) continue;
      const maker = this.makerOf(value);
      const operands = maker?.operands.filter((operand) => operand !== null) ?? [];
      if (maker === undefined || operands.length === 0 || isOp(maker, opaqueOp)) return false;
      for (const operand of operands) found.add(operand);
    }
    return true;
  }

  /** Records the unrounded values of a 16-bit float. */
  knowWide(id: ValueId, wide: Wide): void {
    this.#journal.wide.set(id, wide);
  }

  wideOf(id: ValueId): Wide | undefined {
    return this.#journal.wide.get(id) ?? this.wide.get(id);
  }

  drop(): void {
    this.#journal = empty();
  }

  /** The node emitted last. */
  get latest(): Node {
    const node = this.#journal.nodes.at(-1);
    assert(node, 'nothing was emitted');
    return node;
  }

  /** Takes back the node emitted last and returns it. */
  undo(): Node {
    const node = this.#journal.nodes.pop();
    assert(node, 'nothing was emitted');
    for (const id of node.results) this.#journal.values.delete(id);
    return node;
  }

  /** The number of characters of the longest symbolic dimension in the journal; none is long enough for a number beyond 2^53. */
  longestDim(): number {
    const dims = [...this.#journal.values.values()].flatMap(({ type }) => type.shape);
    const all = [...dims, ...[...this.#journal.elements.values()].flat()];
    return Math.max(
      0,
      ...all.map((dim) => (/\d{16}/.test(String(dim)) && typeof dim === 'string' ? Infinity : String(dim).length)),
    );
  }

  /**
   * Takes the journal over. `results` says which values get which names; the rest is named after the first of them.
   *
   * @returns the nodes, as they are in the graph
   */
  commit(results: ReadonlyMap<ValueId, string>): readonly Node[] {
    const { values, nodes, elements, wide } = this.#journal;
    const base = [...results.values()][0] ?? 'value';
    const names = new Map<ValueId, ValueId>();
    for (const id of values.keys()) names.set(id, valueId(results.get(id) ?? this.free(`${base}.${id}`)));
    const renamed = (id: ValueId): ValueId => names.get(id) ?? id;
    for (const [id, info] of values) {
      assert(!(renamed(id) in this.values), `${renamed(id)} is defined twice`);
      this.values[renamed(id)] = info;
    }
    for (const [id, known] of elements) this.elements.set(renamed(id), known);
    for (const [id, { operands, ...how }] of wide)
      this.wide.set(renamed(id), { ...how, operands: operands.map((value) => ({ ...value, id: renamed(value.id) })) });
    this.drop();
    return nodes.map((node) => {
      const operands = node.operands.map((id) => id && renamed(id));
      const imported = { ...node, id: renamed(node.id), operands, results: node.results.map(renamed) };
      this.nodes[imported.id] = imported;
      return imported;
    });
  }

  /** The graph: the nodes that the outputs need. */
  finish(name: string, outputs: readonly ValueId[], origin: Origin): Graph {
    const { inputs, nodes, values, pool } = this;
    return { name, inputs, outputs, nodes, values, pool, origin };
  }

  /** The values that these depend on, be it for a size alone, and the inputs. */
  reached(outputs: readonly ValueId[]): ReadonlySet<ValueId> {
    const producers = new Map(
      Object.values(this.nodes).flatMap((node) => node.results.map((id) => [id, node] as const)),
    );
    const { inputs, nodes, values, pool } = this;
    const sizes = sizesRead({ name: '', inputs, outputs, nodes, values, pool });
    const needed = new Set<ValueId>(this.inputs);
    const pending = [...outputs];
    for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
      if (needed.has(id)) continue;
      needed.add(id);
      const node = producers.get(id);
      if (node === undefined) continue;
      for (const next of [...node.operands, ...node.results, ...sizes(node)]) if (next !== null) pending.push(next);
    }
    return needed;
  }

  /** Drops nodes that the outputs do not need: shape computations that became attributes, constants that were read. */
  prune(outputs: readonly ValueId[]): void {
    const needed = this.reached(outputs);
    for (const id of keysOf(this.values)) if (!needed.has(id)) delete this.values[id];
    for (const id of keysOf(this.nodes)) if (!needed.has(id)) delete this.nodes[id];
  }

  /** A name like that which nothing has, nor one of the others. */
  nameLike(base: string, others: readonly string[] = []): string {
    const name = base in this.values || others.includes(base) ? this.free(base) : base;
    return others.includes(name) ? this.nameLike(`${base}.base`, others) : name;
  }

  /** Gives a value of the graph another name. */
  rename(from: ValueId, to: ValueId): void {
    const renamed = (id: ValueId): ValueId => (id === from ? to : id);
    this.values[to] = this.values[from];
    delete this.values[from];
    for (const node of Object.values(this.nodes)) {
      if (!node.operands.includes(from) && !node.results.includes(from)) continue;
      const [id, ...others] = node.results.map(renamed);
      delete this.nodes[node.id];
      const operands = node.operands.map((operand) => operand && renamed(operand));
      this.nodes[id] = { ...node, id, results: [id, ...others], operands };
    }
  }

  /** A name like `base` that nothing has. */
  free(base: string): string {
    let name = base;
    for (let n = 1; this.#reserved.has(name) || name in this.values; n++) name = `${base}.${n}`;
    return name;
  }
}

/** False for a symbol of `openSymbol`. */
const isDeclared = (symbol: string): boolean => !symbol.includes('.');

const empty = (): Journal => ({ values: new Map(), nodes: [], elements: new Map(), wide: new Map() });
