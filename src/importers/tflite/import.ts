/** TensorFlow Lite models into the IR. */
import { type Diagnostic, fail, type Location } from '../../diagnostics/index.ts';
import {
  openTflite,
  type TfliteModel,
  type TfliteOperator,
  type TfliteSubgraph,
  type TfliteTensor,
} from '../../formats/tflite/index.ts';
import {
  type AnyValue,
  type Emitter,
  formatType,
  type Graph,
  isStatic,
  type Loc,
  nnIdentity,
  type Origin,
  opaqueOp,
  type Shape,
  type TensorType,
  tensorOfBytes,
  type Unsupport,
  type Value,
  type ValueId,
  valueId,
} from '../../ir/index.ts';
import { byteLengthOf, type DType, sizeOf } from '../../tensors/index.ts';
import { Scope } from '../kit/scope.ts';
import type { StateOption } from '../kit/state_option.ts';
import { Unsupported } from '../kit/unsupported.ts';
import type { Result } from './define_tflite_op.ts';
import { dtypeOfTensor, isPacked, unpacked } from './element_types.ts';
import { HeldState } from './held_state.ts';
import { type Layout, LEAST_RANK, Placed, shapeWithChannelsLast } from './layouts.ts';
import { findTfliteOp } from './op_table.ts';
import { OperatorContext } from './operator_context.ts';
import { type TfliteProfile, tfliteProfiles } from './profiles.ts';
import { faultOf, spread } from './sparse.ts';

export interface ImportTfliteOptions {
  /** The path, for messages. */
  readonly file?: string;
  /** `xnnpack` by default. */
  readonly profile?: TfliteProfile;
  /** Other shapes for inputs, by name: LiteRT's resize_tensor_input. */
  readonly inputShapes?: Readonly<Record<string, Shape>>;
  /**
   * The treatment of variables, which one run leaves for the next: `refuse` by default; `inputs-and-outputs` makes an input `h` of
   * each, and an output `h.next` of its new value. The first run is fed `start` of `origin.state`.
   */
  readonly state?: StateOption;
}

/** Facts about a TensorFlow Lite file. */
export interface TfliteOrigin extends Origin {
  readonly kind: 'tflite';
  readonly model: TfliteModel;
}

/**
 * The graph of a model's first subgraph, at level `qnn`. Inputs and outputs keep their names, order and layout; constants are views
 * of `bytes`. An operator that is not understood becomes an `opaque` one, listed in the origin of the graph.
 *
 * @throws UnskewError U1002 … U1006 for a bad file, U2001 … U2007 for a graph that is not valid, U2008 for state that is
 * refused, U4002 for `inputShapes` that do not fit its inputs
 */
export function importTflite(bytes: Uint8Array, options: ImportTfliteOptions = {}): Graph {
  return new Importer(openTflite(bytes, options.file), options).run();
}

class Importer {
  readonly #model: TfliteModel;
  readonly #subgraph: TfliteSubgraph;
  readonly #profile: TfliteProfile;
  readonly #isAssumed: boolean;
  readonly #shapes: Readonly<Record<string, Shape>>;
  readonly #where: Location;
  readonly #names: readonly string[];
  readonly #scope: Scope;
  readonly #placed = new Map<number, Placed>();
  readonly #state: HeldState;
  readonly #unsupported: Unsupport[] = [];

  constructor(model: TfliteModel, { file, profile, inputShapes = {}, state }: ImportTfliteOptions) {
    this.#model = model;
    this.#subgraph = model.subgraphs[0];
    this.#profile = profile ?? tfliteProfiles[0];
    this.#isAssumed = profile === undefined;
    this.#shapes = inputShapes;
    this.#where = file === undefined ? {} : { file };
    this.#names = uniqueNames(this.#subgraph);
    this.#scope = new Scope(new Set(this.#names));
    this.#state = new HeldState(state, this.#scope);
  }

  run(): Graph {
    const { inputs, outputs, operators, tensors } = this.#subgraph;
    this.#importInputs(inputs);
    for (const [index, tensor] of tensors.entries()) if (tensor.data) this.#importConstant(index, tensor);
    for (const operator of operators) this.#importOperator(operator);
    const ids = [
      ...outputs.map((index, i) => this.#output(index, outputs.indexOf(index) === i)),
      ...this.#state.outputs((input) => this.#context(undefined, [], [], { ...this.#where, input })),
    ];
    this.#scope.prune(ids);
    const origin: TfliteOrigin = {
      kind: 'tflite',
      model: this.#model,
      state: this.#state.all,
      unsupported: this.#unsupported.filter(({ value }) => value in this.#scope.values),
      profile: this.#profile,
      notes: this.#isAssumed ? [profileNote(this.#profile, this.#where)] : [],
    };
    return { ...this.#scope.finish(this.#subgraph.name || 'main', ids, origin), profile: this.#profile };
  }

  // ---- inputs and constants

  #importInputs(inputs: readonly number[]): void {
    const known = inputs.map((index) => this.#names[index]);
    const unknown = Object.keys(this.#shapes).find((name) => !known.includes(name));
    if (unknown !== undefined) fail('U4002', `inputShapes: the model has no input '${unknown}'`, this.#where);
    for (const index of inputs) {
      const [name, tensor] = [this.#names[index], this.#subgraph.tensors[index]];
      if (this.#placed.has(index)) fail('U2002', `the input '${name}' is given twice`, this.#where);
      const dtype = dtypeOfTensor(tensor.type);
      const shape = this.#shapes[name] ?? tensor.shape;
      const loc = { ...this.#where, input: name };
      if (shape.length !== tensor.shape.length)
        fail('U4002', `inputShapes: '${name}' has rank ${tensor.shape.length}, not ${shape.length}`, loc);
      const type = dtype === undefined ? opaque : { dtype, shape };
      const value = this.#scope.define(name, { type }, loc);
      this.#scope.inputs.push(value.id);
      this.#place(index, value);
      if (dtype === undefined) this.#note(name, 'input', `the element type ${tensor.type}`);
    }
  }

  #importConstant(index: number, tensor: TfliteTensor): void {
    const { data = new Uint8Array(0), shape, sparsity, isVariable } = tensor;
    const packed = isPacked(tensor.type);
    const dtype = packed ? 's8' : dtypeOfTensor(tensor.type);
    if (dtype === undefined || isVariable || this.#placed.has(index)) return;
    const loc = { ...this.#where, input: this.#names[index] };
    if (sparsity && !packed) {
      const width = byteLengthOf(dtype, 1);
      const fault = faultOf(sparsity, shape, data.length / width);
      if (fault !== undefined) fail('U1004', `the sparse constant is not valid: ${fault}`, loc);
      const whole = this.#scope.pool.add(() => tensorOfBytes(dtype, shape, spread(data, width, sparsity, shape)));
      this.#place(index, this.#scope.define(this.#names[index], { type: { dtype, shape }, constant: whole }, loc));
      return;
    }
    const count = sizeOf(shape);
    const bytes = packed ? Math.ceil(count / 2) : byteLengthOf(dtype, count);
    if (bytes !== data.length)
      fail('U1004', `the constant has ${data.length} bytes; [${shape.join(', ')}] of ${tensor.type} has ${bytes}`, loc);
    const constant = this.#scope.pool.add(() =>
      packed ? { dtype: 's8', shape, data: unpacked(data, count) } : tensorOfBytes(dtype, shape, data),
    );
    this.#place(index, this.#scope.define(this.#names[index], { type: { dtype, shape }, constant }, loc));
  }

  #place(index: number, value: AnyValue): void {
    this.#placed.set(index, new Placed(this.#names[index], 'last', value));
  }

  // ---- operators

  #importOperator(operator: TfliteOperator): void {
    const { name, inputs, outputs } = operator;
    const loc: Loc = { ...this.#where, node: outputs.length > 0 ? this.#names[outputs[0]] : name, op: name };
    const twice = outputs.find((index, i) => this.#placed.has(index) || outputs.indexOf(index) < i);
    if (twice !== undefined) fail('U2002', `the value '${this.#names[twice]}' is defined twice`, loc);
    const operands = inputs.map((index) => (index < 0 ? undefined : this.#operand(index, loc)));
    // a variable that is written before it is read holds nothing for the next run
    if (this.#isStartOfState(operator)) return;
    const [changed] = this.#state.among(outputs);
    if (changed !== undefined) fail('U2008', `a result takes the place of the state '${this.#names[changed]}'`, loc);
    try {
      this.#understood(operator, operands, loc);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      this.#scope.drop();
      if (outputs.length > 0) this.#note(this.#names[outputs[0]], name, error.message);
      this.#opaque(operator, operands, loc);
    }
  }

  /** True for zeros that become a variable: the kernel dequantizes a constant in the first run alone. */
  #isStartOfState({ name, inputs, outputs }: TfliteOperator): boolean {
    const { tensors } = this.#subgraph;
    const data = tensors[inputs[0]]?.data;
    return (
      name === 'DEQUANTIZE' && tensors[outputs[0]]?.isVariable === true && data?.every((byte) => byte === 0) === true
    );
  }

  #operand(index: number, loc: Loc): Placed {
    const name = this.#names[index];
    if (this.#isEmpty(index)) this.#importConstant(index, this.#subgraph.tensors[index]);
    const here = { ...loc, input: name };
    return (
      this.#placed.get(index) ??
      this.#state.read(index, name, this.#subgraph.tensors[index], here) ??
      fail('U2001', `the value '${name}' is used and never defined`, here)
    );
  }

  /** True for a tensor without elements, or stored ones, that nothing defines: a constant, which needs no bytes. */
  #isEmpty(index: number): boolean {
    const { shape, isVariable, sparsity } = this.#subgraph.tensors[index];
    return !isVariable && !this.#placed.has(index) && (sizeOf(shape) === 0 || sparsity !== undefined);
  }

  /** Sparse constants are read by DENSIFY, and by layers of floats, whose sums are those of all elements. */
  #isRead({ name }: TfliteOperator, index: number, { dtype }: Placed): boolean {
    const isSparse = this.#subgraph.tensors[index].sparsity !== undefined;
    return !isSparse || name === 'DENSIFY' || (name === 'FULLY_CONNECTED' && dtype === 'f32');
  }

  /** @throws Unsupported */
  #understood(operator: TfliteOperator, operands: readonly (Placed | undefined)[], loc: Loc): void {
    const op = findTfliteOp(operator.name, operator.isCustom);
    if (op === undefined) throw new Unsupported(operator.isCustom ? 'a custom operator' : 'the operator is not known');
    if (operands.some((placed) => placed?.dtype === 'opaque'))
      throw new Unsupported('it reads a value that is carried');
    if (operands.some((placed, i) => placed && !this.#isRead(operator, operator.inputs[i], placed)))
      throw new Unsupported('it reads a sparse constant');
    const { inputs } = op;
    const most = inputs.at(-1)?.endsWith('...') ? Number.POSITIVE_INFINITY : inputs.length;
    const least = inputs.filter((input) => !/[?.]$/.test(input)).length;
    if (operands.length < least || operands.length > most)
      fail('U2004', `the operator takes ${least} to ${most} inputs, but has ${operands.length}`, loc);
    const ctx = this.#context(operator, inputs, operands, loc);
    const imported = op.import(ctx);
    this.#name(operator, ctx, 'value' in imported ? [imported] : imported);
  }

  /** Gives results and new state their names, results in the layout in which they were computed. */
  #name({ outputs }: TfliteOperator, ctx: OperatorContext, results: readonly Result[]): void {
    const names = new Map<ValueId, string>(ctx.made.map(({ value, name }) => [value.id, name]));
    const placed = outputs.map((index, i) => {
      const { value, layout } = results[i] ?? ctx.unsupported(`the output ${i} is not computed`);
      this.#checkType(index, i, { value, layout }, ctx);
      const isOwn = this.#scope.inJournal(value.id) && !names.has(value.id);
      if (isOwn) names.set(value.id, this.#nameFor(index, layout, value));
      const name = names.get(value.id);
      const renamed = name === undefined ? value : { id: valueId(name), type: value.type };
      return { index, value: new Placed(this.#names[index], layout, renamed) };
    });
    for (const [index, value] of ctx.newState) {
      if (this.#state.among([index]).length === 0)
        ctx.unsupported(`it changes '${this.#names[index]}', which this run writes first`);
      const isOwn = this.#scope.inJournal(value.id) && !names.has(value.id);
      const { id } = isOwn ? value : ctx.emit(nnIdentity, { x: value });
      names.set(id, this.#state.nameOfNext(index, ctx.at()));
    }
    this.#scope.commit(names);
    for (const [index, value] of ctx.newState) this.#state.change(index, value);
    for (const made of ctx.made)
      if (valueId(made.name) in this.#scope.values) made.placed.remember(made.value, made.name);
    for (const { index, value } of placed) this.#placed.set(index, value);
  }

  /** An output of the model has its name with channels last; any other tensor has it in the layout in which it was computed. */
  #nameFor(index: number, layout: Layout, { type }: Value): string {
    const name = this.#names[index];
    const isOther = layout === 'first' && type.shape.length >= LEAST_RANK && this.#subgraph.outputs.includes(index);
    return isOther ? this.#scope.free(`${name}:channels_first`) : name;
  }

  /** The file declares the types of results; a result of another one was not understood. */
  #checkType(index: number, output: number, { value, layout }: Result, ctx: OperatorContext): void {
    const { shape, signature } = this.#subgraph.tensors[index];
    const dtype = ctx.outputType(output);
    if (value.type.dtype !== dtype)
      ctx.unsupported(`the result is ${formatType(value.type)}, and ${dtype} is declared`);
    const computed = shapeWithChannelsLast(layout, value.type.shape);
    const isFixed = Object.keys(this.#shapes).length === 0 && !signature.includes(-1) && isStatic(computed);
    if (isFixed && (computed.length !== shape.length || computed.some((size, axis) => size !== shape[axis])))
      ctx.unsupported(`the result has the shape [${computed.join(', ')}], and [${shape.join(', ')}] is declared`);
  }

  /** Values with channels last, in a journal of their own. */
  #withChannelsLast(operator: TfliteOperator, placed: readonly (Placed | undefined)[], loc: Loc): (AnyValue | null)[] {
    const missing = placed.filter((p) => p && !p.known('last'));
    if (missing.length > 0) {
      const ctx = this.#context(operator, [], placed, loc);
      for (const p of missing) if (p) ctx.in('last', p);
      this.#name({ ...operator, outputs: [] }, ctx, []);
    }
    return placed.map((p) => p?.known('last') ?? null);
  }

  #opaque(operator: TfliteOperator, operands: readonly (Placed | undefined)[], loc: Loc): void {
    const values = this.#withChannelsLast(operator, operands, loc);
    const { inputs, outputs, name, isCustom } = operator;
    // an operator that is not understood may change whatever state it reads
    const state = this.#state.among(inputs);
    if (outputs.length + state.length === 0) return;
    const emitter: Emitter = this.#scope.begin();
    emitter.loc = loc;
    const types = [...outputs, ...state].map((index) => this.#declaredType(index));
    const attrs = { operator: `tflite.${isCustom ? 'custom.' : ''}${name}`, results: types.map(formatType) };
    const results = emitter.emitList(opaqueOp, values, attrs);
    const names = [
      ...outputs.map((index) => this.#names[index]),
      ...state.map((index) => this.#state.nameOfNext(index, loc)),
    ];
    this.#scope.commit(new Map(names.map((given, i) => [results[i].id, given])));
    for (const [i, index] of outputs.entries()) this.#place(index, { id: valueId(names[i]), type: types[i] });
    for (const index of state)
      this.#state.change(index, { id: valueId(this.#names[index]), type: this.#declaredType(index) });
  }

  #declaredType(index: number): TensorType<DType | 'opaque'> {
    const { type, shape } = this.#subgraph.tensors[index];
    const dtype = dtypeOfTensor(type);
    return dtype === undefined ? opaque : { dtype, shape };
  }

  // ---- outputs

  #output(index: number, isFirst: boolean): ValueId {
    const name = this.#names[index];
    const where = { ...this.#where, input: name };
    const placed =
      this.#placed.get(index) ??
      this.#state.read(index, name, this.#subgraph.tensors[index], where) ??
      fail('U2001', `the output '${name}' is never defined`, where);
    const known = placed.known('last');
    if (known && isFirst && (known.id === name || known.type.dtype === 'opaque')) return known.id;
    const ctx = this.#context(undefined, [], [placed], where);
    const value = ctx.in('last', placed);
    const own = this.#scope.inJournal(value.id) ? value : ctx.emit(nnIdentity, { x: value });
    const free = isFirst && !(name in this.#scope.values) ? name : this.#scope.free(`${name}:output`);
    this.#scope.commit(new Map([[own.id, free]]));
    return valueId(free);
  }

  #context(
    operator: TfliteOperator | undefined,
    inputs: readonly string[],
    operands: readonly (Placed | undefined)[],
    loc: Loc,
  ): OperatorContext {
    const { tensors } = this.#subgraph;
    return new OperatorContext(this.#scope, {
      model: this.#model,
      operator,
      inputs,
      tensors,
      operands,
      profile: this.#profile,
      loc,
    });
  }

  #note(value: string, operator: string, reason: string): void {
    this.#unsupported.push({ value, operator, reason });
  }
}

const opaque: TensorType<'opaque'> = { dtype: 'opaque', shape: [] };

/** Names of tensors; those of inputs and outputs stay as they are, others that are empty or given twice get a number. */
function uniqueNames({ tensors, inputs, outputs }: TfliteSubgraph): readonly string[] {
  const names: string[] = [];
  const taken = new Set<string>();
  const all = [...inputs, ...outputs, ...tensors.keys()];
  for (const index of all) {
    if (names[index] !== undefined) continue;
    const base = tensors[index].name === '' ? `tensor_${index}` : tensors[index].name;
    let name = base;
    for (let n = 1; taken.has(name); n++) name = `${base}.${n}`;
    taken.add(name);
    names[index] = name;
  }
  return names;
}

/** The note to users: a file does not say which kernels it is for. */
const profileNote = (profile: TfliteProfile, location: Location): Diagnostic => ({
  code: 'U4003',
  severity: 'note',
  message: `the file does not say whose arithmetic it follows; '${profile}' is taken: it is what LiteRT runs unless told otherwise`,
  location,
  hint: `another one of ${tfliteProfiles.join(', ')}: { profile } in the API, --profile NAME on the command line`,
});
