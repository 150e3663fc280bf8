/** quantized::conv1d, conv2d, conv3d and their transposed forms. */
import { qnnConv, qnnConvTranspose } from '../../../ir/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { PackedConv, PackedWeights } from '../values.ts';
import {
  checkAxis,
  dynamicallyQuantized,
  dynamicEnd,
  noteLayer,
  requantize,
  sourceZeroPoint,
  weightsOf,
} from './product.ts';

/** A one-dimensional convolution is packed as a two-dimensional one over images of one row. */
function unpadded(
  ctx: TorchContext,
  { weight, conv }: PackedWeights,
  rank: number,
): { shape: readonly number[]; conv: PackedConv } {
  if (conv === undefined) return ctx.refuse('the weights belong to a linear layer');
  const { shape } = weight;
  const drop = shape.length - 2 - rank;
  if (drop === 0) return { shape, conv };
  if (drop !== 1 || shape[2] !== 1) return ctx.refuse(`weights of shape [${shape}] for ${rank} spatial axes`, 'U2005');
  const last = (list: readonly number[]) => list.slice(-rank);
  return {
    shape: [shape[0], shape[1], ...shape.slice(3)],
    conv: {
      ...conv,
      stride: last(conv.stride),
      padding: last(conv.padding),
      dilation: last(conv.dilation),
      outputPadding: last(conv.outputPadding),
    },
  };
}

function conv(ctx: TorchContext, args: Arguments, rank: number, relu: boolean) {
  const packed = args.packed('packed_weight');
  const { shape, conv: geometry } = unpadded(ctx, packed, rank);
  const { transposed, groups, stride, padding, dilation } = geometry;
  const channels = transposed ? shape[1] * groups : shape[0];
  const x = ctx.quantized(ctx.image(args.tensor('qx'), transposed ? shape[0] : shape[1] * groups, rank));
  checkAxis(ctx, packed.weight.quantization, transposed ? 1 : 0);
  const weights = weightsOf(ctx, packed, { shape }, channels);
  noteLayer(ctx, x, packed);
  const attrs = { strides: stride, pads: [...padding, ...padding], dilations: dilation, group: groups };
  const zx = sourceZeroPoint(ctx, x, x.quantization.zeroPoint);
  const operands = { x: x.value, w: weights.w, zx, zw: weights.zw };
  const sum = transposed
    ? ctx.emit(qnnConvTranspose, operands, { ...attrs, outputPadding: geometry.outputPadding })
    : ctx.emit(qnnConv, operands, attrs);
  const end = { scale: args.number('output_scale'), zeroPoint: args.int('output_zero_point') };
  const y = requantize(ctx, sum, weights, Math.fround(x.quantization.scale), { ...end, relu, type: x.type }, 1);
  return ctx.requantized(y, x.type, end, true);
}

/** The source is quantized with the range of this call, all of its batch; y = fl(fl(A·fl(sx·sw)) + bias) in float. */
function convDynamic(ctx: TorchContext, args: Arguments, rank: number) {
  const packed = args.packed('packed_weight');
  const { shape, conv: geometry } = unpadded(ctx, packed, rank);
  const { transposed, groups, stride, padding, dilation, outputPadding } = geometry;
  const channels = transposed ? shape[1] * groups : shape[0];
  const x = ctx.graph(ctx.image(args.tensor('qx'), transposed ? shape[0] : shape[1] * groups, rank));
  checkAxis(ctx, packed.weight.quantization, transposed ? 1 : 0);
  const weights = weightsOf(ctx, packed, { shape }, channels);
  const attrs = { strides: stride, pads: [...padding, ...padding], dilations: dilation, group: groups };
  const { q, scale, zeroPoint } = dynamicallyQuantized(ctx, x, args.bool('reduce_range'));
  const operands = { x: q, w: weights.w, zx: zeroPoint, zw: weights.zw };
  const sum = transposed
    ? ctx.emit(qnnConvTranspose, operands, { ...attrs, outputPadding })
    : ctx.emit(qnnConv, operands, attrs);
  return ctx.result(dynamicEnd(ctx, sum, scale, weights, 1), x);
}

const parameters = '(Tensor qx, packed packed_weight, float output_scale, int output_zero_point)';
/** The overload of the first versions: geometry is in the packed weights too. */
const legacy =
  '(Tensor qx, packed packed_weight, int[] stride, int[] padding, int[] dilation, int groups, float output_scale, int output_zero_point)';

const family = (rank: number): readonly TorchOp[] => [
  ...defineTorchOp({
    schema: [`quantized::conv${rank}d.new${parameters}`, `quantized::conv${rank}d${legacy}`],
    import: (ctx, args) => conv(ctx, args, rank, false),
  }),
  ...defineTorchOp({
    schema: [`quantized::conv${rank}d_relu.new${parameters}`, `quantized::conv${rank}d_relu${legacy}`],
    import: (ctx, args) => conv(ctx, args, rank, true),
  }),
  ...defineTorchOp({
    schema: `quantized::conv_transpose${rank}d${parameters}`,
    import: (ctx, args) => conv(ctx, args, rank, false),
  }),
  ...defineTorchOp({
    schema: [`conv${rank}d_dynamic`, `conv_transpose${rank}d_dynamic`].map(
      (name) => `quantized::${name}(Tensor qx, packed packed_weight, bool reduce_range=False)`,
    ),
    import: (ctx, args) => convDynamic(ctx, args, rank),
  }),
];

export const quantizedConvOps: readonly TorchOp[] = [1, 2, 3].flatMap(family);
