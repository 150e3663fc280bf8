/** What the importers of single operators build with, whatever the format: operators, constants, and ways to say no. */
import { assert, type Code, fail, type Location, UnskewError } from '../diagnostics/index.ts';
import type { Emitter } from '../ir/builder.ts';
import type { AnyOp, AttrValue, OperandSpecs, Value } from '../ir/define_op.ts';
import { type DType, dtypes, isFloat } from '../ir/dtype.ts';
import { evaluateNode } from '../ir/interpret.ts';
import { findOp } from '../ir/op_table.ts';
import { type ITensor, scalar, sizeOf } from '../ir/tensor.ts';
import { formatType, isStatic, type Loc, type Shape } from '../ir/types.ts';
import type { Scope } from './scope.ts';
import { Unsupported } from './unsupported.ts';

/** Results and operands up to this many elements are folded at import. */
const FOLD_RESULT = 65_536;
const FOLD_OPERAND = 4 * FOLD_RESULT;
/** Not folded: rewrites look for it at the weights. */
const KEPT = 'qnn.dequantize';

export class ImportEmitter {
  protected readonly scope: Scope;
  readonly #emitter: Emitter;
  protected readonly loc: Loc;

  /** Begins a new journal of the scope. */
  constructor(scope: Scope, loc: Loc) {
    this.scope = scope;
    this.#emitter = scope.begin();
    this.#emitter.loc = loc;
    this.loc = loc;
  }

  constantOf(value: Value | undefined): ITensor | undefined {
    const constant = value && this.scope.info(value.id)?.constant;
    return constant === undefined ? undefined : this.scope.pool.get(constant);
  }

  // ---- building

  /** Emits an operator with one result; one whose operands are small constants is computed at once. */
  emit(op: string, operands: readonly (Value | undefined)[], attrs: Readonly<Record<string, AttrValue>> = {}): Value {
    return this.emitAll(op, operands, attrs)[0];
  }

  /** The same for operators with several results. */
  emitAll(
    name: string,
    operands: readonly (Value | undefined)[],
    attrs: Readonly<Record<string, AttrValue>> = {},
  ): readonly Value[] {
    const op = findOp(name);
    assert(op, `there is no operator ${name}`);
    const halves = new Set(
      operands.flatMap((o) => (o && isHalf(o.type.dtype) && !takes(op, o.type.dtype) ? [o.type.dtype as DType] : [])),
    );
    if (halves.size > 0) {
      // 16-bit floats are computed in binary32 and rounded once, as ONNX Runtime does it on CPUs
      const wide = operands.map((o) => o && (halves.has(o.type.dtype as DType) ? this.cast(o, 'f32') : o));
      const [half] = halves;
      return this.emitAll(name, wide, attrs).map((y) => (y.type.dtype === 'f32' ? this.cast(y, half) : y));
    }
    const results = this.#located(() =>
      this.#emitter.emitList(
        op,
        operands.map((o) => o ?? null),
        attrs,
      ),
    );
    return name === KEPT ? results : this.#folded(operands, results);
  }

  constant(value: ITensor, name?: string): Value {
    return this.#emitter.constant(value, this.#emitter.fresh(name ?? 'const'));
  }

  /** A constant of one element; refused where the type does not have the value. */
  scalar(dtype: DType, value: number, name?: string): Value {
    if (isHalf(dtype)) return this.cast(this.constant(scalar('f32', value), name), dtype);
    const { min, max } = dtypes[dtype];
    if (!isFloat(dtype) && !(Number.isInteger(value) && value >= min && value <= max)) {
      this.unsupported(`${name ?? 'a constant'} ${value} as ${dtype}`);
    }
    return this.constant(scalar(dtype, value), name);
  }

  reshape(x: Value, shape: Shape): Value {
    const same = shape.length === x.type.shape.length && shape.every((dim, i) => dim === x.type.shape[i]);
    return same ? x : this.emit('nn.reshape', [x], { shape });
  }

  cast(x: Value, to: DType): Value {
    return x.type.dtype === to ? x : this.emit('nn.cast', [x], { to });
  }

  transpose(x: Value, perm: readonly number[]): Value {
    return perm.every((axis, i) => axis === i) ? x : this.emit('nn.transpose', [x], { perm });
  }

  // ---- saying no

  /** The model is valid and this is not understood: the node becomes an opaque operator. */
  unsupported(reason: string): never {
    throw new Unsupported(reason);
  }

  /** The model is wrong. */
  refuse(message: string, input?: string, code: Code = 'U2004'): never {
    fail(code, message, this.at(input));
  }

  at(input?: string): Location {
    return input === undefined ? this.loc : { ...this.loc, input };
  }

  /** An axis counted from the end or the start, as counted from the start. */
  axis(axis: number, rank: number, name = 'axis'): number {
    if (axis < -rank || axis >= Math.max(rank, 1)) {
      this.refuse(`${name} ${axis} is outside of a tensor of rank ${rank}`, undefined, 'U2005');
    }
    return axis < 0 ? axis + rank : axis;
  }

  /** The shape as numbers, where only that will do. */
  staticShape(value: Value, why: string): readonly number[] {
    const { shape } = value.type;
    return isStatic(shape) ? shape : this.unsupported(`${why} needs a known shape, not ${formatType(value.type)}`);
  }

  /** Element types that an operator of ours does not take are not understood; whatever else is wrong is the model's fault. */
  #located<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (error instanceof UnskewError && error.code === 'U2006') throw new Unsupported(error.diagnostics[0].message);
      throw error;
    }
  }

  /** The results of the operator emitted last, computed now when its operands are small constants. */
  #folded(operands: readonly (Value | undefined)[], results: readonly Value[]): readonly Value[] {
    const small = (values: readonly (Value | undefined)[], limit: number) =>
      values.every((v) => v === undefined || (isStatic(v.type.shape) && sizeOf(v.type.shape) <= limit));
    if (operands.length === 0 || !small(operands, FOLD_OPERAND) || !small(results, FOLD_RESULT)) return results;
    if (operands.some((o) => o !== undefined && this.scope.info(o.id)?.constant === undefined)) return results;
    const tensors = evaluateNode(
      this.scope.undo(),
      operands.map((o) => this.constantOf(o) ?? null),
    );
    return tensors.map((t, i) => this.#emitter.constant(t, results[i].id));
  }
}

const isHalf = (dtype: string): boolean => dtype === 'f16' || dtype === 'bf16';
const takes = (op: AnyOp, dtype: string): boolean =>
  Object.values(op.operands as OperandSpecs).some(({ dtypes }) => dtypes.includes(dtype as DType));
