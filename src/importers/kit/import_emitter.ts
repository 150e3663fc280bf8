/** The emitter for importers of single operators, whatever the format: operators, constants, and refusals. */

import { type Code, fail, type Location, UnskewError } from '../../diagnostics/index.ts';
import {
  type AnyOp,
  type AnyValue,
  type ConstantPool,
  type Elements,
  type Emitter,
  elementsAfter,
  elementsDecided,
  evaluateNode,
  type GivenAttrs,
  isComputable,
  isFollowed,
  isOfNumbers,
  isOp,
  isStatic,
  type KnownElements,
  type Loc,
  type Node,
  nnCast,
  nnReshape,
  nnShape,
  nnTranspose,
  numbersAfter,
  type OperandSpec,
  opOf,
  qnnBlockDequantize,
  qnnDequantize,
  roundedQuotient,
  type Shape,
  type TensorType,
  type Value,
  type ValueId,
  type ValueInfo,
} from '../../ir/index.ts';
import {
  byteTypeOf,
  type DType,
  dtypes,
  type ITensor,
  isFloat,
  isHalf,
  isPackedType,
  isStoredType,
  type StoredType,
  scalar,
  sizeOf,
  tensor,
} from '../../tensors/index.ts';
import type { Wide } from './scope.ts';
import { TypedEmitter } from './typed_emitter.ts';
import { Unsupported } from './unsupported.ts';

/** Results and operands up to this many elements are folded at import. */
const FOLD_RESULT = 65_536;
const FOLD_OPERAND = 4 * FOLD_RESULT;
/** Not folded: rewrites look for them at the weights. */
const isKept = (op: AnyOp): boolean => op === qnnDequantize || op === qnnBlockDequantize;

/** The graph that receives operators: a journal of a `Scope`, or TorchScript's. */
export interface Journal {
  readonly pool: ConstantPool;
  /** An emitter into a new journal. */
  begin(): Emitter;
  info(id: ValueId): ValueInfo | undefined;
  /** The node emitted last. */
  readonly latest: Node;
  /** Takes it back and returns it. */
  undo(): Node;
  /** The known elements of a value that is not a constant. */
  elementsOf(id: ValueId): Elements | undefined;
  know(id: ValueId, elements: Elements): void;
  /** The node whose first result a value is. */
  makerOf?(id: ValueId): Node | undefined;
  /** The unrounded values of a 16-bit float, when they matter. */
  wideOf?(id: ValueId): Wide | undefined;
  knowWide?(id: ValueId, wide: Wide): void;
}

/** The faulty input of an operator, and a hint. */
interface Blame {
  readonly input?: string | undefined;
  readonly hint?: string | undefined;
}

export class ImportEmitter<J extends Journal = Journal> extends TypedEmitter {
  protected readonly scope: J;
  readonly #emitter: Emitter;
  /** Kept with the nodes, and named in messages. */
  protected readonly loc: Loc;
  /** Operators on small constants are computed at once. */
  protected readonly folds: boolean = true;

  /** Begins a new journal of the scope. */
  constructor(scope: J, loc: Loc) {
    super();
    this.scope = scope;
    this.#emitter = scope.begin();
    this.loc = loc;
  }

  constantOf(value: Pick<Value, 'id'> | undefined): ITensor | undefined {
    const constant = value && this.scope.info(value.id)?.constant;
    return constant === undefined ? undefined : this.scope.pool.get(constant);
  }

  /** The elements of a small tensor: numbers, or expressions in the sizes of the inputs. */
  elementsOf(value: Value): Elements | undefined {
    const known = this.scope.elementsOf(value.id);
    if (known !== undefined || !isFollowed(value.type)) return known;
    const constant = this.constantOf(value);
    return constant && Array.from<number | bigint, number>(constant.data, clamp);
  }

  // ---- building

  /** A node of another graph, on operands here. */
  emitOf(node: Node, operands: readonly (Value | null)[]): readonly Value[] {
    this.#emitter.loc = node.loc;
    return this.#emitted(opOf(node), operands, node.attrs);
  }

  /** An operator whose operands are small constants is computed at once. */
  emitList(op: AnyOp, operands: readonly (Value | null)[], attrs: GivenAttrs): readonly Value[] {
    const halves = new Set(
      operands.flatMap((o) => (o && isHalf(o.type.dtype) && !takes(op, o.type.dtype) ? [o.type.dtype] : [])),
    );
    if (operands.some((o) => o && isStoredType(o.type.dtype) && !takes(op, o.type.dtype)))
      return this.#onWider(op, operands, attrs);
    if (halves.size > 0) {
      // 16-bit floats are computed in binary32 and rounded once
      const wides = this.staysWide(operands);
      const widened = (o: Value) => this.wideOf(o, wides) ?? this.cast(o, 'f32');
      const wide = operands.map((o) => o && (halves.has(o.type.dtype) ? widened(o) : o));
      const by = isKept(op) ? 'dequantize' : 'operator';
      const [half] = halves;
      return this.emitList(op, wide, attrs).map((y) => {
        if (y.type.dtype !== 'f32') return y;
        const narrow = this.cast(y, half);
        if (wides.length > 0) this.knowWide(narrow, { by, operands: [y] });
        return narrow;
      });
    }
    this.#emitter.loc = this.loc;
    return this.#emitted(op, operands, attrs);
  }

  #emitted(op: AnyOp, operands: readonly (Value | null)[], attrs: GivenAttrs): readonly Value[] {
    const names = this.namesOf(op);
    const results = this.#located(() => this.#emitter.emitList(op, operands, attrs, names && { names }));
    if (!this.folds) return results;
    if (isKept(op)) {
      const elements = op === qnnDequantize ? this.#numbersAfter(operands, results[0]) : undefined;
      if (elements) this.scope.know(results[0].id, elements);
      return results;
    }
    this.#rememberMove(op, operands, attrs, results);
    const folded = this.#folded(operands, results);
    return folded === results && results.length === 1 ? [this.#followed(operands, results[0])] : folded;
  }

  /** An operator that takes no packed integers, or floats of 8 bits, on bytes or binary32; what it moves is stored again as it was. */
  #onWider(op: AnyOp, operands: readonly (Value | null)[], attrs: GivenAttrs): readonly Value[] {
    const types = new Set(operands.flatMap((o) => (o && isStoredType(o.type.dtype) ? [o.type.dtype] : [])));
    const wide = operands.map((o) => o && (isStoredType(o.type.dtype) ? this.cast(o, widerTypeOf(o.type.dtype)) : o));
    return this.emitList(op, wide, attrs).map((y) => {
      const type = [...types].find((stored) => widerTypeOf(stored) === y.type.dtype);
      return type && op.traits.includes('movement') ? this.emit(nnCast, { x: y }, { to: type, saturate: false }) : y;
    });
  }

  /**
   * The causes of rounding that the node undoes by reading unrounded 16-bit floats; its results stay unrounded too.
   * Empty: it rounds.
   */
  protected staysWide(_operands: readonly (Value | null)[]): readonly Wide['by'][] {
    return [];
  }

  protected knowWide(y: Value, wide: Wide): void {
    if (y.type.dtype === 'f16' && !this.constantOf(y)) this.scope.knowWide?.(y.id, wide);
  }

  /** The value that `x` was rounded from, when one of `by` rounded it. */
  protected wideOf(x: Value, by: readonly Wide['by'][]): Value | undefined {
    const wide = this.scope.wideOf?.(x.id);
    if (wide === undefined || !by.includes(wide.by)) return undefined;
    if (wide.moved === undefined) return wide.operands[0];
    const { op, attrs, wides } = wide.moved;
    const whole = wide.operands.map((o) =>
      o.type.dtype === 'f16' ? (this.wideOf(o, wides) ?? this.cast(o, 'f32')) : o,
    );
    return this.emitList(op, whole, attrs)[0];
  }

  /** An operator that moves rounded elements: it may as well move the unrounded ones. */
  #rememberMove(
    op: AnyOp,
    operands: readonly (Value | null)[],
    attrs: GivenAttrs,
    [y, ...more]: readonly Value[],
  ): void {
    if (more.length > 0 || y.type.dtype !== 'f16' || op === nnCast) return;
    const given = operands.filter((o) => o !== null);
    const wides = this.staysWide(given);
    if (given.length < operands.length || !given.some((o) => wides.some((by) => by === this.scope.wideOf?.(o.id)?.by)))
      return;
    this.knowWide(y, { by: 'operator', operands: given, moved: { op, attrs, wides } });
  }

  /** Names of the results, when an importer has better ones than the operator's. */
  protected namesOf(_op: AnyOp): readonly string[] | undefined {
    return undefined;
  }

  /** A name that nothing has, like the given one. */
  protected fresh(base: string): string {
    return this.#emitter.fresh(base);
  }

  constant<D extends DType>(value: ITensor<D>, name = 'const'): Value<D> {
    return this.#emitter.constant(value, this.fresh(name));
  }

  /** A constant that is made when its elements are first read. */
  lazy<D extends DType>(type: TensorType<D>, load: () => ITensor<D>, name = 'const'): Value<D> {
    return this.#emitter.lazy(type, load, this.fresh(name));
  }

  /** A constant of one element; refused where the type does not have the value. */
  scalar(dtype: DType, value: number, name?: string): Value {
    if (isHalf(dtype) || isStoredType(dtype)) return this.cast(this.constant(scalar('f32', value), name), dtype);
    const { min, max } = dtypes[dtype];
    if (!isFloat(dtype) && !(Number.isInteger(value) && value >= min && value <= max)) {
      this.unsupported(`the number ${value} as ${dtype}`);
    }
    return this.constant(scalar(dtype, value), name);
  }

  reshape(x: Value, shape: Shape): Value {
    const same = shape.length === x.type.shape.length && shape.every((dim, i) => dim === x.type.shape[i]);
    return same ? x : this.emit(nnReshape, { x }, { shape });
  }

  cast(x: Value, to: DType): Value {
    return x.type.dtype === to ? x : this.emit(nnCast, { x }, { to });
  }

  transpose(x: Value, perm: readonly number[]): Value {
    return perm.every((axis, i) => axis === i) ? x : this.emit(nnTranspose, { x }, { perm });
  }

  // ---- saying no

  /** The model is valid and this is not understood: the node becomes an opaque operator. */
  unsupported(reason: string): never {
    throw new Unsupported(reason);
  }

  /** The model is wrong. */
  refuse(message: string, code: Code = 'U2004', { input, hint }: Blame = {}): never {
    return fail(code, message, this.at(input), hint);
  }

  at(input?: string): Location {
    return input === undefined ? this.loc : { ...this.loc, input };
  }

  /** An axis counted from the end or the start, as counted from the start. */
  axis(axis: number, rank: number, name = 'axis'): number {
    if (axis < -rank || axis >= Math.max(rank, 1)) {
      this.refuse(`${name} ${axis} is outside of a tensor of rank ${rank}`, 'U2005');
    }
    return axis < 0 ? axis + rank : axis;
  }

  /** The shape as numbers, where only that will do. */
  staticShape(shape: Shape, why: string): readonly number[] {
    return isStatic(shape) ? shape : this.unsupported(`${why} needs known sizes, not [${shape.join(', ')}]`);
  }

  /** Element types that an operator of ours does not take, and limits that it has, are not the model's fault; all else is. */
  #located<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (error instanceof UnskewError && (error.code === 'U2006' || error.code === 'U2008'))
        throw new Unsupported(error.diagnostics[0].message);
      throw error;
    }
  }

  /** The results of the operator emitted last, computed now when its operands are small constants. */
  #folded(operands: readonly (Value | null)[], results: readonly Value[]): readonly Value[] {
    const small = (values: readonly (Value | null)[], limit: number) =>
      values.every((v) => v === null || (isStatic(v.type.shape) && sizeOf(v.type.shape) <= limit));
    if (operands.length === 0 || !small(operands, FOLD_OPERAND) || !small(results, FOLD_RESULT)) return results;
    if (operands.some((o) => o !== null && this.scope.info(o.id)?.constant === undefined)) return results;
    const tensors = evaluateNode(
      this.scope.undo(),
      operands.map((o) => this.constantOf(o ?? undefined) ?? null),
    );
    return tensors.map((t, i) => this.#emitter.constant(t, results[i].id));
  }

  /** Follows the elements of the operator emitted last; integers that are all numbers become a constant. */
  #followed(operands: readonly (Value | null)[], result: Value): Value {
    const elements = this.#elementsAfter(operands, result);
    if (elements === undefined) return result;
    const { dtype, shape } = result.type;
    if (isFloat(dtype) || !isStatic(elements) || !isStatic(shape)) {
      this.scope.know(result.id, elements);
      return result;
    }
    this.scope.undo();
    const known = tensor(dtype, elements, shape);
    return this.#emitter.constant(known, result.id);
  }

  #elementsAfter(operands: readonly (Value | null)[], { type }: Value): Elements | undefined {
    const node = this.scope.latest;
    if (isOp(node, nnShape)) return operands[0]?.type.shape;
    const numbers = this.#numbersAfter(operands, { type });
    if (numbers !== undefined || !isFollowed(type)) return numbers;
    const known = this.#known(operands);
    if (known) return elementsAfter(node, known, type);
    for (const operand of operands) {
      const [one] = this.#known([operand]) ?? [];
      const decided = one && elementsDecided(node, one, type);
      if (decided) return decided;
    }
    const [x] = operands;
    const quotient = x ? this.scope.makerOf?.(x.id) : undefined;
    const parts = this.#known(quotient?.operands.map((id) => this.#valueOf(id)) ?? []);
    return (
      quotient &&
      parts &&
      roundedQuotient(
        node,
        quotient,
        parts.filter((part) => part !== null),
        type,
      )
    );
  }

  #numbersAfter(operands: readonly (Value | null)[], { type }: Pick<Value, 'type'>): Elements | undefined {
    const types = operands.map((operand) => operand?.type ?? null);
    if (!isOfNumbers(this.scope.latest, types, type)) return undefined;
    const tensors = operands.map((operand) => operand && this.#tensorOf(operand));
    return tensors.every((x) => x !== undefined) ? numbersAfter(this.scope.latest, tensors) : undefined;
  }

  /** A constant, or a small value whose elements are all numbers. */
  #tensorOf(value: Value): ITensor | undefined {
    const elements = this.scope.elementsOf(value.id);
    const { dtype, shape } = value.type;
    return elements && isStatic(elements) && isStatic(shape) && isFloat(dtype)
      ? tensor(dtype, elements, shape)
      : this.constantOf(value);
  }

  /** Undefined where the elements of one are not known. */
  #known(operands: readonly (Value | null)[]): readonly (KnownElements | null)[] | undefined {
    const known: (KnownElements | null)[] = [];
    for (const operand of operands) {
      const elements = operand && this.elementsOf(operand);
      if (operand === null || elements === null) {
        known.push(null);
        continue;
      }
      const { dtype, shape } = operand.type;
      if (elements === undefined || !isStatic(shape)) return undefined;
      known.push({ dtype, shape, elements });
    }
    return known;
  }

  #valueOf(id: ValueId | null): Value | null {
    const type = id ? this.scope.info(id)?.type : undefined;
    const value: AnyValue | null = id && type ? { id, type } : null;
    return value && isComputable(value) ? value : null;
  }
}

/** Ends of slices are often the largest int64: clamped to the integers of binary64, which no dimension reaches. */
const clamp = (value: number | bigint): number =>
  typeof value === 'number'
    ? value
    : Number(BigInt.asIntN(64, value < -LARGE ? -LARGE : value > LARGE ? LARGE : value));
const LARGE = BigInt(Number.MAX_SAFE_INTEGER);

/** A type that has all numbers of a stored one, and that operators compute with. */
const widerTypeOf = (type: StoredType): DType => (isPackedType(type) ? byteTypeOf(type) : 'f32');

const takes = (op: AnyOp, dtype: DType): boolean =>
  Object.values<OperandSpec>(op.operands).some(({ dtypes }) => dtypes.includes(dtype));
