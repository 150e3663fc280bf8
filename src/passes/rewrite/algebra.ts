/**
 * Smart constructors for rules: they drop `+ 0`, `· 0` and `· 1` and fold constants, so that a rule is its law, line by
 * line, and special cases need no branches.
 */
import {
  type AnyOp,
  type AttrValue,
  type ByteType,
  type DType,
  type Emitter,
  evaluateNode,
  type ITensor,
  isOfType,
  type Loc,
  nnAdd,
  nnCast,
  nnMatmul,
  nnMul,
  nnRecentre,
  nnReshape,
  nnSub,
  ofType,
  tensor,
  tensorOfType,
  type Value,
} from '../../ir/index.ts';
import type { GraphEditor } from './editor.ts';

type S32 = Value<'s32'>;

export class Algebra {
  readonly #editor: GraphEditor;
  readonly b: Emitter;
  readonly emit: Emitter['emit'];

  constructor(editor: GraphEditor, loc: Loc) {
    this.#editor = editor;
    this.b = editor.emitter;
    this.b.loc = loc;
    this.emit = this.b.emit.bind(this.b);
  }

  /** The tensor of a constant, undefined for anything else. */
  tensor = <D extends DType>(v: Value<D> | undefined): ITensor<D> | undefined => this.#editor.tensor(v);

  constant = <D extends DType>(t: ITensor<D>, name?: string): Value<D> =>
    this.b.constant(t, name && this.b.fresh(name));
  s32 = (values: ArrayLike<number>, shape: readonly number[], name?: string): S32 =>
    this.constant(tensor('s32', Int32Array.from(values), shape), name);

  add = (x: S32, y: S32): S32 =>
    this.#addsNothing(y, x) ? x : this.#addsNothing(x, y) ? y : this.#fold('s32', nnAdd, [x, y]);
  sub = (x: S32, y: S32): S32 => (this.#addsNothing(y, x) ? x : this.#fold('s32', nnSub, [x, y]));
  mul = (x: S32, y: S32): S32 =>
    this.#isAll(y, 1)
      ? x
      : this.#isAll(x, 1)
        ? y
        : this.#isAll(y, 0)
          ? y
          : this.#isAll(x, 0)
            ? x
            : this.#fold('s32', nnMul, [x, y]);

  matmul = (a: Value<ByteType>, b: Value<ByteType>): S32 => this.emit(nnMatmul, { a, b });
  toS32 = (x: Value<DType>): S32 => this.#fold('s32', nnCast, [x], { to: 's32' });
  /** u8 ↔ s8 by 128. */
  recentre = <D extends ByteType>(x: Value<ByteType>, to: D): Value<D> =>
    isOfType(x, to) ? x : this.#fold(to, nnRecentre, [x], { to });
  reshape = <D extends DType>(x: Value<D>, shape: Value['type']['shape']): Value<D> =>
    this.#fold(x.type.dtype, nnReshape, [x], { shape });

  /** Emits the operator, whose result is of type `dtype`, or its value when all operands are constant. */
  #fold<D extends DType>(
    dtype: D,
    op: AnyOp,
    operands: readonly Value[],
    attrs: Readonly<Record<string, AttrValue>> = {},
  ): Value<D> {
    const tensors = operands.map((v) => this.#editor.constant(v.id));
    if (tensors.every((t) => t !== undefined)) {
      return this.constant(tensorOfType(evaluateNode({ op: op.name, attrs, loc: this.b.loc }, tensors)[0], dtype));
    }
    return ofType(this.b.emitList(op, operands, attrs)[0], dtype);
  }

  /** Zeros that do not broadcast `to` either. */
  #addsNothing(zero: Value, to: Value): boolean {
    if (!this.#isAll(zero, 0)) return false;
    const from = to.type.shape.length - zero.type.shape.length;
    return from >= 0 && zero.type.shape.every((dim, i) => dim === 1 || dim === to.type.shape[from + i]);
  }

  #isAll(v: Value, value: number): boolean {
    const data = this.#editor.constant(v.id)?.data;
    if (data === undefined || (data.length === 0 && value !== 0)) return false;
    for (let i = 0; i < data.length; i++) if (!Object.is(data[i], value)) return false;
    return true;
  }
}
