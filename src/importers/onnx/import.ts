/** ONNX models into the IR. */

import { type Diagnostic, fail, formatDiagnostic, type Location, UnskewError } from '../../diagnostics/index.ts';
import {
  type ExternalReader,
  inlineFunctions,
  type OnnxFile,
  type OnnxNode,
  onnxTypeName,
  openOnnx,
} from '../../formats/onnx/index.ts';
import {
  type AnyValue,
  type Emitter,
  formatType,
  type Graph,
  initializerOf,
  isComputable,
  isStatic,
  type Loc,
  type Node,
  type NodeId,
  nnIdentity,
  opaqueOp,
  type Unsupport,
  type Value,
  type ValueId,
  valueId,
} from '../../ir/index.ts';
import { ImportEmitter } from '../kit/import_emitter.ts';
import { Scope } from '../kit/scope.ts';
import { Unsupported } from '../kit/unsupported.ts';
import { tensorOf } from './attributes.ts';
import { BlocksRefused, blockedDomain, ChannelBlocks } from './channel_blocks.ts';
import { isControl } from './control.ts';
import { DeclaredTypes, type InputShapes } from './declared_types.ts';
import type { OnnxOp } from './define_onnx_op.ts';
import { HalfIslands } from './half_islands.ts';
import { NestedGraphs, type Outer } from './nested.ts';
import { checkOperands, checkVersion, nodeOrder } from './node_checks.ts';
import { NodeContext } from './node_context.ts';
import { findOnnxOp, isOperator } from './op_table.ts';
import type { OnnxOrigin } from './origin.ts';
import { outputTypes } from './output_types.ts';
import type { OnnxProfile } from './profiles.ts';
import { areApart, type Parts, partsOf } from './shared_sizes.ts';
import type { PartialType } from './type_rules.ts';
import { typedNode } from './typed_node.ts';

export interface ImportOnnxOptions {
  /** The path, for messages. */
  readonly file?: string;
  /** Reads weights from files of their own; `externalReader(path)` for a model on disk. */
  readonly readExternal?: ExternalReader;
  /** The rounding of requantization; `ort` by default. */
  readonly profile?: OnnxProfile;
  /**
   * Sizes for symbolic dimensions, by input: they apply before anything is imported, since some operators are
   * understood only with known sizes, such as padding that depends on them. A size that is text leaves a dimension
   * open.
   */
  readonly inputShapes?: InputShapes;
}

/**
 * The graph of an ONNX model, at level `qnn`. Values keep the names of the model, constants are views of `bytes`. An
 * operator that is not understood becomes an `opaque` one, listed in the origin of the graph.
 *
 * @throws UnskewError U1002 … U1006 for a bad file, U2001 … U2007 for a graph that is not valid ONNX, U4002 for
 * `inputShapes` that do not fit its inputs
 */
export function importOnnx(bytes: Uint8Array, options: ImportOnnxOptions = {}): Graph {
  const file = openOnnx(bytes, options);
  const inlined = inlineFunctions(file, isOperator);
  const source = inlined && file;
  const read = inlined ? openOnnx(inlined, options) : file;
  const parts = partsOf(read.graph, () => nodeOrder(read.graph, file.file === undefined ? {} : { file: file.file }));
  return withBlocks((noBlocks) => {
    if (parts) {
      const parted = new Importer(read, options, { source, parts, noBlocks });
      const graph = parted.run();
      if (parted.parted && areApart(graph, parted.parted)) return graph;
    }
    return new Importer(read, options, { source, noBlocks }).run();
  });
}

/** Channels in blocks are carried throughout, where a node of them is not understood: `read` is given the reason. */
function withBlocks(read: (noBlocks?: string) => Graph): Graph {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BlocksRefused)) throw error;
    return read(error.message);
  }
}

interface Surroundings {
  /** The file with functions, where they were written out. */
  readonly source?: OnnxFile | undefined;
  readonly outer?: Outer;
  readonly parts?: Parts;
  /** A reason to carry channels in blocks. */
  readonly noBlocks?: string | undefined;
}

/** True when an operand is absent, or of a type that unskew computes with. */
const isUnderstood = (operand: AnyValue | undefined): operand is Value | undefined =>
  operand === undefined || isComputable(operand);

/** Characters of a symbolic dimension: adding a value to itself, over and over, doubles them each time. */
const LONGEST_DIM = 1000;

class Importer {
  readonly #file: OnnxFile;
  /** The file with functions, where they were written out. */
  readonly #source: OnnxFile | undefined;
  readonly #profile: OnnxProfile;
  readonly #where: Location;
  readonly #scope: Scope;
  readonly #halves: HalfIslands;
  readonly #blocks: ChannelBlocks;
  readonly #declared: DeclaredTypes;
  readonly #unsupported: Unsupport[] = [];
  readonly #warnings: Diagnostic[] = [];
  readonly #nested: NestedGraphs;
  readonly #outer: Outer | undefined;
  constructor(
    file: OnnxFile,
    { profile = 'ort', inputShapes }: ImportOnnxOptions,
    { source, outer, parts, noBlocks }: Surroundings = {},
  ) {
    this.#file = file;
    this.#outer = outer;
    this.#source = source;
    this.#profile = profile;
    this.#where = file.file === undefined ? {} : { file: file.file };
    const { nodes, inputs, initializers } = file.graph;
    const names = [
      ...inputs.map(({ name }) => name),
      ...initializers.keys(),
      ...nodes.flatMap(({ outputs }) => outputs),
    ];
    this.#scope = new Scope(new Set(names), outer?.openSymbol);
    this.#halves = new HalfIslands(file.graph);
    this.#blocks = new ChannelBlocks(file.graph, noBlocks);
    this.#declared = new DeclaredTypes(file.graph, inputShapes, this.#where, parts);
    const where = { profile, ...(file.file !== undefined && { file: file.file }) };
    this.#nested = new NestedGraphs({
      file,
      scope: this.#scope,
      outer,
      operand: (name, loc) => this.#operand(name, loc),
      read: (bytes, inner, readExternal) => {
        const options = { ...where, ...(readExternal && { readExternal }) };
        const body = openOnnx(bytes, options);
        return withBlocks((noBlocks) => new Importer(body, options, { outer: inner, noBlocks }).run());
      },
    });
  }

  get parted(): readonly (readonly string[])[] | undefined {
    return this.#declared.parted;
  }

  run(): Graph {
    const { graph } = this.#file;
    this.#importInputs();
    this.#importInitializers();
    const ids: (readonly NodeId[])[] = graph.nodes.map(() => []);
    for (const index of nodeOrder(graph, this.#where)) ids[index] = this.#importNode(graph.nodes[index], index);
    const outputs = graph.outputs.map(({ name }) => this.#output(name));
    this.#scope.prune(outputs);
    const { nodes, values } = this.#scope;
    const origin: OnnxOrigin = {
      kind: 'onnx',
      file: this.#file,
      ...(this.#source && { source: this.#source }),
      nodes: ids.map((own) => own.filter((id) => id in nodes)),
      original: { ...nodes },
      values: { ...values },
      unsupported: this.#unsupported.filter(({ value }) => value in this.#scope.values),
      bodies: this.#nested.bodies.filter(({ node }) => ids[node].some((id) => id in nodes)),
      unread: this.#nested.unread,
      notes: this.#notes(),
      captured: this.#nested.captured,
      reread: ({ inputShapes, profile }) => {
        const { bytes, file, readExternal } = this.#source ?? this.#file;
        return importOnnx(bytes, {
          inputShapes,
          ...(file !== undefined && { file }),
          ...(readExternal && { readExternal }),
          ...(profile && { profile }),
        });
      },
    };
    const finished = this.#scope.finish(graph.name === '' ? 'main' : graph.name, outputs, origin);
    const profile = this.#profile === 'ort' ? {} : { profile: this.#profile };
    return { ...finished, ...profile, ...this.#declared.namesIn(finished.values) };
  }

  /** An initializer of the same name gives an input a default; it is then a constant here. */
  #importInputs(): void {
    const { inputs, initializers } = this.#file.graph;
    for (const { name } of inputs) {
      if (initializers.has(name)) continue;
      const type = this.#outer?.types.get(name) ?? this.#declared.of(name);
      const elements = this.#outer?.elements.get(name);
      if (elements) this.#scope.elements.set(valueId(name), elements);
      this.#scope.inputs.push(this.#scope.define(name, { type }, { ...this.#where, input: name }).id);
      if (type.dtype === 'opaque') this.#note(name, 'input', this.#declared.describe(name));
    }
  }

  #importInitializers(): void {
    const { initializers, inputs } = this.#file.graph;
    const isInput = new Set(inputs.map(({ name }) => name));
    for (const [name, tensor] of initializers) {
      const { dtype, dims } = tensor;
      const loc = { ...this.#where, input: name };
      if (dtype === undefined) this.#opaqueInitializer(name, onnxTypeName(tensor.onnxType), loc);
      else {
        const type = { dtype, shape: dims };
        this.#scope.define(name, { type, constant: this.#scope.pool.add(() => tensorOf(tensor)) }, loc);
        if (isInput.has(name)) this.#declared.check(name, type, loc);
      }
    }
  }

  #opaqueInitializer(name: string, type: string, loc: Loc): void {
    this.#opaque(initializerOf(type), [], [name], loc);
    this.#note(name, 'initializer', `the element type ${type}`);
  }

  #importNode(node: OnnxNode, index: number): readonly NodeId[] {
    const first = node.outputs.find((name) => name !== '');
    if (first === undefined) return []; // computes nothing
    const loc = { ...this.#where, node: node.name === '' ? first : node.name, op: node.opType };
    const operator = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
    const operands = node.inputs.map((name) => (name === '' ? undefined : this.#operand(name, loc)));
    if (operands.every(isUnderstood)) {
      try {
        return isControl(node) ? this.#control(node, index, operands, loc) : this.#understood(node, operands, loc);
      } catch (error) {
        const why = error instanceof Unsupported ? error : this.#openMisfit(error, operands);
        if (why === undefined) throw error;
        // others have read values in blocks in their usual order by now
        if (node.domain === blockedDomain && this.#blocks.block !== undefined) throw new BlocksRefused(why.message);
        this.#scope.drop();
        this.#note(first, operator, why.message, why.dependsOnSizes);
      }
    }
    const captured = this.#nested.capture(node, index, loc);
    const types = outputTypes(node.domain, node.opType, typedNode(node, operands, this.#scope)) ?? [];
    return this.#opaque(operator, [...operands, ...captured], node.outputs, loc, types);
  }

  /**
   * Shapes that do not fit as far as they are known, and may in a run: open sizes of different names are often one size. A body that does
   * not fit is one that is not taken.
   */
  #openMisfit(error: unknown, operands: readonly (AnyValue | undefined)[]): Unsupported | undefined {
    const [{ code, message } = {}] = error instanceof UnskewError ? error.diagnostics : [];
    const isOpen = operands.some((operand) => operand && !isStatic(operand.type.shape));
    if (this.#outer !== undefined || !isOpen || (code !== 'U2004' && code !== 'U2005')) return undefined;
    return new Unsupported(message ?? '', { dependsOnSizes: true });
  }

  /** @throws Unsupported */
  #control(node: OnnxNode, index: number, operands: readonly (Value | undefined)[], loc: Loc): readonly NodeId[] {
    const emitter = new ImportEmitter(this.#scope, loc);
    const named = (results: readonly Value[]) => this.#named(node, results, emitter, loc);
    return this.#nested.control(node, index, operands, emitter, named, loc);
  }

  /** @throws Unsupported */
  #understood(node: OnnxNode, operands: readonly (Value | undefined)[], loc: Loc): readonly NodeId[] {
    if (this.#blocks.isView(node) && operands[0]) {
      return this.#named(node, [operands[0]], new ImportEmitter(this.#scope, loc), loc);
    }
    const { op, opset } = this.#findOp(node, loc);
    checkOperands(op, node, operands, loc);
    const ctx = new NodeContext(this.#scope, {
      op,
      node,
      operands,
      opset,
      loc,
      profile: this.#profile,
      halves: this.#halves,
      blocks: this.#blocks,
    });
    const result = op.import(ctx);
    return this.#named(node, 'id' in result ? [result] : result, ctx, loc);
  }

  /** Ends the import of a node: its results have the names of its outputs. */
  #named(node: OnnxNode, results: readonly (Value | undefined)[], ctx: ImportEmitter, loc: Loc): readonly NodeId[] {
    const names = new Map<ValueId, string>();
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      const value = results[i] ?? ctx.unsupported(`the output ${i} is not computed`);
      // a value of its own for every name
      const own = this.#scope.inJournal(value.id) && !names.has(value.id) ? value : ctx.emit(nnIdentity, { x: value });
      names.set(own.id, name);
    });
    if (this.#scope.longestDim() > LONGEST_DIM) ctx.unsupported('sizes that only a very long expression describes');
    const imported = this.#scope.commit(names);
    for (const name of names.values())
      if (!this.#blocks.isFive(name)) this.#declared.check(name, this.#scope.values[valueId(name)].type, loc);
    return imported.map((n: Node) => n.id);
  }

  #findOp(node: OnnxNode, loc: Loc): { op: OnnxOp; opset: number } {
    const { domain, opType, overload, attributes } = node;
    const opset = this.#file.opsets.get(domain);
    const shown = domain === '' ? 'ai.onnx' : domain;
    if (opset === undefined) fail('U1004', `the model does not import an operator set for the domain ${shown}`, loc);
    if (overload !== '' || this.#file.functions.some((f) => f.domain === domain && f.name === opType)) {
      if (!isOperator(domain, opType))
        throw new Unsupported('a function of the model, for another version of an operator set');
      this.#warn(`a function of the model has the name of an operator, ${opType}: the operator is taken`, loc);
    }
    const op = findOnnxOp(domain, opType);
    if (op === undefined) throw new Unsupported('the operator is not known');
    if (opset < op.since) throw new Unsupported(`version ${opset} of the operator set`);
    for (const name of attributes.keys()) {
      if (!op.attributes.includes(name)) throw new Unsupported(`attribute '${name}'`);
    }
    checkVersion(op, opset, node);
    return { op, opset };
  }

  #operand(name: string, loc: Loc): AnyValue {
    return (
      this.#scope.lookup(name) ??
      fail('U2001', `the value '${name}' is used and never defined`, { ...loc, input: name })
    );
  }

  #output(name: string): ValueId {
    const where = { ...this.#where, input: name };
    return (this.#scope.lookup(name) ?? fail('U2001', `the output '${name}' is never defined`, where)).id;
  }

  #opaque(
    operator: string,
    operands: readonly (AnyValue | undefined)[],
    outputs: readonly string[],
    loc: Loc,
    follow: readonly PartialType[] = [],
  ): readonly NodeId[] {
    const emitter: Emitter = this.#scope.begin();
    emitter.loc = loc;
    const types = outputs.map((name, i) => this.#declared.complete(name, follow[i] ?? {}));
    const results = emitter.emitList(
      opaqueOp,
      operands.map((o) => o ?? null),
      { operator, results: types.map(formatType) },
    );
    const named = outputs.flatMap((name, i) => (name === '' ? [] : [[results[i].id, name] as const]));
    return this.#scope.commit(new Map(named)).map(({ id }) => id);
  }

  #warn(message: string, location: Location): void {
    this.#warnings.push({ code: 'U2010', severity: 'warning', message, location });
  }

  #blockWarnings(): readonly Diagnostic[] {
    const message = this.#blocks.warning;
    return message === undefined ? [] : [{ code: 'U2010', severity: 'warning', message, location: this.#where }];
  }

  /** Departures from the standard that were read nevertheless, each of them once. */
  #notes(): readonly Diagnostic[] {
    const all = [
      ...this.#file.warnings,
      ...this.#warnings,
      ...this.#declared.warnings,
      ...this.#blockWarnings(),
      ...this.#nested.bodies.flatMap(({ graph }) => graph.origin?.notes ?? []),
    ];
    return [...new Map(all.map((note) => [formatDiagnostic(note), note])).values()];
  }

  #note(value: string, operator: string, reason: string, dependsOnSizes = false): void {
    this.#unsupported.push({ value, operator, reason, ...(dependsOnSizes && { dependsOnSizes }) });
  }
}
