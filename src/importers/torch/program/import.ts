/** Programs of torch.export into the IR. */
import { fail, type Location } from '../../../diagnostics/index.ts';
import type { Archive } from '../../../formats/torch/index.ts';
import { TorchTensor } from '../../../formats/torch/index.ts';
import {
  type AnyValue,
  type Dim,
  formatType,
  type Graph,
  isComputable,
  type Loc,
  nnIdentity,
  type Origin,
  opaqueOp,
  type TensorType,
  type Unsupport,
  type Value,
  type ValueId,
  valueId,
} from '../../../ir/index.ts';
import { Scope } from '../../kit/scope.ts';
import type { StateOption } from '../../kit/state_option.ts';
import { Unsupported } from '../../kit/unsupported.ts';
import { adviceOn, doesMore, writesSilently } from '../memory/mutating.ts';
import { dimOfExpression } from './dimension.ts';
import { ChangesFound, declaredChanges, keptState, type StateOptions } from './held_state.ts';
import { ProgramMemory, writes } from './memory.ts';
import { compute, first, type Surroundings, torchValueOf } from './operator.ts';
import { readProgram, type StoredProgram } from './program.ts';
import { readersOf, symbolsOf } from './program_facts.ts';
import { scalarTypeOf } from './scalar_type.ts';
import {
  type Argument,
  type ExportedProgram,
  type ExportNode,
  type Size,
  type TensorMeta,
  tensorNames,
} from './schema.ts';

/** The record that the importer leaves. No exporter writes this format. */
export interface ExportOrigin extends Origin {
  readonly kind: 'torch-export';
  readonly torchVersion: string;
}

/**
 * The graph of an archive of `torch.export.save`, at level `qnn`. Values keep the names of the program, weights are
 * views of the archive. An operator that is not understood becomes an `opaque` one, listed in the origin of the graph.
 *
 * @throws UnskewError U1002 … U1006 for a bad archive, U2001 … U2008 for a program that is wrong or keeps state
 */
export async function importExport(archive: Archive, state: StateOption = 'refuse'): Promise<Graph> {
  const stored = await readProgram(archive);
  const changed = new Set(declaredChanges(stored.program).keys());
  try {
    return new Importer(stored, archive.file, { state, changed }).run();
  } catch (error) {
    if (!(error instanceof ChangesFound)) throw error;
    for (const name of error.names) changed.add(name);
    return new Importer(stored, archive.file, { state, changed }).run();
  }
}

/** Characters of a symbolic dimension: adding a value to itself, over and over, doubles them each time. */
const LONGEST_DIM = 1000;
const isTensorOutput = (argument: Argument): boolean => argument.kind === 'tensor';
const opaqueType: TensorType = { dtype: 'opaque', shape: [] };

class Importer {
  readonly #stored: StoredProgram;
  readonly #program: ExportedProgram;
  readonly #where: Location;
  readonly #scope: Scope;
  /** Values by the names of the program; several names may stand for one value. */
  readonly #values = new Map<string, AnyValue>();
  /** Our spelling of sizes that the program derives: inference spells them otherwise than sympy. */
  readonly #spellings = new Map<string, Dim>();
  readonly #readers: ReadonlyMap<string, readonly string[]>;
  readonly #unsupported: Unsupport[] = [];
  readonly #around: Surroundings;
  readonly #memory: ProgramMemory;

  readonly #state: StateOptions;

  constructor(stored: StoredProgram, file: string | undefined, state: StateOptions) {
    this.#state = state;
    this.#stored = stored;
    this.#program = stored.program;
    this.#where = file === undefined ? {} : { file };
    this.#scope = new Scope(new Set(stored.program.graph.tensors.keys()));
    this.#readers = readersOf(stored.program);
    this.#around = {
      tensor: (name, loc) => this.#understoodOperand(name, loc),
      integer: (name, loc) => this.#integer(name, loc),
      readersOf: (name) => this.#readers.get(name) ?? [],
    };
    this.#memory = new ProgramMemory(this.#program, this.#scope, {
      value: (name, loc) => this.#operand(name, loc),
      strides: (name) => this.#strides(name),
      argument: (argument, loc) => torchValueOf(argument, loc, this.#around),
    });
  }

  run(): Graph {
    const { graph, outputs } = this.#program;
    this.#importInputs();
    for (const node of graph.nodes) this.#importNode(node);
    const all = outputs.flatMap((spec) => {
      if (spec.kind === 'mutation') return [];
      if (spec.kind === 'other')
        return spec.field === 'token' ? [] : this.#stateful(`the program has an output of the kind ${spec.field}`);
      return this.#output(spec.argument);
    });
    const results = [...new Set(all)];
    const keeping = { program: this.#program, scope: this.#scope, memory: this.#memory, where: this.#where };
    const state = keptState(this.#state, keeping, results, (name, as) => this.#copied(name, as));
    for (const result of state) results.push(result);
    if (results.length === 0) fail('U1004', 'the program has no output', this.#where);
    this.#scope.prune(results);
    this.#refuseDropped();
    const unsupported = this.#unsupported.filter(({ value }) => value in this.#scope.values);
    const origin: ExportOrigin = { kind: 'torch-export', torchVersion: this.#program.torchVersion, unsupported };
    return { ...this.#scope.finish('main', results, origin), ...symbolsOf(this.#program, this.#scope) };
  }

  /** Refuses a node of a foreign library whose results nobody reads: it must be there for other effects. */
  #refuseDropped(): void {
    for (const { target, inputs, outputs, source } of this.#program.graph.nodes) {
      const isDropped = tensorNames(outputs).every((name) => !(name in this.#scope.values));
      const operands = tensorNames(inputs.map(({ argument }) => argument));
      if (!isDropped || operands.length === 0 || !doesMore(target.split('.')[0])) continue;
      const what = `the operator ${target} is not known, and nothing reads its result`;
      fail('U2008', `${what}: it may be there for another effect${source ? ` (${source})` : ''}`, this.#where);
    }
  }

  // ---- inputs

  #importInputs(): void {
    for (const spec of this.#program.inputs) {
      if (spec.kind === 'stored') this.#importStored(spec.name, spec.key);
      else if (spec.kind === 'user') this.#importInput(spec.argument);
      else if (spec.field !== 'token' && spec.field !== 'constant_input')
        this.#stateful(`the program has an input of the kind ${spec.field}`);
    }
  }

  /** Numbers among the inputs were fixed when the program was made. */
  #importInput(argument: Argument): void {
    if (argument.kind === 'int' && typeof argument.values[0] === 'string')
      fail('U2008', 'an integer among the inputs is not supported', { ...this.#where, input: argument.values[0] });
    const name = argument.kind === 'tensor' && !argument.isList ? argument.names[0] : undefined;
    if (name === undefined) return;
    const loc = { ...this.#where, input: name };
    const type = this.#declared(name, loc);
    const value = this.#define(name, type, loc);
    this.#scope.inputs.push(value.id);
    if (type.dtype === 'opaque') this.#note(name, 'input', 'its element type or its sizes are not supported');
  }

  #importStored(name: string, key: string): void {
    if (!this.#readers.has(name)) return; // dead weights stay in the archive
    const loc = { ...this.#where, input: key };
    const stored =
      this.#stored.state.get(key) ??
      this.#stored.constants.get(key) ??
      fail('U1004', `the archive has no tensor '${key}', which the program reads as '${name}'`, loc);
    if (!(stored instanceof TorchTensor)) {
      this.#opaque('parameter', [], [name], loc);
      this.#note(name, 'parameter', stored.unsupported);
      return;
    }
    const { dtype } = stored.type;
    stored.storage.bytes(); // a storage that is too short is found now
    const type = { dtype, shape: stored.shape };
    const declared = this.#declared(name, loc);
    if (declared.dtype !== dtype || declared.shape.join() !== type.shape.join())
      fail('U1004', `'${key}' is ${formatType(type)}, but the program declares ${formatType(declared)}`, loc);
    if (this.#state.changed.has(name)) {
      this.#define(name, type, loc);
      return;
    }
    const id = this.#scope.define(name, { type, constant: this.#scope.pool.add(() => stored.tensor()) }, loc);
    this.#values.set(name, id);
  }

  #define(name: string, type: TensorType, loc: Loc): AnyValue {
    const value = this.#scope.define(name, { type }, loc);
    this.#values.set(name, value);
    return value;
  }

  // ---- nodes

  #importNode(node: ExportNode): void {
    const names = tensorNames(node.outputs);
    const isWrite = writes(node);
    if (!node.outputs.some(isTensorOutput) && !isWrite) return; // integers are known by their expressions; checks have no result
    const [own] = names;
    const loc = { ...this.#where, ...(own !== undefined && { node: own }), op: node.target };
    const twice = names.find((name, i) => this.#values.has(name) || names.indexOf(name) !== i);
    if (twice !== undefined) fail('U2002', `the value '${twice}' is defined twice`, loc);
    const operands = node.inputs.flatMap(({ argument }) =>
      tensorNames([argument]).map((name) => this.#current(name, loc)),
    );
    if (isWrite) this.#write(node, names, loc);
    else this.#compute(node, names, operands, loc);
  }

  /** Writes to memory. Names that share the memory of the first operand are read anew when needed. */
  #write(node: ExportNode, names: readonly string[], loc: Loc): void {
    const value = this.#memory.write(node, names[0], loc, (twin) =>
      first(compute(this.#scope, twin, loc, this.#around)),
    );
    for (const name of this.#memory.alias(node, names)) this.#values.set(name, value);
  }

  #compute(node: ExportNode, names: readonly string[], operands: readonly AnyValue[], loc: Loc): void {
    if (operands.every(isComputable)) {
      try {
        this.#understood(node, names, loc);
        this.#memory.place(node, names, loc);
        return;
      } catch (error) {
        if (!(error instanceof Unsupported)) throw error;
        this.#scope.drop();
        const [library, name] = node.target.split('.');
        if (writesSilently(library, name))
          fail('U2008', `${node.target} writes to an operand: ${error.message}`, loc, adviceOn(name));
        this.#note(names[0], node.target, error.message);
      }
    }
    this.#opaque(node.target, operands, names, loc);
    this.#memory.place(node, names, loc);
  }

  /** @throws Unsupported */
  #understood(node: ExportNode, names: readonly string[], loc: Loc): void {
    const { ctx, results } = compute(this.#scope, node, loc, this.#around);
    const own = new Map<ValueId, ValueId>();
    names.forEach((name, i) => {
      const value = results[i];
      if (value === undefined) {
        if (this.#readers.has(name)) ctx.unsupported(`the output ${i} is not computed`);
        return;
      }
      this.#check(name, value.type, loc);
      if (this.#scope.inJournal(value.id) && !own.has(value.id)) own.set(value.id, valueId(name));
    });
    if (this.#scope.longestDim() > LONGEST_DIM) ctx.unsupported('sizes that only a very long expression describes');
    this.#scope.commit(own);
    names.forEach((name, i) => {
      const value = results[i];
      if (value === undefined) return;
      this.#values.set(name, { ...value, id: own.get(value.id) ?? value.id });
    });
  }

  /** Refuses sizes that contradict the program; notes how we spell its symbolic ones. */
  #check(name: string, actual: TensorType, loc: Loc): void {
    const { sizes } = this.#meta(name, loc);
    const fits = sizes.length === actual.shape.length && sizes.every((size, i) => mayBe(size, actual.shape[i]));
    if (!fits) {
      const declared = sizes.map((size) => (typeof size === 'number' ? size : '?')).join(',');
      fail('U2005', `'${name}' is declared with shape [${declared}], but is ${formatType(actual)}`, loc);
    }
    sizes.forEach((size, i) => {
      if (typeof size !== 'number' && !this.#spellings.has(size.expression))
        this.#spellings.set(size.expression, actual.shape[i]);
    });
  }

  #opaque(operator: string, operands: readonly AnyValue[], names: readonly string[], loc: Loc): void {
    const emitter = this.#scope.begin();
    emitter.loc = loc;
    const types = names.map((name) => this.#declared(name, loc));
    const results = emitter.emitList(opaqueOp, operands, { operator, results: types.map(formatType) });
    this.#scope.commit(new Map(names.map((name, i) => [results[i].id, name])));
    names.forEach((name, i) => {
      this.#values.set(name, { id: valueId(name), type: results[i].type });
    });
  }

  // ---- names

  #operand(name: string, loc: Loc): AnyValue {
    return (
      this.#values.get(name) ??
      fail('U2001', `the value '${name}' is used before it is defined, or never defined`, { ...loc, input: name })
    );
  }

  /** @throws Unsupported */
  #understoodOperand(name: string, loc: Loc): Value {
    const value = this.#operand(name, loc);
    if (isComputable(value)) return value;
    throw new Unsupported(`the operand '${name}' is not understood`);
  }

  /** The value of a name after all writes. */
  #current(name: string, loc: Loc): AnyValue {
    const value = this.#memory.current(name, loc);
    if (value) this.#values.set(name, value);
    return value ?? this.#operand(name, loc);
  }

  #strides(name: string): readonly Dim[] | undefined {
    const strides = this.#program.graph.tensors.get(name)?.strides.map((size) => this.#dim(size));
    return strides?.every((stride): stride is Dim => stride !== undefined) ? strides : undefined;
  }

  #integer(name: string, loc: Loc): Dim {
    const size =
      this.#program.graph.integers.get(name) ??
      fail('U2001', `the integer '${name}' is used and never defined`, { ...loc, input: name });
    const dim = this.#dim(size);
    if (dim === undefined) throw new Unsupported(`the integer '${name}' is not a size that can be expressed`);
    return dim;
  }

  #dim(size: Size): Dim | undefined {
    return typeof size === 'number' ? size : (this.#spellings.get(size.expression) ?? dimOfExpression(size.expression));
  }

  #meta(name: string, loc: Loc): TensorMeta {
    const { tensors } = this.#program.graph;
    return tensors.get(name) ?? fail('U1004', `the type of '${name}' is not declared`, loc);
  }

  /** The declared type; `opaque[]` where it is not one to compute with. */
  #declared(name: string, loc: Loc): TensorType {
    const meta = this.#meta(name, loc);
    const shape = meta.sizes.map((size) => this.#dim(size));
    const wrong = shape.find((dim) => typeof dim === 'number' && dim < 0);
    if (wrong !== undefined) fail('U1004', `'${name}' is declared with the size ${wrong}`, loc);
    const dtype = scalarTypeOf(meta.dtype)?.dtype;
    return dtype === undefined || !shape.every((dim) => dim !== undefined) ? opaqueType : { dtype, shape };
  }

  /**
   * None gives no output. A value that is not a result of its own gets a node, so that the output has the program's
   * name.
   */
  #output(argument: Argument): readonly ValueId[] {
    if (argument.kind === 'none') return [];
    const names = tensorNames([argument]);
    if (names.length === 0) this.#stateful('an output of the program is not a tensor');
    return names.map((name) => {
      const value = this.#current(name, { ...this.#where, input: name });
      return value.id === name ? value.id : this.#copied(name, this.#vacated(name));
    });
  }

  /** The elements of a name under another one. */
  #copied(name: string, as: string): ValueId {
    const value = this.#current(name, { ...this.#where, input: name });
    const emitter = this.#scope.begin();
    emitter.loc = { ...this.#where, node: as };
    const [own] = emitter.emitList(nnIdentity, [value], {});
    const id = valueId(as);
    this.#scope.commit(new Map([[own.id, id]]));
    return id;
  }

  /** The name of an output, taken from the value that had it before a write; inputs keep their names. */
  #vacated(name: string): string {
    const id = valueId(name);
    if (!(id in this.#scope.values)) return name;
    const free = valueId(this.#scope.nameLike(name));
    if (this.#scope.inputs.includes(id)) return free;
    this.#scope.rename(id, free);
    const renamed = <V extends AnyValue>(value: V): V => (value.id === id ? { ...value, id: free } : value);
    for (const [key, value] of this.#values) this.#values.set(key, renamed(value));
    this.#memory.rename(renamed);
    return name;
  }

  /** Refuses a module that a call changes: a graph cannot express it. */
  #stateful(message: string): never {
    return fail('U2008', message, this.#where, 'export the model in evaluation mode, with tensors in and tensors out');
  }

  #note(value: string, operator: string, reason: string): void {
    this.#unsupported.push({ value, operator, reason });
  }
}

const mayBe = (size: Size, dim: Dim): boolean => typeof size !== 'number' || typeof dim !== 'number' || size === dim;
