/** Functions of two tensors, element by element. */

import type { Value } from '../../../../ir/define_op.ts';
import { isFloat } from '../../../../ir/dtype.ts';
import {
  nnAdd,
  nnAnd,
  nnDiv,
  nnEqual,
  nnFloor,
  nnGreater,
  nnGreaterOrEqual,
  nnLess,
  nnLessOrEqual,
  nnMax,
  nnMin,
  nnMod,
  nnMul,
  nnNot,
  nnOr,
  nnSub,
  nnWhere,
  nnXor,
  type OpWith,
} from '../../../../ir/index.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';
import { asFloat, samePromoted } from './promote.ts';

type Body = (ctx: ExportContext, a: Value, b: Value) => Value;
type Side = Value | number;

/** `.Tensor` and `.Scalar`. */
const overloads = (name: string, parameters = ''): readonly string[] => [
  `aten.${name}.Tensor(Operand self, Operand other${parameters})`,
  `aten.${name}.Scalar(Tensor self, Scalar other${parameters})`,
];

const binary = (schema: string | readonly string[], body: Body): readonly ExportOp[] =>
  defineExportOp(schema, (ctx) => body(ctx, ...samePromoted(ctx, ctx.operand('self'), ctx.operand('other'))));

type Arithmetic = typeof nnAdd | typeof nnSub | typeof nnMul;

/** Truth values are added as integers would be, modulo 2: nobody means that. */
function arithmetic(ctx: ExportContext, op: Arithmetic, left: Side, right: Side): Value {
  const [a, b] = samePromoted(ctx, left, right);
  if (a.type.dtype !== 'bool') return ctx.emit(op, { a, b });
  return op === nnMul ? ctx.emit(nnAnd, { a, b }) : ctx.unsupported(`${op.name.slice(3)} of truth values`);
}

/** other·alpha */
function scaled(ctx: ExportContext, other: Side): Side {
  const alpha = ctx.number('alpha');
  if (alpha === 1) return other;
  return typeof other === 'number' ? alpha * other : arithmetic(ctx, nnMul, other, alpha);
}

function divided(ctx: ExportContext): Value {
  const [a, b] = samePromoted(ctx, ctx.operand('self'), ctx.operand('other'));
  const mode = ctx.parameters().includes('rounding_mode') && ctx.has('rounding_mode') ? ctx.text('rounding_mode') : '';
  if (mode === '') {
    const [x, y] = samePromoted(ctx, asFloat(ctx, a), asFloat(ctx, b));
    return ctx.emit(nnDiv, { a: x, b: y });
  }
  if (!isFloat(a.type.dtype)) {
    if (mode === 'trunc') return ctx.emit(nnDiv, { a, b });
    const rest = ctx.emit(nnMod, { a, b }); // has the sign of b: a − rest is a multiple, rounded down
    return ctx.emit(nnDiv, { a: ctx.emit(nnSub, { a, b: rest }), b });
  }
  if (mode !== 'floor') ctx.unsupported(`a division of floats with rounding mode ${mode}`);
  return ctx.emit(nnFloor, { x: ctx.emit(nnDiv, { a, b }) });
}

const comparisons: Readonly<Record<string, OpWith<'a' | 'b'>>> = {
  eq: nnEqual,
  gt: nnGreater,
  lt: nnLess,
  ge: nnGreaterOrEqual,
  le: nnLessOrEqual,
};

const logical = (name: string, op: typeof nnAnd | typeof nnOr | typeof nnXor): readonly ExportOp[] => [
  ...defineExportOp(`aten.logical_${name}.default(Tensor self, Tensor other)`, (ctx) =>
    ctx.emit(op, { a: ctx.cast(ctx.tensor('self'), 'bool'), b: ctx.cast(ctx.tensor('other'), 'bool') }),
  ),
  ...binary([`aten.bitwise_${name}.Tensor(Tensor self, Tensor other)`], (ctx, a, b) =>
    a.type.dtype === 'bool' ? ctx.emit(op, { a, b }) : ctx.unsupported(`bits of ${a.type.dtype}`),
  ),
];

function choice(ctx: ExportContext, condition: string, yes: Side, no: Side): Value {
  const cond = ctx.cast(ctx.tensor(condition), 'bool');
  const [a, b] = samePromoted(ctx, yes, no);
  return ctx.emit(nnWhere, { cond, a, b });
}

export const elementwiseOps: readonly ExportOp[] = [
  ...defineExportOp(overloads('add', ', Scalar alpha=1'), (ctx) =>
    arithmetic(ctx, nnAdd, ctx.operand('self'), scaled(ctx, ctx.operand('other'))),
  ),
  ...defineExportOp(overloads('sub', ', Scalar alpha=1'), (ctx) =>
    arithmetic(ctx, nnSub, ctx.operand('self'), scaled(ctx, ctx.operand('other'))),
  ),
  ...defineExportOp(overloads('rsub', ', Scalar alpha=1'), (ctx) =>
    arithmetic(ctx, nnSub, ctx.operand('other'), scaled(ctx, ctx.operand('self'))),
  ),
  ...defineExportOp(overloads('mul'), (ctx) => arithmetic(ctx, nnMul, ctx.operand('self'), ctx.operand('other'))),
  ...defineExportOp(overloads('div'), divided),
  ...defineExportOp(
    ['Tensor_mode', 'Scalar_mode'].map((form) => `aten.div.${form}(Tensor self, Operand other, str? rounding_mode)`),
    divided,
  ),
  ...binary(overloads('remainder'), (ctx, a, b) => ctx.emit(nnMod, { a, b })),
  ...binary('aten.maximum.default(Tensor self, Tensor other)', (ctx, a, b) => ctx.emit(nnMax, { a, b })),
  ...binary('aten.minimum.default(Tensor self, Tensor other)', (ctx, a, b) => ctx.emit(nnMin, { a, b })),
  ...Object.entries(comparisons).flatMap(([name, op]) =>
    binary(overloads(name), (ctx, a, b) => ctx.emit(op, { a, b })),
  ),
  ...binary(overloads('ne'), (ctx, a, b) => ctx.emit(nnNot, { x: ctx.emit(nnEqual, { a, b }) })),
  ...logical('and', nnAnd),
  ...logical('or', nnOr),
  ...logical('xor', nnXor),
  ...defineExportOp(
    ['self', 'ScalarSelf', 'ScalarOther', 'Scalar'].map(
      (form) => `aten.where.${form}(Tensor condition, Operand self, Operand other)`,
    ),
    (ctx) => choice(ctx, 'condition', ctx.operand('self'), ctx.operand('other')),
  ),
  ...defineExportOp(
    ['Scalar', 'Tensor'].map((form) => `aten.masked_fill.${form}(Tensor self, Tensor mask, Operand value)`),
    (ctx) => {
      const x = ctx.tensor('self');
      const value = ctx.operand('value');
      const dtype = x.type.dtype;
      return choice(ctx, 'mask', typeof value === 'number' ? ctx.scalar(dtype, value) : ctx.cast(value, dtype), x);
    },
  ),
];
