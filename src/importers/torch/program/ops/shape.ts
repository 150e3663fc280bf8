/** Operators that give the same elements another shape or element type, or do nothing. */
import type { Value } from '../../../../ir/define_op.ts';
import { elementsOf } from '../../../../ir/dims.ts';
import type { Dim, Shape } from '../../../../ir/types.ts';
import { leftOver } from '../../../kit/left_over.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';

/** `sizes` with its −1, if there is one, replaced by what is left of x. */
export function completed(ctx: ExportContext, x: Shape, sizes: readonly Dim[], name: string): Shape {
  const unknown = sizes.indexOf(-1);
  if (unknown < 0) return sizes;
  const rest = sizes.filter((_, i) => i !== unknown);
  const left = leftOver(x, rest, (message) => ctx.refuse(message, name, 'U2005'));
  return sizes.map((size, i) => (i === unknown ? left : size));
}

function flatten(ctx: ExportContext): Value {
  const x = ctx.tensor('self');
  const { shape } = x.type;
  if (shape.length === 0) return ctx.reshape(x, [1]);
  const from = ctx.axis(ctx.int('start_dim'), shape.length, 'start_dim');
  const to = ctx.axis(ctx.int('end_dim'), shape.length, 'end_dim');
  if (from > to) ctx.refuse(`the axes ${from} to ${to} are none`, 'end_dim', 'U2005');
  return ctx.reshape(x, [...shape.slice(0, from), elementsOf(shape.slice(from, to + 1)), ...shape.slice(to + 1)]);
}

function unflatten(ctx: ExportContext): Value {
  const x = ctx.tensor('self');
  const { shape } = x.type;
  const axis = ctx.axis(ctx.int('dim'), shape.length, 'dim');
  const sizes = completed(ctx, [shape[axis]], ctx.dims('sizes'), 'sizes');
  return ctx.reshape(x, [...shape.slice(0, axis), ...sizes, ...shape.slice(axis + 1)]);
}

export function unsqueezed(ctx: ExportContext, x: Value, dim: number): Value {
  const { shape } = x.type;
  const axis = ctx.axis(dim, shape.length + 1, 'dim');
  return ctx.reshape(x, [...shape.slice(0, axis), 1, ...shape.slice(axis)]);
}

/** Axes of size 1 go; others stay. Whether a symbolic size is 1 only a run knows: PyTorch takes it not to be. */
function squeezed(ctx: ExportContext, x: Value, axes: readonly number[]): Value {
  return ctx.reshape(
    x,
    x.type.shape.filter((dim, i) => dim !== 1 || !axes.includes(i)),
  );
}

/** Several conversions have one argument too many for a schema of their own: device, layout, memory format. */
const ignored = 'bool? non_blocking=None, bool? copy=None, any memory_format=None';

function converted(ctx: ExportContext): Value {
  const x = ctx.tensor('self');
  return ctx.cast(x, ctx.dtype('dtype') ?? x.type.dtype);
}

const self = (ctx: ExportContext): Value => ctx.tensor('self');

/** Zeroes elements at random, but not when a network is evaluated. */
function dropout(ctx: ExportContext): Value {
  if (ctx.flag('train') && ctx.number('p') !== 0) ctx.unsupported('dropout in training mode');
  return ctx.tensor('input');
}

const unchanged = [
  'clone.default(Tensor self, any memory_format=None)',
  'contiguous.default(Tensor self, any memory_format=None)',
  'detach.default(Tensor self)',
  'alias.default(Tensor self)',
  'lift_fresh_copy.default(Tensor self)',
  'to.device(Tensor self, any device, ScalarType dtype, bool? non_blocking=None, bool? copy=None, any memory_format=None)',
];

export const shapeOps: readonly ExportOp[] = [
  ...defineExportOp(
    ['reshape', 'view', '_unsafe_view', 'view_copy'].map((name) => {
      const size = name === 'reshape' ? 'shape' : 'size';
      return `aten.${name}.default(Tensor self, int[] ${size})`;
    }),
    (ctx) => {
      const [x, name] = [ctx.tensor('self'), ctx.parameters()[1]];
      return ctx.reshape(x, completed(ctx, x.type.shape, ctx.dims(name), name));
    },
  ),
  ...defineExportOp('aten.flatten.using_ints(Tensor self, int start_dim=0, int end_dim=-1)', flatten),
  ...defineExportOp('aten.unflatten.int(Tensor self, int dim, int[] sizes)', unflatten),
  ...defineExportOp('aten.unsqueeze.default(Tensor self, int dim)', (ctx) =>
    unsqueezed(ctx, ctx.tensor('self'), ctx.int('dim')),
  ),
  ...defineExportOp('aten.squeeze.default(Tensor self)', (ctx) => {
    const x = ctx.tensor('self');
    return squeezed(ctx, x, [...x.type.shape.keys()]);
  }),
  ...defineExportOp(['aten.squeeze.dim(Tensor self, int dim)', 'aten.squeeze.dims(Tensor self, int[] dim)'], (ctx) => {
    const x = ctx.tensor('self');
    return squeezed(
      ctx,
      x,
      ctx.ints('dim').map((axis) => ctx.axis(axis, x.type.shape.length, 'dim')),
    );
  }),
  ...unchanged.flatMap((schema) =>
    defineExportOp(`aten.${schema}`, (ctx) => (ctx.parameters().includes('dtype') ? converted(ctx) : self(ctx))),
  ),
  ...defineExportOp(
    [
      `aten.to.dtype(Tensor self, ScalarType dtype, ${ignored})`,
      `aten.to.dtype_layout(Tensor self, ScalarType? dtype=None, any layout=None, any device=None, bool? pin_memory=None, ${ignored})`,
      `aten._to_copy.default(Tensor self, ScalarType? dtype=None, any layout=None, any device=None, bool? pin_memory=None, ${ignored})`,
      'quantized_decomposed.convert_element_type.no_fuse(Tensor self, ScalarType dtype)',
    ],
    converted,
  ),
  ...defineExportOp(
    ['dropout', 'feature_dropout', 'alpha_dropout'].map(
      (name) => `aten.${name}.default(Tensor input, float p, bool train)`,
    ),
    dropout,
  ),
];
