/** Functions of two tensors, element by element. */
import type { Value } from '../../../../ir/define_op.ts';
import { type DType, isFloat } from '../../../../ir/dtype.ts';
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

/** Truth values are added as integers would be, modulo 2: nobody means that. */
function arithmetic(ctx: ExportContext, op: string, a: Side, b: Side): Value {
  const [x, y] = samePromoted(ctx, a, b);
  if (x.type.dtype !== 'bool') return ctx.emit(op, [x, y]);
  return op === 'nn.mul' ? ctx.emit('nn.and', [x, y]) : ctx.unsupported(`${op.slice(3)} of truth values`);
}

/** other·alpha */
function scaled(ctx: ExportContext, other: Side): Side {
  const alpha = ctx.number('alpha');
  if (alpha === 1) return other;
  return typeof other === 'number' ? alpha * other : arithmetic(ctx, 'nn.mul', other, alpha);
}

function divided(ctx: ExportContext): Value {
  const [a, b] = samePromoted(ctx, ctx.operand('self'), ctx.operand('other'));
  const mode = ctx.parameters().includes('rounding_mode') && ctx.has('rounding_mode') ? ctx.text('rounding_mode') : '';
  if (mode === '') return ctx.emit('nn.div', samePromoted(ctx, asFloat(ctx, a), asFloat(ctx, b)));
  if (!isFloat(a.type.dtype as DType)) {
    if (mode === 'trunc') return ctx.emit('nn.div', [a, b]);
    const rest = ctx.emit('nn.mod', [a, b]); // has the sign of b: a − rest is a multiple, rounded down
    return ctx.emit('nn.div', [ctx.emit('nn.sub', [a, rest]), b]);
  }
  if (mode !== 'floor') ctx.unsupported(`a division of floats with rounding mode ${mode}`);
  return ctx.emit('nn.floor', [ctx.emit('nn.div', [a, b])]);
}

const comparisons: Readonly<Record<string, string>> = {
  eq: 'nn.equal',
  gt: 'nn.greater',
  lt: 'nn.less',
  ge: 'nn.greater_or_equal',
  le: 'nn.less_or_equal',
};

const logical = (name: string, op: string): readonly ExportOp[] => [
  ...defineExportOp(`aten.logical_${name}.default(Tensor self, Tensor other)`, (ctx) =>
    ctx.emit(op, [ctx.cast(ctx.tensor('self'), 'bool'), ctx.cast(ctx.tensor('other'), 'bool')]),
  ),
  ...binary([`aten.bitwise_${name}.Tensor(Tensor self, Tensor other)`], (ctx, a, b) =>
    a.type.dtype === 'bool' ? ctx.emit(op, [a, b]) : ctx.unsupported(`bits of ${a.type.dtype}`),
  ),
];

const choice = (ctx: ExportContext, condition: string, yes: Side, no: Side): Value =>
  ctx.emit('nn.where', [ctx.cast(ctx.tensor(condition), 'bool'), ...samePromoted(ctx, yes, no)]);

export const elementwiseOps: readonly ExportOp[] = [
  ...defineExportOp(overloads('add', ', Scalar alpha=1'), (ctx) =>
    arithmetic(ctx, 'nn.add', ctx.operand('self'), scaled(ctx, ctx.operand('other'))),
  ),
  ...defineExportOp(overloads('sub', ', Scalar alpha=1'), (ctx) =>
    arithmetic(ctx, 'nn.sub', ctx.operand('self'), scaled(ctx, ctx.operand('other'))),
  ),
  ...defineExportOp(overloads('rsub', ', Scalar alpha=1'), (ctx) =>
    arithmetic(ctx, 'nn.sub', ctx.operand('other'), scaled(ctx, ctx.operand('self'))),
  ),
  ...defineExportOp(overloads('mul'), (ctx) => arithmetic(ctx, 'nn.mul', ctx.operand('self'), ctx.operand('other'))),
  ...defineExportOp(overloads('div'), divided),
  ...defineExportOp(
    ['Tensor_mode', 'Scalar_mode'].map((form) => `aten.div.${form}(Tensor self, Operand other, str? rounding_mode)`),
    divided,
  ),
  ...binary(overloads('remainder'), (ctx, a, b) => ctx.emit('nn.mod', [a, b])),
  ...binary('aten.maximum.default(Tensor self, Tensor other)', (ctx, a, b) => ctx.emit('nn.max', [a, b])),
  ...binary('aten.minimum.default(Tensor self, Tensor other)', (ctx, a, b) => ctx.emit('nn.min', [a, b])),
  ...Object.entries(comparisons).flatMap(([name, op]) => binary(overloads(name), (ctx, a, b) => ctx.emit(op, [a, b]))),
  ...binary(overloads('ne'), (ctx, a, b) => ctx.emit('nn.not', [ctx.emit('nn.equal', [a, b])])),
  ...logical('and', 'nn.and'),
  ...logical('or', 'nn.or'),
  ...logical('xor', 'nn.xor'),
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
      const dtype = x.type.dtype as DType;
      return choice(ctx, 'mask', typeof value === 'number' ? ctx.scalar(dtype, value) : ctx.cast(value, dtype), x);
    },
  ),
];
