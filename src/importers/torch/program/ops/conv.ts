/** Convolutions. */

import type { Value } from '../../../../ir/define_op.ts';
import { nnConv, nnConvTranspose } from '../../../../ir/index.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';

/** The filter [O, C/group, kernel…] and its spatial size. */
function filterOf(ctx: ExportContext): { w: Value; kernel: readonly number[] } {
  const w = ctx.tensor('weight');
  ctx.requireRank(w, 3, 'weight');
  return { w, kernel: ctx.staticShape(w, 'a filter').slice(2) };
}

/** `body` on a batch of one where the input has no batch axis. */
export function batched(ctx: ExportContext, x: Value, rank: number, body: (x: Value) => Value): Value {
  const { shape } = x.type;
  if (shape.length !== rank - 1) return body(x);
  const y = body(ctx.reshape(x, [1, ...shape]));
  return ctx.reshape(y, y.type.shape.slice(1));
}

const symmetric = (pads: readonly number[]): readonly number[] => [...pads, ...pads];

function conv(ctx: ExportContext, padsOf: (ctx: ExportContext, kernel: readonly number[]) => readonly number[]): Value {
  const { w, kernel } = filterOf(ctx);
  const rank = kernel.length;
  const attrs = {
    strides: ctx.ints('stride', rank),
    pads: padsOf(ctx, kernel),
    dilations: ctx.ints('dilation', rank),
    group: ctx.int('groups'),
  };
  const bias = ctx.optionalTensor('bias');
  return batched(ctx, ctx.tensor('input'), rank + 2, (x) => ctx.emit(nnConv, { x, w, bias }, attrs));
}

const padding = (ctx: ExportContext, kernel: readonly number[]): readonly number[] =>
  symmetric(ctx.ints('padding', kernel.length));

/** `same`: the odd pad goes to the end. */
function namedPadding(ctx: ExportContext, kernel: readonly number[]): readonly number[] {
  const name = ctx.text('padding');
  if (name === 'valid') return Array<number>(2 * kernel.length).fill(0);
  if (name !== 'same') ctx.refuse(`'padding' should be valid or same, but is ${name}`, 'padding');
  const dilations = ctx.ints('dilation', kernel.length);
  const totals = kernel.map((size, i) => dilations[i] * (size - 1));
  return [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => Math.ceil(total / 2))];
}

function convTranspose(ctx: ExportContext): Value {
  const { w, kernel } = filterOf(ctx);
  const rank = kernel.length;
  const attrs = {
    strides: ctx.ints('stride', rank),
    pads: symmetric(ctx.ints('padding', rank)),
    dilations: ctx.ints('dilation', rank),
    group: ctx.int('groups'),
    outputPadding: ctx.ints('output_padding', rank),
  };
  const bias = ctx.optionalTensor('bias');
  return batched(ctx, ctx.tensor('input'), rank + 2, (x) => ctx.emit(nnConvTranspose, { x, w, bias }, attrs));
}

const transposedParameters =
  'Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] output_padding=0, int groups=1, int[] dilation=1';

export const convOps: readonly ExportOp[] = [
  ...defineExportOp(
    ['conv1d', 'conv2d', 'conv3d'].map(
      (name) =>
        `aten.${name}.default(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] dilation=1, int groups=1)`,
    ),
    (ctx) => conv(ctx, padding),
  ),
  ...defineExportOp(
    ['conv1d', 'conv2d', 'conv3d'].map(
      (name) =>
        `aten.${name}.padding(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, str padding="valid", int[] dilation=1, int groups=1)`,
    ),
    (ctx) => conv(ctx, namedPadding),
  ),
  ...defineExportOp(
    [
      `aten.conv_transpose1d.default(${transposedParameters})`,
      `aten.conv_transpose2d.input(${transposedParameters})`,
      `aten.conv_transpose3d.input(${transposedParameters})`,
    ],
    convTranspose,
  ),
  ...defineExportOp(
    'aten.convolution.default(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups)',
    (ctx) => (ctx.flag('transposed') ? convTranspose(ctx) : conv(ctx, padding)),
  ),
];
