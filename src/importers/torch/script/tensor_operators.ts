/** Operators on tensors, as the interpreter meets them, into nodes of a graph. */

import { fail, type Location, UnskewError } from '../../../diagnostics/index.ts';
import { type ScalarType, scalarTypes, TorchTensor } from '../../../formats/torch/index.ts';
import { type AnyValue, type Loc, opaqueOp, type Unsupport, type Value } from '../../../ir/index.ts';
import { Unsupported } from '../../kit/unsupported.ts';
import { builderOf } from '../aten/scatter.ts';
import { adviceOn, doesMore, writesSilently } from '../memory/mutating.ts';
import type { Builder } from '../memory/region.ts';
import { isViewName } from '../memory/views.ts';
import { findTorchOps } from '../op_table.ts';
import { Arguments } from '../operators/arguments.ts';
import { ProfileEvidence } from '../operators/assumed_profile.ts';
import { canHold } from '../operators/category.ts';
import { TorchContext } from '../operators/context.ts';
import { readsGraph, type TorchOp } from '../operators/define_torch_op.ts';
import type { TorchProfile } from '../operators/engine.ts';
import { bind, isBound } from '../operators/schema.ts';
import {
  type AnyTensor,
  describe,
  GraphTensor,
  isTensor,
  isUnderstood,
  type TorchValue,
  UnknownTensor,
} from '../values.ts';
import type { GraphSink, Mark } from './graph_sink.ts';
import { isHarmless, isUniform, type Writer, writerOf } from './in_place.ts';
import { type Handle, isHandle, Memory } from './memory.ts';
import type { OperatorCall, Operators } from './objects.ts';

export class TensorOperators implements Operators {
  readonly unsupported: Unsupport[] = [];
  /** Calls of operators that may do more than compute their results. */
  readonly foreign: { readonly operator: string; readonly where: Location }[] = [];
  readonly memory = new Memory((x, where) => this.#context('stored', 'stored', where).graph(x));
  readonly #sink: GraphSink;
  readonly #profile: TorchProfile;
  readonly #evidence: ProfileEvidence;
  readonly #file: Location;
  readonly #constants: Map<TorchTensor, Value>;

  constructor(
    sink: GraphSink,
    {
      profile,
      evidence = new ProfileEvidence(),
    }: { readonly profile: TorchProfile; readonly evidence?: ProfileEvidence },
    file: Location,
    constants: Map<TorchTensor, Value>,
  ) {
    this.#sink = sink;
    this.#profile = profile;
    this.#evidence = evidence;
    this.#file = file;
    this.#constants = constants;
  }

  has(name: string): boolean {
    return findTorchOps(name).length > 0;
  }

  /** The current tensor, after all writes; other values are returned unchanged. */
  current(value: TorchValue, where: Location): TorchValue {
    return isHandle(value) ? this.#current(value, where) : value;
  }

  #current(x: Handle, where: Location): Handle {
    return this.memory.current(x, this.#builder('view', 'view', where), where);
  }

  apply(call: OperatorCall): TorchValue {
    const writer = writerOf(call);
    if (writer) return this.#write(call, writer);
    const now = this.#now(call);
    return this.memory.place(call, now, this.#compute(now));
  }

  /** The value of an output tensor. */
  valueOf(x: AnyTensor, where: Location): AnyValue {
    const ctx = this.#context('output', 'output', where);
    return ctx.graph<AnyValue>(isHandle(x) ? this.#current(x, where) : x).value;
  }

  // ---- reading

  #now(call: OperatorCall): OperatorCall {
    const b = this.#builder(call.name, baseOf(call), call.where);
    const now = (value: TorchValue): TorchValue => this.memory.currentDeep(value, b, call.where);
    return {
      ...call,
      args: call.args.map(now),
      keywords: new Map([...call.keywords].map(([name, value]) => [name, now(value)])),
    };
  }

  #compute(call: OperatorCall): TorchValue {
    const { name, args, keywords, where } = call;
    const all = [...args, ...keywords.values()];
    const base = baseOf(call);
    if (all.some(isOpaque)) return this.#opaque(call, base);
    const overloads = findTorchOps(name);
    for (const op of overloads) {
      const bound = bind(op, args, keywords);
      if (isBound(bound)) return this.#import(op, new Arguments(bound), call, base);
    }
    // an input of unknown sizes fits no schema: they have to be known
    for (const value of all) if (value instanceof UnknownTensor) this.valueOf(value, where);
    const given = all.map(describe).join(', ').slice(0, 500);
    if (overloads.length === 0 && all.some(readsGraph)) return this.#unknown(call, base, 'the operator is not known');
    return overloads.length === 0
      ? fail('U2008', `the operator ${name} is not supported`, where)
      : fail('U2008', `the operator ${name} is not supported for these arguments: ${given}`, where);
  }

  #import(op: TorchOp, args: Arguments, call: OperatorCall, base: string): TorchValue {
    const [first] = call.args;
    if (op.keepsShape && first instanceof UnknownTensor) return first;
    const mark = this.#sink.mark();
    const ctx = this.#context(call.name, base, call.where, op.folds);
    try {
      return this.#named(op.import(ctx, args), base, mark);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      this.#sink.rollback(mark);
      this.#forget();
      return this.#unknown(call, base, error.message);
    }
  }

  // ---- writing

  /**
   * `op_(x, …)`: writes the result of `op(x, …)` to the memory of x. An unknown operator that writes cannot be carried.
   */
  #write(call: OperatorCall, { target, call: twin }: Writer): TorchValue {
    const { name, where } = call;
    const refuse = (why: string): never =>
      fail('U2008', `the operator ${name} writes in place, and ${why}`, where, 'write it without an operator in place');
    if (isHarmless(name)) return target;
    const b = this.#builder(name, baseOf(call), where);
    const to = this.memory.current(target, b, where, false);
    // a stored number is a tensor here, since its memory is meant
    const stored = to instanceof TorchTensor ? this.#context(name, baseOf(call), where).graph(to) : to;
    const others = this.#now({ ...twin, args: twin.args.map((arg) => (arg === target ? null : arg)) });
    const now = { ...others, args: others.args.map((arg, i) => (twin.args[i] === target ? stored : arg)) };
    if (!isTensor(to)) return refuse(`${describe(to)} is not a tensor`);
    if ([to, ...now.args, ...now.keywords.values()].some(isOpaque)) refuse('an operand is not understood');
    if (findTorchOps(twin.name).length === 0) refuse('its meaning is not known');
    const before = this.unsupported.length;
    const result = this.#compute(now);
    if (this.unsupported.length > before) refuse(`is not supported here: ${this.unsupported[before].reason}`);
    if (!isHandle(target) || !isHandle(to))
      return result instanceof UnknownTensor ? target : refuse(`${describe(target)} is unknown`);
    if (!isUnderstood(result)) return refuse('its result is not a tensor');
    const part = this.#context(name, baseOf(call), where).graph(result);
    if (isViewName(twin.name) && this.memory.turn(target, now, part)) return target;
    this.#put(target, to, twin, part, name, refuse);
    return target;
  }

  #put(
    target: Handle,
    to: Handle,
    twin: OperatorCall,
    part: GraphTensor,
    by: string,
    refuse: (why: string) => never,
  ): void {
    const { name, where } = twin;
    if (String(part.shape) !== String(to.shape))
      fail('U2005', `${by} writes [${part.shape.join(', ')}] to a tensor of [${to.shape.join(', ')}]`, where);
    const isSame = part.type === to.type;
    if (!isSame && !holds(to.type, part.type)) refuse(`a tensor of ${to.type.name} cannot hold its ${part.type.name}`);
    const ctx = this.#context(name, baseOf(twin), where);
    try {
      const fitting = isSame ? part : new GraphTensor(ctx.cast(part.value, to.type.dtype), to.type);
      this.memory.write(target, twin, fitting, builderOf(ctx), { name: by, isUniform: isUniform(name) });
    } catch (error) {
      if (error instanceof Unsupported) refuse(error.message);
      throw error;
    }
  }

  #builder(op: string, name: string, where: Location): Builder {
    return builderOf(this.#context(op, name, where));
  }

  #context(op: string, name: string, where: Location, folds = false): TorchContext {
    const loc: Loc = { ...this.#file, node: name, op };
    return new TorchContext(this.#sink, {
      profile: this.#profile,
      evidence: this.#evidence,
      formatOf: (x) => this.memory.formatOf(x),
      name,
      loc,
      where: { ...where, op },
      constants: this.#constants,
      folds,
    });
  }

  /** Forgets constants that a rollback has removed from the graph. */
  #forget(): void {
    for (const [tensor, value] of this.#constants) if (!this.#sink.has(value.id)) this.#constants.delete(tensor);
  }

  /** Results get the name of the module or of the variable. */
  #named(result: TorchValue, base: string, mark: Mark): TorchValue {
    if (Array.isArray(result)) return result.map((item) => this.#named(item, base, mark));
    if (!(result instanceof GraphTensor)) return result;
    const { type, quantization, channelsLast } = result;
    return new GraphTensor(this.#sink.rename(result.value, base, mark), type, { quantization, channelsLast });
  }

  #unknown(call: OperatorCall, base: string, reason: string): TorchValue {
    const [library, name] = call.name.split('::');
    if (writesSilently(library, name))
      fail(
        'U2008',
        `the operator ${call.name} writes to an operand, and it is not supported: ${reason}`,
        call.where,
        adviceOn(name),
      );
    const result = this.#opaque(call, base);
    if (result instanceof GraphTensor) this.unsupported.push({ value: result.value.id, operator: call.name, reason });
    return result;
  }

  #opaque({ name, args, keywords, where }: OperatorCall, base: string): TorchValue {
    const ctx = this.#context(name, base, where);
    const tensors = [...args, ...keywords.values()].flatMap(tensorsOf).map((x) => ctx.graph<AnyValue>(x).value);
    const mark = this.#sink.mark();
    const { emitter } = this.#sink;
    emitter.loc = { ...this.#file, node: base, op: name };
    try {
      const [value] = emitter.emitList(opaqueOp, tensors, { operator: name, results: ['opaque[]'] });
      if (doesMore(name.split('::')[0])) this.foreign.push({ operator: name, where });
      return new GraphTensor(this.#sink.rename(value, base, mark), scalarTypes.float32, { operator: name });
    } catch (error) {
      if (error instanceof UnskewError) return fail('U2008', `the operator ${name} is not supported`, where);
      throw error;
    }
  }
}

const baseOf = ({ module, variable, name }: OperatorCall): string => module || variable || name.replace(/^\w+::/, '');

/** True for tensors that are not quantized whose elements PyTorch converts in place. */
const holds = (to: ScalarType, from: ScalarType): boolean =>
  !to.isQuantized && !from.isQuantized && canHold(to.dtype, from.dtype);

const isOpaque = (value: TorchValue): boolean =>
  (isTensor(value) && !isUnderstood(value)) || (Array.isArray(value) && value.some(isOpaque));

const tensorsOf = (value: TorchValue): AnyTensor[] =>
  Array.isArray(value) ? value.flatMap(tensorsOf) : isTensor(value) ? [value] : [];
