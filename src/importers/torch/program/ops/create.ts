/** Operators that make tensors from numbers. */

import type { Value } from '../../../../ir/define_op.ts';
import type { DType } from '../../../../ir/dtype.ts';
import { nnExpand } from '../../../../ir/index.ts';
import { tensor } from '../../../../ir/tensor.ts';
import type { Shape } from '../../../../ir/types.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';

const MOST_ELEMENTS = 2 ** 22;
/** Where and how PyTorch would keep the tensor. */
const ignored = 'any layout=None, any device=None, bool? pin_memory=None';
const ignoredLike = `${ignored}, any memory_format=None`;

const filled = (ctx: ExportContext, dtype: DType, value: number, shape: Shape): Value => {
  const one = dtype === 'bool' ? ctx.cast(ctx.scalar('s32', value), 'bool') : ctx.scalar(dtype, value);
  return shape.length === 0 ? one : ctx.emit(nnExpand, { x: one }, { shape });
};

/** Without a type: that of the number, which may be a float without a fraction. */
const dtypeOf = (ctx: ExportContext, value: number): DType =>
  ctx.dtype('dtype') ?? (Number.isInteger(value) && !ctx.isFloat('fill_value') ? 's64' : 'f32');

const like = (ctx: ExportContext, value: number): Value => {
  const x = ctx.tensor('self');
  return filled(ctx, ctx.dtype('dtype') ?? x.type.dtype, value, x.type.shape);
};

/** start, start + step, … below end */
function range(ctx: ExportContext): Value {
  const names = ctx.parameters();
  const [start, end] = [names.includes('start') ? ctx.number('start') : 0, ctx.number('end')];
  const step = names.includes('step') ? ctx.number('step') : 1;
  const count = Math.max(0, Math.ceil((end - start) / step));
  if (!(count <= MOST_ELEMENTS)) ctx.unsupported(`a range of ${count} numbers`);
  const isFloat = ['start', 'end', 'step'].some((name) => names.includes(name) && ctx.isFloat(name));
  const whole = !isFloat && [start, end, step].every(Number.isInteger);
  const dtype = ctx.dtype('dtype') ?? (whole ? 's64' : 'f32');
  if (dtype !== 's64' && dtype !== 's32' && dtype !== 'f32' && dtype !== 'f64') ctx.unsupported(`a range of ${dtype}`);
  return ctx.constant(
    tensor(
      dtype,
      Array.from({ length: count }, (_, i) => start + i * step),
    ),
  );
}

export const createOps: readonly ExportOp[] = [
  ...defineExportOp(`aten.full.default(int[] size, Scalar fill_value, ScalarType? dtype=None, ${ignored})`, (ctx) => {
    const value = ctx.number('fill_value');
    return filled(ctx, dtypeOf(ctx, value), value, ctx.dims('size'));
  }),
  ...[
    ['zeros', 0],
    ['ones', 1],
  ].flatMap(([name, value]) => [
    ...defineExportOp(`aten.${name}.default(int[] size, ScalarType? dtype=None, ${ignored})`, (ctx) =>
      filled(ctx, ctx.dtype('dtype') ?? 'f32', Number(value), ctx.dims('size')),
    ),
    ...defineExportOp(`aten.${name}_like.default(Tensor self, ScalarType? dtype=None, ${ignoredLike})`, (ctx) =>
      like(ctx, Number(value)),
    ),
  ]),
  ...defineExportOp(
    `aten.full_like.default(Tensor self, Scalar fill_value, ScalarType? dtype=None, ${ignoredLike})`,
    (ctx) => like(ctx, ctx.number('fill_value')),
  ),
  ...defineExportOp(`aten.scalar_tensor.default(Scalar s, ScalarType? dtype=None, ${ignored})`, (ctx) =>
    filled(ctx, ctx.dtype('dtype') ?? 'f32', ctx.number('s'), []),
  ),
  ...defineExportOp(
    [
      `aten.arange.default(Scalar end, ScalarType? dtype=None, ${ignored})`,
      `aten.arange.start(Scalar start, Scalar end, ScalarType? dtype=None, ${ignored})`,
      `aten.arange.start_step(Scalar start, Scalar end, Scalar step=1, ScalarType? dtype=None, ${ignored})`,
    ],
    range,
  ),
];
