/** Reductions. */

import type { Value } from '../../../../ir/define_op.ts';
import { isFloat } from '../../../../ir/dtype.ts';
import {
  nnArgMax,
  nnArgMin,
  nnCumsum,
  nnMul,
  nnReduceMax,
  nnReduceMean,
  nnReduceMin,
  nnReduceProd,
  nnReduceSum,
  nnSub,
  type Reduction,
} from '../../../../ir/index.ts';
import { sizeOf } from '../../../../ir/tensor.ts';
import { isStatic } from '../../../../ir/types.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';
import { asFloat } from './promote.ts';

/** None and an empty list stand for all axes. */
function axesOf(ctx: ExportContext, x: Value): readonly number[] {
  const rank = x.type.shape.length;
  if (!ctx.parameters().includes('dim') || !ctx.has('dim')) return [];
  return ctx.ints('dim').map((axis) => ctx.axis(axis, rank, 'dim'));
}

const keeps = (ctx: ExportContext): boolean => ctx.parameters().includes('keepdim') && ctx.flag('keepdim');

function reduce(ctx: ExportContext, op: Reduction, x: Value): Value {
  if (x.type.shape.length === 0) return x;
  return ctx.emit(op, { x }, { axes: axesOf(ctx, x), keepdims: keeps(ctx) });
}

/** Sums of integers and truth values are s64, means are floats. */
function converted(ctx: ExportContext, toFloat: boolean): Value {
  const x = ctx.tensor('self');
  const to = ctx.dtype('dtype');
  if (to) return ctx.cast(x, to);
  if (toFloat) return asFloat(ctx, x);
  return isFloat(x.type.dtype) ? x : ctx.cast(x, 's64');
}

/** Σ(x − mean)² / (n − correction) */
function variance(ctx: ExportContext): Value {
  const x = asFloat(ctx, ctx.tensor('self'));
  const axes = axesOf(ctx, x);
  const reduced = axes.length === 0 ? x.type.shape.map((_, axis) => axis) : axes;
  const sizes = reduced.map((axis) => x.type.shape[axis]);
  const count = isStatic(sizes) ? sizeOf(sizes) : ctx.unsupported(`a variance over the sizes ${sizes}`);
  const correction = ctx.has('correction') ? ctx.number('correction') : 1;
  const mean = ctx.emit(nnReduceMean, { x }, { axes: reduced, keepdims: true });
  const difference = ctx.emit(nnSub, { a: x, b: mean });
  const squares = ctx.emit(nnMul, { a: difference, b: difference });
  const spread = ctx.emit(nnReduceMean, { x: squares }, { axes: reduced, keepdims: keeps(ctx) });
  const factor = count / Math.max(0, count - correction);
  return ctx.emit(nnMul, { a: spread, b: ctx.scalar(x.type.dtype, factor) });
}

function positions(ctx: ExportContext, op: typeof nnArgMax | typeof nnArgMin): Value {
  const given = ctx.tensor('self');
  const [x, axis] = ctx.has('dim')
    ? [given, ctx.axis(ctx.int('dim'), given.type.shape.length, 'dim')]
    : [ctx.reshape(given, [sizeOf(ctx.staticShape(given, 'an arg over all elements'))]), 0];
  return ctx.emit(op, { x }, { axis, keepdims: ctx.has('dim') && ctx.flag('keepdim') });
}

export const reduceOps: readonly ExportOp[] = [
  ...[['mean', nnReduceMean] as const, ['sum', nnReduceSum] as const, ['prod', nnReduceProd] as const].flatMap(
    ([name, op]) =>
      defineExportOp(
        [
          `aten.${name}.default(Tensor self, ScalarType? dtype=None)`,
          `aten.${name}.dim(Tensor self, int[]? dim, bool keepdim=False, ScalarType? dtype=None)`,
          `aten.${name}.dim_IntList(Tensor self, int[]? dim, bool keepdim=False, ScalarType? dtype=None)`,
          `aten.${name}.dim_int(Tensor self, int dim, bool keepdim=False, ScalarType? dtype=None)`,
        ],
        (ctx) => reduce(ctx, op, converted(ctx, name === 'mean')),
      ),
  ),
  ...[['amax', nnReduceMax] as const, ['amin', nnReduceMin] as const].flatMap(([name, op]) =>
    defineExportOp(`aten.${name}.default(Tensor self, int[] dim=[], bool keepdim=False)`, (ctx) =>
      reduce(ctx, op, ctx.tensor('self')),
    ),
  ),
  ...[['max', nnReduceMax, nnArgMax] as const, ['min', nnReduceMin, nnArgMin] as const].flatMap(([name, op, arg]) => [
    ...defineExportOp(`aten.${name}.default(Tensor self)`, (ctx) => reduce(ctx, op, ctx.tensor('self'))),
    ...defineExportOp(`aten.${name}.dim(Tensor self, int dim, bool keepdim=False)`, (ctx) => [
      reduce(ctx, op, ctx.tensor('self')),
      positions(ctx, arg),
    ]),
    ...defineExportOp(`aten.arg${name}.default(Tensor self, int? dim=None, bool keepdim=False)`, (ctx) =>
      positions(ctx, arg),
    ),
  ]),
  ...defineExportOp(
    'aten.var.correction(Tensor self, int[]? dim=None, Scalar? correction=None, bool keepdim=False)',
    variance,
  ),
  ...defineExportOp('aten.cumsum.default(Tensor self, int dim, ScalarType? dtype=None)', (ctx) => {
    const x = converted(ctx, false);
    return ctx.emit(nnCumsum, { x }, { axis: ctx.axis(ctx.int('dim'), x.type.shape.length, 'dim') });
  }),
];
