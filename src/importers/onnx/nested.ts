/** The bodies of the nodes of one graph: read as graphs of their own, in operators that hold them or beside nodes that are carried. */
import type { ExternalReader, OnnxFile, OnnxGraph, OnnxNode } from '../../formats/onnx/index.ts';
import {
  type AnyValue,
  type Elements,
  type Graph,
  type Loc,
  MOST_NESTED,
  type TensorType,
  type Value,
  valueId,
} from '../../ir/index.ts';
import type { ImportEmitter } from '../kit/import_emitter.ts';
import type { Scope } from '../kit/scope.ts';
import { Unsupported } from '../kit/unsupported.ts';
import { readBodies, readBody, type Surroundings } from './bodies.ts';
import { importControl } from './control.ts';
import { hasQuantizedLayers } from './file_layers.ts';
import { capturedNames } from './node_checks.ts';
import type { OnnxBody, UnreadBody } from './origin.ts';

/** Facts of the graph around a body. */
export interface Outer {
  /** Types of inputs, in symbols of the graph around it. */
  readonly types: ReadonlyMap<string, TensorType>;
  readonly elements: ReadonlyMap<string, Elements>;
  readonly openSymbol: () => string;
  /** Graphs around it. */
  readonly depth: number;
}

interface Around {
  readonly file: OnnxFile;
  readonly scope: Scope;
  readonly outer: Outer | undefined;
  operand(name: string, loc: Loc): AnyValue;
  read(bytes: Uint8Array, outer: Outer, readExternal: ExternalReader | undefined): Graph;
}

export class NestedGraphs {
  /** Those that were read and stay graphs of their own. */
  readonly bodies: OnnxBody[] = [];
  readonly unread: UnreadBody[] = [];
  /** By node, where it is not what the bodies capture. */
  readonly captured = new Map<number, readonly string[]>();
  readonly #around: Around;
  readonly #producers = new Map<string, OnnxNode>();
  /** Bodies without inputs of their own. */
  readonly #read = new Map<OnnxGraph, OnnxBody | UnreadBody>();

  constructor(around: Around) {
    this.#around = around;
    for (const node of around.file.graph.nodes)
      for (const name of node.outputs) if (name !== '') this.#producers.set(name, node);
  }

  /** The outer values that the bodies of a carried node read; bodies that hold quantized layers become graphs of their own. */
  capture(node: OnnxNode, index: number, loc: Loc): readonly AnyValue[] {
    const values = (names: readonly string[]) => names.map((name) => this.#around.operand(name, loc));
    const names = capturedNames(node);
    const captured = values(names);
    const read = readBodies(node, this.#isQuantized, (body) => this.#readBody(node, index, body));
    this.bodies.push(...read.bodies);
    this.unread.push(...read.unread);
    if (read.bodies.length === 0) return captured;
    const all = namesWith(names, read.bodies);
    this.captured.set(index, all);
    return values(all);
  }

  /**
   * An operator that holds its bodies, or the nodes of the branch that a constant chooses.
   *
   * @param named ends the import of the node with its results
   * @throws Unsupported
   */
  control<T>(
    node: OnnxNode,
    index: number,
    operands: readonly (Value | undefined)[],
    emitter: ImportEmitter,
    named: (results: readonly Value[]) => T,
    loc: Loc,
  ): T {
    const { outer, scope } = this.#around;
    if ((outer?.depth ?? 0) >= MOST_NESTED)
      throw new Unsupported(`it stands in ${MOST_NESTED} graphs around it, and no more are read`);
    const names = capturedNames(node);
    for (const name of names) this.#around.operand(name, loc);
    const { results, bodies } = importControl(node, operands, {
      emitter,
      value: (name) => this.#around.operand(name, loc),
      openSymbol: () => scope.openSymbol(),
      read: (body, own) => this.#readBody(node, index, body, own),
      isBody: outer !== undefined,
      captured: (read) => namesWith(names, read),
      isQuantized: this.#isQuantized,
    });
    if (node.outputs.length !== results.length)
      throw new Unsupported(`it has ${node.outputs.length} outputs, and its body ${results.length}`);
    const imported = named(results);
    this.bodies.push(...bodies);
    if (bodies.length > 0) this.captured.set(index, namesWith(names, bodies));
    return imported;
  }

  #isQuantized = (body: OnnxGraph): boolean => hasQuantizedLayers(body, this.#around.file.graph);

  /** @param own types of the inputs of the body */
  #readBody(node: OnnxNode, index: number, body: OnnxGraph, own: readonly TensorType[] = []): OnnxBody | UnreadBody {
    const known = own.length === 0 ? this.#read.get(body) : undefined;
    if (known) return known;
    const { file, scope, outer, read } = this.#around;
    const surroundings: Surroundings = {
      file,
      producer: (name) => this.#producers.get(name),
      constant: (name) => {
        const { pool } = scope;
        const constant = scope.info(valueId(name))?.constant;
        return constant && (() => pool.get(constant));
      },
      type: (name) => scope.lookup(name)?.type,
    };
    const made = readBody(index, node, body, surroundings, (bytes, context, readExternal) => {
      const types = new Map<string, TensorType>();
      const elements = new Map<string, Elements>();
      for (const name of context) {
        const type = scope.lookup(name)?.type;
        if (type) types.set(name, type);
        const followed = scope.elementsOf(valueId(name));
        if (followed) elements.set(name, followed);
      }
      for (const [i, type] of own.entries()) types.set(body.inputs[i].name, type);
      const depth = (outer?.depth ?? 0) + 1;
      return read(bytes, { types, elements, openSymbol: () => scope.openSymbol(), depth }, readExternal);
    });
    if (own.length === 0) this.#read.set(body, made);
    return made;
  }
}

const namesWith = (names: readonly string[], bodies: readonly OnnxBody[]): readonly string[] => [
  ...new Set([...names, ...bodies.flatMap(({ context }) => [...context])]),
];
