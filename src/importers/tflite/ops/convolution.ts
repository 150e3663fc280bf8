/** CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV. */
import { type Activation, tfliteOptions } from '../../../formats/tflite/index.ts';
import {
  type ConvAttrs,
  elementsOf,
  nnConv,
  nnConvTranspose,
  qnnConv,
  qnnConvTranspose,
  type Value,
} from '../../../ir/index.ts';
import type { RowRecipe } from '../../../numerics/index.ts';
import { isByteType } from '../../../tensors/index.ts';
import { activated } from '../activation.ts';
import { defineTfliteOp, first, last, type Result, type TfliteOp } from '../define_tflite_op.ts';
import { isDelegable, isOfFile } from '../delegate.ts';
import { type HybridEnd, hybridConvolution, hybridRows } from '../hybrid_product.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';
import type { TfliteProfile } from '../profiles.ts';
import { requantizedProduct, weightScales, zeroPointOf } from '../quantized_product.ts';
import { rescaledProduct, wideSum } from '../wide_product.ts';
import { transposedWindows, windowsOf } from '../windows.ts';

/** The operators that a kind of convolution becomes. */
interface Emitted {
  /** The axis of the output channels in the file's filter. */
  readonly axis: number;
  /** The end of sums of floats and int8 filters; absent where no kernel is known for them. */
  readonly hybrid?: { readonly end: HybridEnd; readonly recipe: RowRecipe };
  /** That of the profile, unless its kernels leave the operator to others. */
  readonly arithmetic?: TfliteProfile;
  /** The number of products in a sum. */
  readonly length: number;
  integer(operands: { readonly x: Value; readonly zx?: Value | undefined; readonly zw: Value | undefined }): Value;
  float(operands: { readonly x: Value; readonly bias: Value | undefined }): Value;
}

/** The sizes of a filter of four axes. */
function filterSizes(ctx: OperatorContext, { shape }: Operand): readonly [number, number, number, number] {
  const [o, h, w, i] = ctx.staticShape(shape, 'a filter');
  return shape.length === 4 ? [o, h, w, i] : ctx.refuse(`the filter has rank ${shape.length}, not 4`, 'U2005');
}

/** A product of integers or floats, and its end by the types of source and filter. */
function ended(
  ctx: OperatorContext,
  [x, filter]: readonly [Operand, Operand],
  activation: Activation | undefined,
  { axis, length, hybrid, arithmetic = ctx.profile, integer, float }: Emitted,
): Result {
  const bias = ctx.find('bias');
  const source = ctx.first(x);
  if (isByteType(filter.dtype) && (isByteType(x.dtype) || x.dtype === 's16')) {
    const scales = weightScales(ctx, filter, axis);
    const zw = zeroPointOf(ctx, filter);
    const end = { kind: 'convolution', source: x, scales, bias, activation, axis: 1, arithmetic } as const;
    if (x.dtype !== 's16')
      return first(requantizedProduct(ctx, integer({ x: source, zx: zeroPointOf(ctx, x), zw }), end));
    return first(
      rescaledProduct(
        ctx,
        wideSum(ctx, source, length, (bytes) => integer({ x: bytes, zw })),
        end,
      ),
    );
  }
  if (x.dtype === 'f32' && filter.dtype === 's8' && hybrid !== undefined) {
    const zw = zeroPointOf(ctx, filter);
    const y = hybridConvolution(ctx, source, {
      ...hybrid,
      scales: weightScales(ctx, filter, axis),
      bias: bias && ctx.last(bias),
      sum: (bytes, zx) => integer({ x: bytes, zx, zw }),
    });
    return first(activated(ctx, y, activation));
  }
  if (x.dtype !== 'f32' || filter.dtype !== 'f32')
    return ctx.unsupported(`a convolution of ${x.dtype} with a filter of ${filter.dtype}`);
  return first(activated(ctx, float({ x: source, bias: bias && ctx.last(bias) }), activation));
}

const convolution = (ctx: OperatorContext, w: Value, attrs: ConvAttrs): Pick<Emitted, 'integer' | 'float'> => ({
  integer: (operands) => ctx.emit(qnnConv, { w, ...operands }, attrs),
  float: (operands) => ctx.emit(nnConv, { w, ...operands }, attrs),
});

/** Filters with one scale for all channels have a kernel of their own. */
function hybridConv2d(
  ctx: OperatorContext,
  [x, filter]: readonly [Operand, Operand],
  group: number,
): Pick<Emitted, 'hybrid'> {
  if (filter.dtype !== 's8') return {};
  if (isDelegable(ctx, [x])) return { hybrid: { end: 'fused', recipe: 'xnnpack' } };
  if (new Set(weightScales(ctx, filter, 0)).size > 1) return { hybrid: { end: 'weights-first', recipe: 'asymmetric' } };
  return group === 1 ? { hybrid: { end: 'scales-first', recipe: 'symmetric' } } : {};
}

const conv2d = defineTfliteOp({
  name: 'CONV_2D',
  inputs: ['x', 'filter', 'bias?'],
  options: tfliteOptions.conv2dOptions,
  import(ctx, options) {
    const [x, filter] = [ctx.get('x'), ctx.weights('filter')];
    const [filters, height, width, depth] = filterSizes(ctx, filter);
    const channels = x.shape.at(-1);
    if (x.shape.length !== 4 || typeof channels !== 'number' || channels % depth !== 0)
      ctx.refuse(`a filter of depth ${depth} does not fit [${x.shape.join(', ')}]`, 'U2005');
    const windows = windowsOf(ctx, options, x.shape.slice(1, 3), [height, width]);
    const attrs = { ...windows, group: Number(channels) / depth };
    // XNNPACK makes a fully connected layer of the pixels, each quantized on its own; a filter of one weight is not taken for one
    const isOfPixels =
      [height, width, attrs.group, ...attrs.strides].every((size) => size === 1) && filters * depth > 1;
    if (isOfPixels && x.dtype === 'f32' && filter.dtype === 's8' && isDelegable(ctx, [x])) {
      const rows = ctx.reshape(ctx.last(x), [elementsOf(x.shape.slice(0, -1)), depth]);
      const w = ctx.permuted(filter, [1, 2, 3, 0], [depth, filters]);
      const y = hybridRows(ctx, rows, w, { weights: filter, bias: ctx.find('bias'), recipe: 'xnnpack' });
      return last(activated(ctx, ctx.reshape(y, [...x.shape.slice(0, -1), filters]), options.activation));
    }
    const w = ctx.permuted(filter, [0, 3, 1, 2], [filters, depth, height, width]);
    return ended(ctx, [x, filter], options.activation, {
      axis: 0,
      ...hybridConv2d(ctx, [x, filter], attrs.group),
      length: height * width * depth,
      ...convolution(ctx, w, attrs),
    });
  },
});

/** The filter is [1, H, W, C·multiplier]: output channel o reads channel ⌊o/multiplier⌋. */
const depthwiseConv2d = defineTfliteOp({
  name: 'DEPTHWISE_CONV_2D',
  inputs: ['x', 'filter', 'bias?'],
  options: tfliteOptions.depthwiseConv2dOptions,
  import(ctx, options) {
    const x = ctx.get('x');
    // the kernel of words takes packed filters for bytes, and floats have no kernel for them
    const filter = x.dtype === 's8' ? ctx.weights('filter') : ctx.get('filter');
    const [one, height, width, filters] = filterSizes(ctx, filter);
    const channels = x.shape.at(-1);
    if (one !== 1 || x.shape.length !== 4 || typeof channels !== 'number' || filters % channels !== 0)
      ctx.refuse(`a filter of [${filter.shape.join(', ')}] does not fit [${x.shape.join(', ')}]`, 'U2005');
    const windows = windowsOf(ctx, options, x.shape.slice(1, 3), [height, width]);
    const attrs = { ...windows, group: Number(channels) };
    const w = ctx.permuted(filter, [3, 0, 1, 2], [filters, 1, height, width]);
    return ended(ctx, [x, filter], options.activation, {
      axis: 3,
      hybrid: { end: ctx.profile === 'xnnpack' ? 'lanes' : 'scales-first', recipe: 'asymmetric' },
      length: height * width,
      ...convolution(ctx, w, attrs),
    });
  },
});

/** The filter is [O, H, W, C]; `output_shape` [N, H, W, O] says how much of the end is cut. */
const transposeConv = defineTfliteOp({
  name: 'TRANSPOSE_CONV',
  inputs: ['output_shape', 'filter', 'x', 'bias?'],
  options: tfliteOptions.transposeConvOptions,
  import(ctx, options) {
    const [x, filter] = [ctx.get('x'), ctx.get('filter')];
    const [filters, height, width, channels] = filterSizes(ctx, filter);
    const output = ctx.integers(ctx.get('output_shape')).slice(1, 3);
    const input = ctx.staticShape(x.shape, 'a transposed convolution').slice(1, 3);
    const attrs = {
      ...transposedWindows(ctx, options, [input, output], {
        kernel: [height, width],
        strides: [options.strideH, options.strideW],
        dilations: [1, 1],
      }),
      group: 1,
    };
    const w = ctx.permuted(filter, [3, 0, 1, 2], [channels, filters, height, width]);
    const isDelegated = isDelegable(ctx, [x]) && isOfFile(ctx.get('output_shape'));
    return ended(ctx, [x, filter], options.activation, {
      axis: 0,
      arithmetic: isDelegated ? 'xnnpack' : 'tflite',
      // the builtin kernel adds fl(fl(product·sw)·scale) one by one: the last bits of its floats are others
      hybrid: isDelegated ? { end: 'fused', recipe: 'xnnpack' } : { end: 'weights-first', recipe: 'asymmetric' },
      length: height * width * channels,
      integer: (operands) => ctx.emit(qnnConvTranspose, { w, ...operands }, attrs),
      float: (operands) => ctx.emit(nnConvTranspose, { w, ...operands }, attrs),
    });
  },
});

export const convolutionOps: readonly TfliteOp[] = [conv2d, depthwiseConv2d, transposeConv];
