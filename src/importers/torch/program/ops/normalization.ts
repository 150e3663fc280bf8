/** Normalizations and softmax. */

import type { Value } from '../../../../ir/define_op.ts';
import {
  nnBatchNorm,
  nnExpand,
  nnGroupNorm,
  nnInstanceNorm,
  nnLayerNorm,
  nnLogSoftmax,
  nnRmsNorm,
  nnSoftmax,
} from '../../../../ir/index.ts';
import type { Dim } from '../../../../ir/types.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';
import { asFloat } from './promote.ts';

/** A parameter for each channel; one that is absent is the same for all. */
function perChannel(ctx: ExportContext, name: string, count: Dim, fallback: number): Value {
  return ctx.optionalTensor(name) ?? ctx.emit(nnExpand, { x: ctx.scalar('f32', fallback) }, { shape: [count] });
}

function batchNorm(ctx: ExportContext): Value {
  const x = ctx.tensor('input');
  ctx.requireRank(x, 2, 'input');
  if (ctx.parameters().includes('training') && ctx.flag('training')) ctx.unsupported('statistics of the batch');
  const mean = ctx.optionalTensor('running_mean') ?? ctx.unsupported('statistics of the batch');
  const variance = ctx.optionalTensor('running_var') ?? ctx.unsupported('statistics of the batch');
  const channels = x.type.shape[1];
  const [scale, bias] = [perChannel(ctx, 'weight', channels, 1), perChannel(ctx, 'bias', channels, 0)];
  return ctx.emit(nnBatchNorm, { x, scale, bias, mean, variance }, { epsilon: ctx.number('eps') });
}

/** Over the last axes, as many as `normalized_shape` has. */
function trailing(ctx: ExportContext, op: typeof nnLayerNorm | typeof nnRmsNorm, epsilon: number): Value {
  const [x, sizes] = [ctx.tensor('input'), ctx.dims('normalized_shape')];
  const axis = x.type.shape.length - sizes.length;
  if (sizes.length === 0 || axis < 0)
    ctx.refuse(`[${sizes}] are no last axes of [${x.type.shape}]`, 'normalized_shape', 'U2005');
  const scale = ctx.optionalTensor('weight') ?? ctx.scalar(x.type.dtype, 1);
  const attrs = { axis, epsilon };
  return op === nnLayerNorm
    ? ctx.emit(nnLayerNorm, { x, scale, bias: ctx.optionalTensor('bias') }, attrs)
    : ctx.emit(nnRmsNorm, { x, scale }, attrs);
}

function groupNorm(ctx: ExportContext, groups: number): Value {
  const x = ctx.tensor('input');
  ctx.requireRank(x, 2, 'input');
  const channels = x.type.shape[1];
  const [scale, bias] = [perChannel(ctx, 'weight', channels, 1), perChannel(ctx, 'bias', channels, 0)];
  return ctx.emit(nnGroupNorm, { x, scale, bias }, { groups, epsilon: ctx.number('eps') });
}

function instanceNorm(ctx: ExportContext): Value {
  const x = ctx.tensor('input');
  ctx.requireRank(x, 3, 'input');
  if (!ctx.flag('use_input_stats')) ctx.unsupported('running statistics');
  const channels = x.type.shape[1];
  const [scale, bias] = [perChannel(ctx, 'weight', channels, 1), perChannel(ctx, 'bias', channels, 0)];
  return ctx.emit(nnInstanceNorm, { x, scale, bias }, { epsilon: ctx.number('eps') });
}

/** Statistics of the batch, for batches that an instance norm folds into channels: [1, N·C, …]. */
function batchStatistics(ctx: ExportContext): Value {
  const x = ctx.tensor('input');
  ctx.requireRank(x, 3, 'input');
  if (x.type.shape[0] !== 1) ctx.unsupported('statistics of the batch');
  const channels = x.type.shape[1];
  const [scale, bias] = [perChannel(ctx, 'weight', channels, 1), perChannel(ctx, 'bias', channels, 0)];
  return ctx.emit(nnInstanceNorm, { x, scale, bias }, { epsilon: ctx.number('eps') });
}

function softmax(ctx: ExportContext, op: typeof nnSoftmax | typeof nnLogSoftmax): Value {
  const to = ctx.parameters().includes('dtype') ? ctx.dtype('dtype') : undefined;
  const given = ctx.tensor('self');
  const x = to ? ctx.cast(given, to) : asFloat(ctx, given);
  return ctx.emit(op, { x }, { axis: ctx.axis(ctx.int('dim'), x.type.shape.length, 'dim') });
}

const statistics = 'Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var';
/** ε of binary32, the default where a schema has None. */
const EPSILON = 2 ** -23;

export const normalizationOps: readonly ExportOp[] = [
  ...defineExportOp(
    `aten.batch_norm.default(Tensor input, ${statistics}, bool training, float momentum, float eps, bool cudnn_enabled)`,
    batchNorm,
  ),
  // further outputs are statistics for training
  ...defineExportOp(
    `aten._native_batch_norm_legit_no_training.default(Tensor input, ${statistics}, float momentum, float eps)`,
    (ctx) => [batchNorm(ctx)],
  ),
  ...defineExportOp(
    'aten._native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, bool training, float momentum, float eps)',
    (ctx) => [batchStatistics(ctx)],
  ),
  ...defineExportOp(
    'aten.layer_norm.default(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True)',
    (ctx) => trailing(ctx, nnLayerNorm, ctx.number('eps')),
  ),
  ...defineExportOp(
    'aten.native_layer_norm.default(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps)',
    (ctx) => [trailing(ctx, nnLayerNorm, ctx.number('eps'))],
  ),
  ...defineExportOp(
    'aten.rms_norm.default(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None)',
    (ctx) => trailing(ctx, nnRmsNorm, ctx.has('eps') ? ctx.number('eps') : EPSILON),
  ),
  ...defineExportOp(
    'aten.group_norm.default(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True)',
    (ctx) => groupNorm(ctx, ctx.int('num_groups')),
  ),
  ...defineExportOp(
    'aten.native_group_norm.default(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps)',
    (ctx) => [groupNorm(ctx, ctx.int('group'))],
  ),
  ...defineExportOp(
    `aten.instance_norm.default(Tensor input, ${statistics}, bool use_input_stats, float momentum, float eps, bool cudnn_enabled)`,
    instanceNorm,
  ),
  ...[['softmax', nnSoftmax] as const, ['log_softmax', nnLogSoftmax] as const].flatMap(([name, op]) => [
    ...defineExportOp(`aten.${name}.int(Tensor self, int dim, ScalarType? dtype=None)`, (ctx) => softmax(ctx, op)),
    ...defineExportOp(`aten._${name}.default(Tensor self, int dim, bool half_to_float)`, (ctx) => softmax(ctx, op)),
  ]),
];
