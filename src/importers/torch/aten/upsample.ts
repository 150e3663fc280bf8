/** Interpolation of images. */

import { type AttrArguments, nnResize, nnSub, type Value } from '../../../ir/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import type { TorchOp } from '../operators/define_torch_op.ts';
import { quantizedPerTensor } from '../quantized/quantize.ts';
import type { GraphTensor } from '../values.ts';
import { mover } from './shape.ts';

type Mode = 'nearest' | 'linear';

/** The factors of each axis, for overloads that have them; None when only sizes are given. */
function factorsOf(args: Arguments): readonly (number | undefined)[] {
  if (args.has('scale_factors')) return args.floats('scale_factors');
  return ['scales_d', 'scales_h', 'scales_w', 'scales'].flatMap((name) => (args.has(name) ? [args.number(name)] : []));
}

function upsample(ctx: TorchContext, x: GraphTensor, args: Arguments, mode: Mode): Value | GraphTensor {
  const spatial = ctx.staticShape(x.shape.slice(2), 'an upsampling');
  const given = factorsOf(args);
  const factors = given.length === spatial.length ? given : [];
  const output = args.has('output_size')
    ? args.ints('output_size', spatial.length)
    : spatial.map((size, i) => Math.floor(size * (factors[i] ?? Number.NaN)));
  if (output.some((size) => !(size >= 1))) ctx.refuse(`[${spatial}] cannot be resized to [${output}]`, 'U2005');
  const align = mode === 'linear' && args.bool('align_corners');
  const attrs = {
    shape: [...x.shape.slice(0, 2), ...output],
    scales: [1, 1, ...spatial.map((size, i) => factors[i] ?? output[i] / size)],
    mode,
    coordinates: align ? 'align_corners' : mode === 'nearest' ? 'asymmetric' : 'half_pixel',
    nearest: 'floor',
  } as const;
  const isInterpolated = mode === 'linear' && x.quantization !== undefined;
  return isInterpolated ? interpolated(ctx, x, attrs) : ctx.emit(nnResize, { x: x.value }, attrs);
}

/** Interpolates the integers themselves: rne(fl(Σ − z)) + z. */
function interpolated(ctx: TorchContext, input: GraphTensor, attrs: AttrArguments<typeof nnResize.attrs>): GraphTensor {
  const x = ctx.quantized(input);
  const { zeroPoint } = x.quantization;
  const mean = ctx.emit(nnResize, { x: ctx.cast(x.value, 'f32') }, attrs);
  const centred = ctx.emit(nnSub, { a: mean, b: ctx.scalar('f32', zeroPoint, 'zero_point') });
  const y = quantizedPerTensor(ctx, ctx.result(centred, x), x.type, { scale: 1, zeroPoint });
  return ctx.moved(y.value, x);
}

const scales = [
  'float? scales=None',
  'float? scales_h=None, float? scales_w=None',
  'float? scales_d=None, float? scales_h=None, float? scales_w=None',
];

const family = (name: string, rank: number, mode: Mode): readonly TorchOp[] => {
  const corners = mode === 'linear' ? ', bool align_corners' : '';
  return mover(
    [
      `aten::${name}(Tensor self, int[] output_size${corners}, ${scales[rank - 1]})`,
      `aten::${name}.vec(Tensor input, int[]? output_size${corners}, float[]? scale_factors=None)`,
    ],
    (ctx, x, args) => upsample(ctx, x, args, mode),
  );
};

export const upsampleOps: readonly TorchOp[] = [
  ...[1, 2, 3].flatMap((rank) => family(`upsample_nearest${rank}d`, rank, 'nearest')),
  ...family('upsample_linear1d', 1, 'linear'),
  ...family('upsample_bilinear2d', 2, 'linear'),
  ...family('upsample_trilinear3d', 3, 'linear'),
];
