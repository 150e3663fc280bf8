/** CONV_3D and CONV_3D_TRANSPOSE, on floats: volumes are [N, D, H, W, C]. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnConv, nnConvTranspose } from '../../../ir/index.ts';
import { activated } from '../activation.ts';
import { defineTfliteOp, first, type TfliteOp } from '../define_tflite_op.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';
import { paddedWindows, transposedWindows } from '../windows.ts';

const RANK = 5;

/** The sizes of source and filter, [D, H, W, …]. */
function sizesOf(ctx: OperatorContext, x: Operand, filter: Operand) {
  if (x.dtype !== 'f32' || filter.dtype !== 'f32')
    ctx.unsupported(`a convolution of ${x.dtype} with a filter of ${filter.dtype}`);
  for (const { shape } of [x, filter])
    if (shape.length !== RANK) ctx.refuse(`an operand has rank ${shape.length}, not ${RANK}`, 'U2005');
  const kernel = ctx.staticShape(filter.shape, 'a filter');
  return { spatial: x.shape.slice(1, 4), depth: x.shape[4], kernel: kernel.slice(0, 3), channels: kernel.slice(3) };
}

const stepsOf = (o: Readonly<Record<`${'stride' | 'dilation'}${'D' | 'H' | 'W'}`, number>>) => ({
  strides: [o.strideD, o.strideH, o.strideW],
  dilations: [o.dilationD, o.dilationH, o.dilationW],
});

const biasOf = (ctx: OperatorContext) => {
  const bias = ctx.find('bias');
  return bias && ctx.last(bias);
};

/** The filter is [D, H, W, C, O]. */
const conv3d = defineTfliteOp({
  name: 'CONV_3D',
  inputs: ['x', 'filter', 'bias?'],
  options: tfliteOptions.conv3dOptions,
  import(ctx, options) {
    const [x, filter] = [ctx.get('x'), ctx.get('filter')];
    const { spatial, depth, kernel, channels } = sizesOf(ctx, x, filter);
    if (channels[0] !== depth) ctx.refuse(`a filter of depth ${channels[0]} does not fit ${depth} channels`, 'U2005');
    const attrs = { ...paddedWindows(ctx, options, spatial, { kernel, ...stepsOf(options) }), group: 1 };
    const w = ctx.permuted(filter, [4, 3, 0, 1, 2], [channels[1], channels[0], ...kernel]);
    const y = ctx.emit(nnConv, { x: ctx.first(x), w, bias: biasOf(ctx) }, attrs);
    return first(activated(ctx, y, options.activation));
  },
});

/** The filter is [D, H, W, O, C]; `output_shape` [N, D, H, W, O] says how much of the end is cut. */
const conv3dTranspose = defineTfliteOp({
  name: 'CONV_3D_TRANSPOSE',
  inputs: ['output_shape', 'filter', 'x', 'bias?'],
  options: tfliteOptions.conv3dOptions,
  import(ctx, options) {
    const [x, filter] = [ctx.get('x'), ctx.get('filter')];
    const { spatial, depth, kernel, channels } = sizesOf(ctx, x, filter);
    if (channels[1] !== depth) ctx.refuse(`a filter of depth ${channels[1]} does not fit ${depth} channels`, 'U2005');
    const steps = stepsOf(options);
    if (steps.dilations.some((step) => step !== 1)) ctx.unsupported('a transposed convolution with dilations');
    const input = ctx.staticShape(spatial, 'a transposed convolution');
    const output = ctx.integers(ctx.get('output_shape')).slice(1, 4);
    const windows = transposedWindows(ctx, options, [input, output], { kernel, ...steps });
    const w = ctx.permuted(filter, [4, 3, 0, 1, 2], [channels[1], channels[0], ...kernel]);
    const y = ctx.emit(nnConvTranspose, { x: ctx.first(x), w, bias: biasOf(ctx) }, { ...windows, group: 1 });
    return first(activated(ctx, y, options.activation));
  },
});

export const volumeOps: readonly TfliteOp[] = [conv3d, conv3dTranspose];
