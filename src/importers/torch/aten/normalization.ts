/** Normalizations and softmax, of floats. */

import {
  type Dim,
  isStatic,
  nnBatchNorm,
  nnGroupNorm,
  nnInstanceNorm,
  nnLayerNorm,
  nnLogSoftmax,
  nnRmsNorm,
  nnSoftmax,
  type Value,
} from '../../../ir/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { GraphTensor } from '../values.ts';
import { optional, real } from './products.ts';

/** Images or rows, [N, C, …], of at least this rank. */
function source(ctx: TorchContext, args: Arguments, rank: number): Value {
  const x = real(ctx, args, 'input');
  const { shape } = x.type;
  if (shape.length < rank)
    ctx.refuse(`'input' should have at least ${rank} axes, but is [${shape}]`, 'U2005', { input: 'input' });
  return x;
}

/** Scale and bias of each channel, axis 1; absent ones are the same for all. */
function affine(ctx: TorchContext, args: Arguments, { type: { shape } }: Value) {
  const filled = (value: number, name: string) => {
    const [channels] = ctx.staticShape([shape[1]], 'a normalization');
    return ctx.floats(Array<number>(ctx.bounded(channels, 'parameters')).fill(value), name);
  };
  const scale = optional(ctx, args, 'weight') ?? filled(1, 'scale');
  return { scale, bias: optional(ctx, args, 'bias') ?? filled(0, 'bias') };
}

const like = (ctx: TorchContext, args: Arguments, y: Value): GraphTensor =>
  ctx.result(y, ctx.graph(args.tensor('input')));

function batchNorm(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = source(ctx, args, 2);
  if (args.bool('training')) ctx.inTraining('the batch decides the normalization');
  const mean = optional(ctx, args, 'running_mean') ?? ctx.unsupported('statistics of the batch');
  const variance = optional(ctx, args, 'running_var') ?? ctx.unsupported('statistics of the batch');
  const operands = { x, ...affine(ctx, args, x), mean, variance };
  return like(ctx, args, ctx.emit(nnBatchNorm, operands, { epsilon: args.number('eps') }));
}

/** Over the last axes, as many as `normalized_shape` has. */
function trailing(ctx: TorchContext, args: Arguments, op: typeof nnLayerNorm | typeof nnRmsNorm): GraphTensor {
  const [x, sizes] = [real(ctx, args, 'input'), args.dims('normalized_shape')];
  const axis = x.type.shape.length - sizes.length;
  const isOther = (size: Dim, i: number) => isStatic([size, x.type.shape[axis + i]]) && size !== x.type.shape[axis + i];
  if (sizes.length === 0 || axis < 0 || sizes.some(isOther))
    ctx.refuse(`[${sizes}] are not the last axes of [${x.type.shape}]`, 'U2005', { input: 'normalized_shape' });
  const scale = optional(ctx, args, 'weight') ?? ctx.scalar(x.type.dtype, 1, 'scale');
  const attrs = { axis, epsilon: args.optionalNumber('eps') ?? EPSILON };
  return ctx.result(
    op === nnLayerNorm
      ? ctx.emit(nnLayerNorm, { x, scale, bias: optional(ctx, args, 'bias') }, attrs)
      : ctx.emit(nnRmsNorm, { x, scale }, attrs),
  );
}

function groupNorm(ctx: TorchContext, args: Arguments, groups: number): GraphTensor {
  const x = source(ctx, args, 2);
  const attrs = { groups, epsilon: args.number('eps') };
  return like(ctx, args, ctx.emit(nnGroupNorm, { x, ...affine(ctx, args, x) }, attrs));
}

function instanceNorm(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = source(ctx, args, 3);
  return like(ctx, args, ctx.emit(nnInstanceNorm, { x, ...affine(ctx, args, x) }, { epsilon: args.number('eps') }));
}

const softmax = (name: string, op: typeof nnSoftmax | typeof nnLogSoftmax): readonly TorchOp[] =>
  defineTorchOp({
    schema: [
      `aten::${name}.int(Tensor self, int dim, ScalarType? dtype=None)`,
      `aten::_${name}(Tensor self, int dim, bool half_to_float)`,
    ],
    import(ctx, args) {
      const given = ctx.plain(args.tensor('self'));
      const to = args.scalarType('dtype');
      const x = to ? ctx.cast(given, to.dtype) : ctx.asFloat(given);
      return ctx.result(ctx.emit(op, { x }, { axis: ctx.axis(args.int('dim'), x.type.shape.length, 'dim') }));
    },
  });

const affineParameters = 'Tensor? weight, Tensor? bias';
const statistics = `${affineParameters}, Tensor? running_mean, Tensor? running_var`;
const optionalParameters = 'Tensor? weight=None, Tensor? bias=None';
/** ε of binary32, the default where a schema has None. */
const EPSILON = 2 ** -23;

export const normalizationOps: readonly TorchOp[] = [
  ...defineTorchOp({
    schema: `aten::batch_norm(Tensor input, ${statistics}, bool training, float momentum, float eps, bool cudnn_enabled)`,
    import: batchNorm,
  }),
  // further results are statistics for training
  ...defineTorchOp({
    schema: `aten::_native_batch_norm_legit_no_training(Tensor input, ${statistics}, float momentum, float eps)`,
    import: (ctx, args) => [batchNorm(ctx, args)],
  }),
  ...defineTorchOp({
    schema: `aten::_native_batch_norm_legit.no_stats(Tensor input, ${affineParameters}, bool training, float momentum, float eps)`,
    import(ctx, args) {
      // an instance norm folds the batch into the channels: [1, N·C, …]
      if (ctx.graph(args.tensor('input')).shape[0] !== 1) ctx.unsupported('statistics of the batch');
      return [instanceNorm(ctx, args)];
    },
  }),
  ...defineTorchOp({
    schema: `aten::layer_norm(Tensor input, int[] normalized_shape, ${optionalParameters}, float eps=0.00001, bool cudnn_enable=True)`,
    import: (ctx, args) => trailing(ctx, args, nnLayerNorm),
  }),
  ...defineTorchOp({
    schema: `aten::native_layer_norm(Tensor input, int[] normalized_shape, ${affineParameters}, float eps)`,
    import: (ctx, args) => [trailing(ctx, args, nnLayerNorm)],
  }),
  ...defineTorchOp({
    schema: 'aten::rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None)',
    import: (ctx, args) => trailing(ctx, args, nnRmsNorm),
  }),
  ...defineTorchOp({
    schema: `aten::group_norm(Tensor input, int num_groups, ${optionalParameters}, float eps=0.00001, bool cudnn_enabled=True)`,
    import: (ctx, args) => groupNorm(ctx, args, args.int('num_groups')),
  }),
  ...defineTorchOp({
    schema: `aten::native_group_norm(Tensor input, ${affineParameters}, int N, int C, int HxW, int group, float eps)`,
    import: (ctx, args) => [groupNorm(ctx, args, args.int('group'))],
  }),
  ...defineTorchOp({
    schema: `aten::instance_norm(Tensor input, ${statistics}, bool use_input_stats, float momentum, float eps, bool cudnn_enabled)`,
    import: (ctx, args) =>
      args.bool('use_input_stats') ? instanceNorm(ctx, args) : ctx.unsupported('running statistics'),
  }),
  ...softmax('softmax', nnSoftmax),
  ...softmax('log_softmax', nnLogSoftmax),
];
