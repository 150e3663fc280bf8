/**
 * Finds the nodes of a file that stay when its graph was rewritten. A node of the file is untouched when every IR node
 * that it became is still in the graph as the very same object. An untouched node stays as it is when, besides,
 *
 *   - no new node reads a value that it computed on the way (a value of the IR that the file has no name for), and
 *   - everything it reads in the file is there: even inputs without an operand in the IR, such as the shape of a Reshape.
 *
 * A node that became nothing in the IR (a constant, a computation of shapes) stays when a node that stays reads it.
 */
import { assert, fail } from '../../diagnostics/index.ts';
import type { OnnxGraph, OnnxNode } from '../../formats/onnx/index.ts';
import { capturedBy, nodeOrder, type OnnxOrigin, type PartOrigin } from '../../importers/index.ts';
import {
  type Graph,
  hasBodies,
  hasValue,
  isOp,
  type Node,
  type NodeId,
  nodesOf,
  opaqueOp,
  sameShape,
  type ValueId,
} from '../../ir/index.ts';
import type { Carried } from './emission.ts';

/**
 * The node `keep` of the file with other operands, which `name` gives names. An operand that the file leaves out stays out.
 *
 * Bodies read outer values by name: a value that has another name now gets the old one beside it.
 */
export function carried(
  origin: PartOrigin,
  keep: number,
  node: Pick<Node, 'operands'>,
  name: (id: ValueId) => string,
): Carried {
  const aliases = new Map<string, ValueId>();
  const inputs = origin.file.graph.nodes[keep].inputs.map((before, i) => {
    const id = node.operands[i];
    return before === '' || !id ? '' : name(id);
  });
  const captured = capturedBy(origin, keep);
  const first = node.operands.length - captured.length;
  const reads = captured.map((before, i) => {
    const id = node.operands[first + i] as ValueId;
    const now = name(id);
    if (now !== before) aliases.set(before, id);
    return now;
  });
  return { item: { keep, inputs }, reads: [...inputs.filter((input) => input !== ''), ...reads], aliases };
}

const isCarriedNode = (node: Node): boolean => isOp(node, opaqueOp) || hasBodies(node);

/** Bodies go back into their node by themselves: see bodies.ts. */
const isSameNode = (now: Node | undefined, before: Node): boolean =>
  now === before ||
  (now !== undefined &&
    hasBodies(before) &&
    now.op === before.op &&
    now.operands.length === before.operands.length &&
    now.operands.every((id, i) => id === before.operands[i]));

export class KeptFile {
  readonly #graph: Graph;
  readonly #origin: OnnxOrigin;
  readonly #file: OnnxGraph;
  /** Indices of the nodes in topological order. */
  readonly #order: readonly number[];
  readonly #producer = new Map<string, number>();
  readonly #owner = new Map<NodeId, number>();
  readonly #reads: readonly (readonly string[])[];
  /** Inputs, and initializers of types that unskew does not compute with. */
  readonly #given: ReadonlySet<string>;
  /** Nodes that became IR nodes and stay. */
  readonly kept: Set<number>;
  /** Nodes that became nothing and that kept nodes or outputs of the graph need. */
  readonly supporting = new Set<number>();
  /** Values of the graph, not of the kept part, that the kept part reads. */
  readonly demanded = new Set<ValueId>();

  constructor(graph: Graph, origin: OnnxOrigin) {
    this.#graph = graph;
    this.#origin = origin;
    this.#file = origin.file.graph;
    this.#order = nodeOrder(this.#file, {});
    this.#reads = this.#file.nodes.map((node, index) => [
      ...node.inputs.filter((name) => name !== ''),
      ...capturedBy(origin, index),
    ]);
    this.#file.nodes.forEach(({ outputs }, index) => {
      for (const name of outputs) if (name !== '') this.#producer.set(name, index);
    });
    origin.nodes.forEach((ids, index) => {
      for (const id of ids) this.#owner.set(id, index);
    });
    const carried = nodesOf(graph).filter((node) => isOp(node, opaqueOp) && !this.#owner.has(node.id));
    this.#given = new Set([...graph.inputs, ...carried.map(({ id }) => id)]);
    this.kept = new Set(
      [...origin.nodes.keys()].filter((index) => origin.nodes[index].length > 0 && this.#isUntouched(index)),
    );
    let available: ReadonlySet<string> = new Set();
    for (let size = -1; size !== this.kept.size; ) {
      size = this.kept.size;
      this.#dropExposed();
      available = this.#dropUnsupported();
    }
    this.#support(available);
  }

  /** True when the file, or the part of it that stays, computes this value of the graph. */
  isGiven(id: ValueId): boolean {
    if (this.#given.has(id)) return true;
    if (this.#graph.values[id].constant !== undefined) return this.#isConstantOfFile(id) && this.#givesConstant(id);
    return this.#keeper(id) !== undefined;
  }

  /** Everything the new file keeps of the nodes, given the constants that new nodes read from it. */
  nodes(read: ReadonlySet<string>, provided: ReadonlySet<string>): ReadonlySet<number> {
    const all = new Set([...this.kept, ...this.supporting]);
    for (const name of read) {
      const index = this.#producer.get(name);
      if (index !== undefined) all.add(index);
    }
    const needed = this.#neededBefore();
    const { inputs, initializers } = this.#file;
    const names = new Set([...inputs.map(({ name }) => name), ...initializers.keys(), ...provided]);
    for (const index of this.#order) {
      // nodes that nobody needed before stay too
      const isIdle = !needed.has(index) && this.#reads[index].every((name) => names.has(name));
      if (isIdle) all.add(index);
      if (all.has(index)) for (const name of this.#file.nodes[index].outputs) names.add(name);
    }
    return all;
  }

  /** Initializers that were read before and are not now; `captures` gives the names that new bodies of a node read. */
  dropped(
    nodes: ReadonlySet<number>,
    read: ReadonlySet<string>,
    captures: (index: number) => readonly string[] | undefined,
  ): ReadonlySet<string> {
    const readsNow = (index: number) => {
      const captured = captures(index);
      return captured === undefined ? this.#reads[index] : [...this.#file.nodes[index].inputs, ...captured];
    };
    const now = new Set([...read, ...[...nodes].flatMap(readsNow)]);
    const before = new Set(this.#reads.flat());
    const outputs = new Set(this.#file.outputs.map(({ name }) => name));
    return new Set(
      [...this.#file.initializers.keys()].filter((name) => before.has(name) && !now.has(name) && !outputs.has(name)),
    );
  }

  /** Names that a new value may not have: all names of the file, except the results of touched nodes. */
  taken(): ReadonlySet<string> {
    const { nodes, inputs, initializers, sparseInitializers } = this.#file;
    const names = new Set([
      ...inputs.map(({ name }) => name),
      ...initializers.keys(),
      ...sparseInitializers.map(({ name }) => name),
    ]);
    nodes.forEach((node, index) => {
      if (!this.isTouched(index)) for (const name of node.outputs) names.add(name);
      // a name that a body defines anew still has the body's own meaning there
      for (const name of innerNames(node)) if (!this.#producer.has(name)) names.add(name);
    });
    return names;
  }

  nodeNames(): ReadonlySet<string> {
    return new Set(this.#file.nodes.filter((_, index) => !this.isTouched(index)).map(({ name }) => name));
  }

  /** A node that is carried, reading its operands. */
  carry(node: Node, name: (id: ValueId) => string): Carried {
    const keep = this.#owner.get(node.id);
    assert(keep !== undefined && isCarriedNode(node), `%${node.id} is not a node of the file`);
    return carried(this.#origin, keep, node, name);
  }

  /** Names that the bodies of changed opaque nodes read. */
  captured(): ReadonlySet<string> {
    return new Set(
      this.#file.nodes.flatMap((_, index) =>
        this.isTouched(index) && this.isCarried(index) ? capturedBy(this.#origin, index) : [],
      ),
    );
  }

  isTouched(index: number): boolean {
    return this.#origin.nodes[index].length > 0 && !this.kept.has(index);
  }

  /** True when the node was not understood, or holds graphs: it is carried whatever happens around it. */
  isCarried(index: number): boolean {
    return this.#origin.nodes[index].some((id) => isCarriedNode(this.#origin.original[id]));
  }

  /** The kept node that computes a value under its own name. */
  #keeper(id: ValueId): number | undefined {
    const index = this.#producer.get(id);
    if (index === undefined || !this.kept.has(index)) return undefined;
    return this.#origin.nodes[index].some((node) => this.#graph.nodes[node].results.includes(id)) ? index : undefined;
  }

  #isUntouched(index: number): boolean {
    return this.#origin.nodes[index].every((id) => isSameNode(this.#graph.nodes[id], this.#origin.original[id]));
  }

  /** Nodes whose values on the way somebody else reads. */
  #dropExposed(): void {
    const owners = this.#ownersOfValues();
    const check = (id: ValueId | null, reader: number | undefined): void => {
      if (id === null) return;
      const owner = owners.get(id);
      // A kept node reads the value of the file, even when the IR reads another one in its place (a float before it was
      // rounded).
      if (owner !== undefined && reader === undefined && !this.#file.nodes[owner].outputs.includes(id))
        this.kept.delete(owner);
    };
    for (const node of nodesOf(this.#graph)) {
      const owner = this.#owner.get(node.id);
      const reader = owner !== undefined && this.kept.has(owner) ? owner : undefined;
      for (const id of node.operands) check(id, reader);
    }
    for (const id of this.#graph.outputs) check(id, undefined);
  }

  #ownersOfValues(): ReadonlyMap<ValueId, number> {
    const owners = new Map<ValueId, number>();
    for (const index of this.kept)
      for (const node of this.#origin.nodes[index])
        for (const id of this.#graph.nodes[node].results) owners.set(id, index);
    return owners;
  }

  /** Drops nodes whose inputs are gone, and returns the names that remain. */
  #dropUnsupported(): ReadonlySet<string> {
    const { inputs, initializers, sparseInitializers, nodes } = this.#file;
    const available = new Set([
      ...inputs.map(({ name }) => name),
      ...initializers.keys(),
      ...sparseInitializers.map(({ name }) => name),
    ]);
    for (const index of this.#order) {
      if (this.isTouched(index)) {
        for (const name of nodes[index].outputs) if (this.#isStillComputed(name)) available.add(name);
        continue;
      }
      if (this.#reads[index].every((name) => available.has(name))) {
        for (const name of nodes[index].outputs) available.add(name);
      } else if (this.kept.delete(index)) {
        for (const name of nodes[index].outputs) if (this.#isStillComputed(name)) available.add(name);
      }
    }
    return available;
  }

  /**
   * True when the graph has a value of the same name and type. Nodes that read it without an operand in the IR ask for
   * its shape alone, so an equal type suffices.
   */
  #isStillComputed(name: string): boolean {
    if (!hasValue(this.#graph, name) || !hasValue(this.#origin, name)) return false;
    const [now, before] = [this.#graph.values[name], this.#origin.values[name]];
    return now.type.dtype === before.type.dtype && sameShape(now.type.shape, before.type.shape);
  }

  #support(available: ReadonlySet<string>): void {
    const pending = [...this.kept].flatMap((index) => this.#reads[index]);
    for (const id of this.#graph.outputs) if (this.#isConstantOfFile(id) && available.has(id)) pending.push(id);
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const index = this.#producer.get(name);
      if (index === undefined || this.kept.has(index) || this.supporting.has(index)) continue;
      if (this.isTouched(index)) {
        assert(hasValue(this.#graph, name), `'${name}' stays and is not computed any more`);
        this.demanded.add(name);
      } else {
        this.supporting.add(index);
        for (const read of this.#reads[index]) pending.push(read);
      }
    }
  }

  #isConstantOfFile(id: ValueId): boolean {
    const { constant } = this.#graph.values[id];
    return constant !== undefined && constant === this.#origin.values[id]?.constant;
  }

  /**
   * True when the part that stays provides a constant of the file: an initializer, a node that reads nothing, or a node
   * that stays for other reasons.
   */
  #givesConstant(name: string): boolean {
    if (this.#file.initializers.has(name)) return true;
    const index = this.#producer.get(name);
    if (index === undefined || this.isTouched(index)) return false;
    return this.kept.has(index) || this.supporting.has(index) || this.#reads[index].length === 0;
  }

  #neededBefore(): ReadonlySet<number> {
    const needed = new Set<number>();
    const pending = this.#file.outputs.map(({ name }) => name);
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const index = this.#producer.get(name);
      if (index === undefined || needed.has(index)) continue;
      needed.add(index);
      for (const read of this.#reads[index]) pending.push(read);
    }
    return needed;
  }
}

/** @throws UnskewError U2008 for a node that would lose fields that are not understood */
export function refuseLosses({ file }: OnnxOrigin, kept: KeptFile): void {
  file.graph.nodes.forEach(({ name, opType, outputs, unknownFields }, index) => {
    if (!unknownFields || !kept.isTouched(index) || kept.isCarried(index)) return;
    const location = { ...(file.file !== undefined && { file: file.file }), node: name || outputs[0], op: opType };
    fail('U2008', 'the node was rewritten and has fields that are not known here: they would be lost', location);
  });
}

/** All names inside the bodies of a node. */
export function innerNames({ attributes }: OnnxNode): readonly string[] {
  return [...attributes.values()].flatMap((attribute) => {
    const graphs = attribute.kind === 'graph' ? [attribute.value] : attribute.kind === 'graphs' ? attribute.value : [];
    return graphs.flatMap(({ nodes, inputs, initializers }) => [
      ...inputs.map(({ name }) => name),
      ...initializers.keys(),
      ...nodes.flatMap((node) => [...node.outputs, ...innerNames(node)]),
    ]);
  });
}
