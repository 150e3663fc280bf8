/** Operators on tensors, as the interpreter meets them, into nodes of a graph. */
import { fail, type Location, UnskewError } from '../../../diagnostics/index.ts';
import type { Value } from '../../../ir/define_op.ts';
import type { Unsupport } from '../../../ir/graph.ts';
import { opaqueOp } from '../../../ir/ops/opaque.op.ts';
import type { Loc } from '../../../ir/types.ts';
import type { GraphSink, Mark } from '../graph_sink.ts';
import { Arguments } from '../ops/arguments.ts';
import { TorchContext, type TorchProfile } from '../ops/context.ts';
import { bind, readsGraph, type TorchOp, Unsupported } from '../ops/define_torch_op.ts';
import { findTorchOps } from '../ops/op_table.ts';
import { scalarTypes, type TorchTensor } from '../pickle/index.ts';
import { describe, GraphTensor, isTensor, type TensorLike, type TorchValue, UnknownTensor } from '../values.ts';
import type { OperatorCall, Operators } from './objects.ts';

export class TensorOperators implements Operators {
  readonly unsupported: Unsupport[] = [];
  readonly #sink: GraphSink;
  readonly #profile: TorchProfile;
  readonly #file: Location;
  readonly #constants: Map<TorchTensor, Value>;

  constructor(sink: GraphSink, profile: TorchProfile, file: Location, constants: Map<TorchTensor, Value>) {
    this.#sink = sink;
    this.#profile = profile;
    this.#file = file;
    this.#constants = constants;
  }

  has(name: string): boolean {
    return findTorchOps(name).length > 0;
  }

  apply(call: OperatorCall): TorchValue {
    const { name, args, keywords, where } = call;
    const all = [...args, ...keywords.values()];
    const base = call.module || call.variable || name.replace(/^\w+::/, '');
    if (all.some(isOpaque)) return this.#opaque(call, base);
    const overloads = findTorchOps(name);
    for (const op of overloads) {
      const bound = bind(op, args, keywords);
      if (bound) return this.#import(op, new Arguments(bound), call, base);
    }
    // sizes of an input that is not known fit no schema: it has to be known
    for (const value of all) if (value instanceof UnknownTensor) this.valueOf(value, where);
    const given = all.map(describe).join(', ').slice(0, 500);
    if (overloads.length === 0 && all.some(readsGraph)) return this.#unknown(call, base, 'the operator is not known');
    return overloads.length === 0
      ? fail('U2008', `the operator ${name} is not supported`, where)
      : fail('U2008', `the operator ${name} is not supported for these arguments: ${given}`, where);
  }

  /** The value of a tensor that is an output. */
  valueOf(x: TensorLike, where: Location): Value {
    return this.#context('output', 'output', where).graph(x).value;
  }

  #import(op: TorchOp, args: Arguments, call: OperatorCall, base: string): TorchValue {
    const [first] = call.args;
    if (op.keepsShape && first instanceof UnknownTensor) return first;
    const mark = this.#sink.mark();
    const ctx = this.#context(call.name, base, call.where);
    try {
      return this.#named(op.import(ctx, args), base, mark);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      this.#sink.rollback(mark);
      this.#forget();
      return this.#unknown(call, base, error.message);
    }
  }

  #context(op: string, name: string, where: Location): TorchContext {
    const loc: Loc = { ...this.#file, node: name, op };
    return new TorchContext(this.#sink, {
      profile: this.#profile,
      name,
      loc,
      where: { ...where, op },
      constants: this.#constants,
    });
  }

  /** Constants that went with a rollback are no longer in the graph. */
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
    const result = this.#opaque(call, base);
    if (result instanceof GraphTensor) this.unsupported.push({ value: result.value.id, operator: call.name, reason });
    return result;
  }

  #opaque({ name, args, keywords, where }: OperatorCall, base: string): TorchValue {
    const ctx = this.#context(name, base, where);
    const tensors = [...args, ...keywords.values()].flatMap(tensorsOf).map((x) => ctx.graph(x).value);
    const mark = this.#sink.mark();
    const { emitter } = this.#sink;
    emitter.loc = { ...this.#file, node: base, op: name };
    try {
      const [value] = emitter.emitList(opaqueOp, tensors, { operator: name, results: ['opaque[]'] });
      return new GraphTensor(this.#sink.rename(value, base, mark), scalarTypes.float32, { operator: name });
    } catch (error) {
      if (error instanceof UnskewError) return fail('U2008', `the operator ${name} is not supported`, where);
      throw error;
    }
  }
}

const isOpaque = (value: TorchValue): boolean =>
  (value instanceof GraphTensor && value.isOpaque) || (Array.isArray(value) && value.some(isOpaque));

const tensorsOf = (value: TorchValue): TensorLike[] =>
  Array.isArray(value) ? value.flatMap(tensorsOf) : isTensor(value) ? [value] : [];
