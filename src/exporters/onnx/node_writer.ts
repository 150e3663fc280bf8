/** The means to write ONNX nodes: names, constants, casts, versions. */
import { assert, fail } from '../../diagnostics/index.ts';
import type { AttributeInit, NodeInit } from '../../formats/onnx/index.ts';
import {
  constantOf,
  type DType,
  dtypes,
  type Graph,
  type ITensor,
  isStatic,
  type Node,
  type Shape,
  sizeOf,
  type TensorType,
  tensor,
  typeOf,
  type ValueId,
} from '../../ir/index.ts';

/** The nodes that compute one operator, the last of them its results. */
export type Written = readonly NodeInit[];
export type Attributes = Readonly<Record<string, AttributeInit>>;

/** The emission that nodes are written for. */
export interface Emitting {
  readonly graph: Graph;
  readonly opset: number;
  /** The version of the file to fit into, and whether the operators of com.microsoft may be used. */
  readonly site: { readonly opset: number | undefined; readonly microsoft: boolean };
  /** The least version that the operators so far need. */
  needed: number;
  /** The name of a value, which from now on somebody reads. */
  name(id: ValueId): string;
  /** The node that computes a value, when it is to be emitted. */
  producer(id: ValueId | undefined): Node | undefined;
  /** The name of the model's node for the emitted node that computes its result, when it is free. */
  nodeName(node: Node): string | undefined;
  /** A name that nothing has yet. */
  fresh(base: string): string;
  constant(value: ITensor, base: string): string;
  /** Results that several operators need, by what computes them: the first operator that is emitted writes the node. */
  readonly shared: Map<string, string>;
}

/** Writes the nodes for one operator. */
export class NodeWriter {
  readonly #emission: Emitting;
  readonly node: Node;
  readonly #nodes: NodeInit[] = [];

  constructor(emission: Emitting, node: Node) {
    this.#emission = emission;
    this.node = node;
  }

  get opset(): number {
    return this.#emission.opset;
  }

  get microsoft(): boolean {
    return this.#emission.site.microsoft;
  }

  get graph(): Graph {
    return this.#emission.graph;
  }

  /** The names of the operands, '' for an absent one. */
  inputs(): readonly string[] {
    return this.node.operands.map((id) => this.value(id ?? undefined));
  }

  get resultType(): TensorType<DType> {
    return this.typeOf(this.node.id);
  }

  // ---- the graph around it

  /** The name of any value of the graph, which is then computed; '' for an absent operand. */
  value(id: ValueId | undefined): string {
    return id === undefined ? '' : this.#emission.name(id);
  }

  typeOf(id: ValueId): TensorType<DType> {
    const { dtype, shape } = typeOf(this.graph, id);
    assert(dtype !== 'opaque', `%${id} is opaque, and ${this.node.op} reads it`);
    return { dtype, shape };
  }

  constantOf(id: ValueId | undefined): ITensor | undefined {
    return constantOf(this.graph, id);
  }

  producer(id: ValueId | undefined): Node | undefined {
    return this.#emission.producer(id);
  }

  // ---- writing

  /** A node that computes something on the way; the name of its output. */
  add(opType: string, inputs: readonly string[], attributes: Attributes = {}, domain = ''): string {
    const output = this.#emission.fresh(`${this.node.id}.${opType}`);
    this.#push({ opType, domain, inputs: trimmed(inputs), outputs: [output], attributes });
    return output;
  }

  /** The node that computes the results. */
  finish(opType: string, inputs: readonly string[], attributes: Attributes = {}, domain = ''): Written {
    const name = this.#emission.nodeName(this.node);
    this.#push({
      opType,
      domain,
      ...(name !== undefined && { name }),
      inputs: trimmed(inputs),
      outputs: this.node.results.map((id) => this.#emission.name(id)),
      attributes,
    });
    return this.#nodes;
  }

  /** The same for a node that other operators need too: written once. */
  share(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const key = sharedKey(opType, inputs, attributes);
    const name = this.#emission.shared.get(key) ?? this.add(opType, inputs, attributes);
    this.#emission.shared.set(key, name);
    return name;
  }

  /** The node that computes the result, which other operators need too. */
  finishShared(opType: string, inputs: readonly string[], attributes: Attributes): Written {
    const key = sharedKey(opType, inputs, attributes);
    const name = this.#emission.shared.get(key);
    if (name !== undefined) return this.finish('Identity', [name]);
    this.#emission.shared.set(key, this.#emission.name(this.node.id));
    return this.finish(opType, inputs, attributes);
  }

  /** The node that computes one of several results, and its name; `written` are all of them. */
  part(result: ValueId, opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const output = this.#emission.name(result);
    this.#push({ opType, domain: '', inputs: trimmed(inputs), outputs: [output], attributes });
    return output;
  }

  #push(node: NodeInit): void {
    for (const [name, attribute] of Object.entries(node.attributes ?? {}))
      if (attribute.kind === 'float') this.#refuseLost(`the attribute ${name}`, attribute.value);
    this.#nodes.push(node);
  }

  /** Numbers of files are binary32: rounded to it they mean the same for all but the very large and the very small. */
  #refuseLost(what: string, value: number): void {
    const written = Math.fround(value);
    if (Number.isFinite(value) && (!Number.isFinite(written) || (written === 0 && value !== 0)))
      this.refuse(`${what} is ${value}, which is ${written} as f32`);
  }

  get written(): Written {
    return this.#nodes;
  }

  constant(value: ITensor, base: string): string {
    return this.#emission.constant(value, base);
  }

  scalar(dtype: DType, value: number): string {
    if (dtype === 'f32') this.#refuseLost('a number it computes with', value);
    const text = String(value).replace('-', 'minus_');
    return this.constant(tensor(dtype, [value], []), `${dtype}_${text}`);
  }

  /** A list of axes, sizes or positions. */
  list(values: readonly number[], base: string): string {
    return this.constant(tensor('s64', values), base);
  }

  cast(x: string, to: DType): string {
    return this.add('Cast', [x], castTo(to));
  }

  /** The value in another shape of as many elements, all sizes known: a constant where it is one. */
  reshaped(id: ValueId, shape: readonly number[]): string {
    const constant = this.constantOf(id);
    const from = this.typeOf(id).shape;
    if (from.length === shape.length && from.every((dim, i) => dim === shape[i])) return this.value(id);
    if (constant !== undefined) {
      assert(sizeOf(shape) === constant.data.length, `${id} does not have the shape [${shape}]`);
      return this.constant({ ...constant, shape }, id);
    }
    return this.add('Reshape', [this.value(id), this.list(shape, 'shape')]);
  }

  /** A parameter by axis, shaped to broadcast to a tensor of this rank: [C] as [C, 1, …], one element as a scalar. */
  alongAxis(id: ValueId, axis: number, rank: number): string {
    const { shape } = this.typeOf(id);
    if (shape.length !== 1 || rank === 1) return this.value(id);
    if (shape[0] === 1) return this.reshaped(id, []);
    return this.reshaped(id, [this.known(shape)[0], ...Array(rank - 1 - axis).fill(1)]);
  }

  known(shape: Shape): readonly number[] {
    return isStatic(shape) ? shape : this.refuse(`the size [${shape}] is not known`, 'give inputShapes');
  }

  /** Requires `version` for the next node. A file to fit into may have an older one. */
  since(version: number, what: string): void {
    if (version <= this.opset) return;
    if (this.#emission.site.opset === undefined) this.#emission.needed = Math.max(this.#emission.needed, version);
    else
      this.refuse(
        `it needs ${what} of operator set ${version}, the model imports ${this.opset}`,
        'convert the model to a newer operator set first (onnx.version_converter)',
      );
  }

  refuse(why: string, hint?: string): never {
    return fail('U2008', `${this.node.op} cannot be written as ONNX: ${why}`, this.node.loc, hint);
  }
}

export const castTo = (to: DType): Attributes => ({ to: int(dtypes[to].onnxCode) });

export const int = (value: number): AttributeInit => ({ kind: 'int', value });
export const flag = (value: boolean): AttributeInit => int(value ? 1 : 0);
export const ints = (value: readonly number[]): AttributeInit => ({ kind: 'ints', value });
export const float = (value: number): AttributeInit => ({ kind: 'float', value });
export const text = (value: string): AttributeInit => ({ kind: 'string', value });

const sharedKey = (opType: string, inputs: readonly string[], attributes: Attributes): string =>
  JSON.stringify([opType, inputs, attributes]);

/** Absent inputs at the end are not written. */
function trimmed(inputs: readonly string[]): readonly string[] {
  return inputs.slice(0, inputs.findLastIndex((name) => name !== '') + 1);
}
