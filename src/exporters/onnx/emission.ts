/**
 * The emission of IR operators as ONNX nodes.
 *
 * It goes backwards, from what the outputs need: an operator that a later one has taken into itself (a convolution
 * inside QLinearConv) is emitted only when somebody else reads it as well.
 */
import { fail } from '../../diagnostics/index.ts';
import type { KeptNode, NodeInit, TensorInit } from '../../formats/onnx/index.ts';
import {
  bytesOf,
  constantOf,
  type Graph,
  hasBodies,
  hasValue,
  type ITensor,
  isOp,
  type Node,
  opaqueOp,
  producersOf,
  topologicalOrder,
  type ValueId,
} from '../../ir/index.ts';
import { emitNode } from './emitters/index.ts';
import type { Emitting } from './node_writer.ts';
import type { Unit } from './schedule.ts';

/** The surroundings of the emitted nodes: the rest of the file, or nothing. */
export interface Site {
  /** The version of the default operator set; undefined: the lowest one that has all operators. */
  readonly opset: number | undefined;
  /** True when the operators of com.microsoft may be used. */
  readonly microsoft: boolean;
  /** True for values that exist already, under their own names. */
  isGiven(id: ValueId): boolean;
  /** Names that nothing new may have. */
  readonly taken: ReadonlySet<string>;
  /** Names of nodes that stay. */
  readonly nodeNames: ReadonlySet<string>;
  /** Carries a node of the file that was not understood, or holds graphs; `name` gives the names of values that it reads. */
  carry?(node: Node, name: (id: ValueId) => string): Carried;
  /** Names that bodies of carried nodes read. */
  readonly captured: ReadonlySet<string>;
  /** Values that have to be there, besides the outputs of the graph. */
  readonly demanded: readonly ValueId[];
}

/**
 * A carried node, and aliases for its bodies: the names that they read and that stand for other values now → the
 * operand.
 */
export interface Carried {
  readonly item: KeptNode;
  /** The names that it reads, bodies aside. */
  readonly reads: readonly string[];
  readonly aliases: ReadonlyMap<string, ValueId>;
}

export interface Emitted {
  /** In the order of the operators that they were written for: a node that several need may come after some of them. */
  readonly nodes: readonly Unit<NodeInit | KeptNode>[];
  readonly initializers: readonly (TensorInit & { readonly name: string })[];
  /** The given values that the nodes read. */
  readonly read: ReadonlySet<string>;
  /** The names of all values, the given ones included. */
  readonly names: ReadonlyMap<string, string>;
  readonly opset: number;
}

/** The version for a new file; 13 is the first one in which quantization has axes. */
const LOWEST_OPSET = 13;

export function emitGraph(graph: Graph, site: Site): Emitted {
  for (let opset = site.opset ?? LOWEST_OPSET; ; ) {
    const emission = new Emission(graph, site, opset);
    const emitted = emission.run();
    if (emission.needed <= opset) return emitted;
    opset = emission.needed;
  }
}

class Emission implements Emitting {
  readonly graph: Graph;
  readonly site: Site;
  readonly opset: number;
  /** The least version that the operators so far need. */
  needed = 1;
  readonly #producers: ReadonlyMap<ValueId, Node>;
  readonly #names = new Map<ValueId, string>();
  readonly #used = new Set<string>();
  readonly #outputs: ReadonlySet<ValueId>;
  /** Names that bodies of carried nodes read, for values that have other names now. */
  readonly #aliases = new Map<string, ValueId>();
  readonly #initializers = new Map<string, TensorInit & { readonly name: string }>();
  readonly #known = new Map<string, string>();
  readonly #read = new Set<string>();
  readonly #nodeNames = new Set<string>();
  readonly shared = new Map<string, string>();

  constructor(graph: Graph, site: Site, opset: number) {
    this.graph = graph;
    this.site = site;
    this.opset = opset;
    this.#producers = producersOf(graph);
    this.#outputs = new Set(graph.outputs);
  }

  run(): Emitted {
    const groups: (readonly Unit<NodeInit | KeptNode>[])[] = [];
    for (const id of [...this.graph.outputs, ...this.site.demanded]) this.name(id);
    for (const node of topologicalOrder(this.graph).order.toReversed()) {
      if (!node.results.some((id) => this.#names.has(id) && !this.site.isGiven(id))) continue;
      groups.push(isOp(node, opaqueOp) || hasBodies(node) ? this.#carry(node) : this.#emit(node));
    }
    return {
      nodes: groups.toReversed().flat(),
      initializers: [...this.#initializers.values()].toReversed(),
      read: this.#read,
      names: this.#names,
      opset: this.opset,
    };
  }

  #emit(node: Node): readonly Unit<NodeInit>[] {
    return emitNode(this, node).map((item) => ({
      item,
      reads: item.inputs,
      outputs: item.outputs,
    }));
  }

  #carry(node: Node): readonly Unit<KeptNode | NodeInit>[] {
    if (this.site.carry === undefined)
      fail(
        'U2008',
        hasBodies(node)
          ? `${node.op} is written into the file that it came from alone`
          : `the operator ${node.attrs.operator} is not understood and cannot be written`,
        node.loc,
      );
    const { item, reads, aliases } = this.site.carry(node, (id) => this.name(id));
    const made = [...aliases].flatMap(([name, id]) => this.#alias(name, id));
    const captured = [...aliases.keys()];
    return [...made, { item, reads: [...reads, ...captured], outputs: node.results }];
  }

  /** An Identity under the name that a body reads, unless the graph has a value of this name, which is the same one. */
  #alias(name: string, id: ValueId): readonly Unit<NodeInit>[] {
    if (hasValue(this.graph, name)) {
      this.name(name);
      return [];
    }
    if (this.#aliases.has(name)) return [];
    this.#aliases.set(name, id);
    const inputs = [this.name(id)];
    return [{ item: { opType: 'Identity', domain: '', inputs, outputs: [name] }, reads: inputs, outputs: [name] }];
  }

  /** The name of a value, which from now on somebody reads. */
  name(id: ValueId): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const given = this.site.isGiven(id);
    // an output keeps its name: a node of the file that had it is gone, or the output would be given
    const own = given || this.#outputs.has(id) || (!this.site.taken.has(id) && !this.#used.has(id));
    const name = own ? id : this.fresh(id);
    this.#names.set(id, name);
    this.#used.add(name);
    if (given) this.#read.add(name);
    else {
      const constant = constantOf(this.graph, id);
      if (constant !== undefined) this.#initializers.set(name, initializer(name, constant));
    }
    return name;
  }

  /** The node that computes a value, when it is to be emitted. */
  producer(id: ValueId | undefined): Node | undefined {
    return id === undefined || this.site.isGiven(id) ? undefined : this.#producers.get(id);
  }

  /**
   * The name of the model's node for the emitted node that computes its result: the last one, since names are unique.
   */
  nodeName({ loc }: Node): string | undefined {
    const name = loc.node;
    if (name === undefined || this.site.nodeNames.has(name) || this.#nodeNames.has(name)) return undefined;
    this.#nodeNames.add(name);
    return name;
  }

  fresh(base: string): string {
    const isTaken = (name: string) =>
      this.site.taken.has(name) || this.site.captured.has(name) || this.#used.has(name) || hasValue(this.graph, name);
    let name = base;
    for (let n = 1; isTaken(name); n++) name = `${base}.${n}`;
    this.#used.add(name);
    return name;
  }

  /** A constant of the exporter; small ones with the same contents are one, and so are those of one number throughout. */
  constant(value: ITensor, base: string): string {
    const key = keyOf(value);
    const known = key === undefined ? undefined : this.#known.get(key);
    if (known !== undefined) return known;
    const name = this.fresh(base);
    if (key !== undefined) this.#known.set(key, name);
    this.#initializers.set(name, initializer(name, value));
    return name;
  }
}

/** The contents of a constant that is easily told from others. */
function keyOf({ dtype, shape, data }: ITensor): string | undefined {
  const type = `${dtype}[${shape}]`;
  if (data.length <= 16) return `${type}${bytesOf(data).join()}`;
  for (let i = 1; i < data.length; i++) if (!Object.is(data[i], data[0])) return undefined;
  return `${type} all ${bytesOf(data).subarray(0, data.BYTES_PER_ELEMENT).join()}`;
}

const initializer = (name: string, { dtype, shape, data }: ITensor) => ({
  name,
  type: dtype,
  dims: shape,
  data: bytesOf(data),
});
