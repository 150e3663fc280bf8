/** Normalizations, softmax and PReLU of quantized tensors. */

import {
  type Dim,
  nnAdd,
  nnClip,
  nnDiv,
  nnMul,
  nnReduceSum,
  nnSoftmax,
  nnSqrt,
  nnSub,
  qnnRequantize,
  type Value,
} from '../../../ir/index.ts';
import { quantizeByReciprocal, reciprocal32 } from '../../../numerics/index.ts';
import { dtypes, tensor } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { GraphTensor } from '../values.ts';
import { byteOf, outputOf, outputParameters, relu } from './elementwise.ts';
import { dequantized, numbersOf, quantizedPerTensor } from './quantize.ts';

type Quantized = ReturnType<TorchContext['quantized']>;

/** The integers less the zero point, as floats: exact. */
function centred(ctx: TorchContext, { value, quantization: { zeroPoint } }: Quantized): Value {
  return ctx.emit(nnSub, { a: ctx.cast(value, 'f32'), b: ctx.scalar('f32', zeroPoint, 'zero_point') });
}

/** Numbers of a parameter that may be absent, in binary32. */
const parameter = (ctx: TorchContext, args: Arguments, name: string, count: number, fallback: number): number[] => {
  if (!args.has(name)) return Array<number>(ctx.bounded(count, 'parameters')).fill(fallback);
  const values = numbersOf(ctx, args.tensor(name), 'parameters of a normalization');
  return values.length === count
    ? values
    : ctx.refuse(`'${name}' has ${values.length} elements, not ${count}`, 'U2005');
};

const channelsOf = (ctx: TorchContext, x: GraphTensor): number => ctx.staticShape([x.shape[1]], 'a normalization')[0];

/** [C, 1, …, 1], to broadcast along axis 1. */
const perChannel = (ctx: TorchContext, x: GraphTensor, values: readonly number[], name: string): Value =>
  ctx.reshape(ctx.floats(values, name), [values.length, ...x.shape.slice(2).map(() => 1)]);

/**
 * rne(fl(α·(q − z) + β)) + zy with
 * α = fl(fl(fl(1/fl(√fl(var + ε)))·weight)·fl(sx/sy)), β = fl(fl(bias − mean·weight/√(var + ε))/sy)
 */
function batchNorm(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.quantized(args.tensor('qx'));
  const to = { scale: args.number('output_scale'), zeroPoint: args.int('output_zero_point') };
  const channels = channelsOf(ctx, x);
  const f = Math.fround;
  const [weight, bias] = [parameter(ctx, args, 'weight', channels, 1), parameter(ctx, args, 'bias', channels, 0)];
  const [mean, variance] = [parameter(ctx, args, 'mean', channels, 0), parameter(ctx, args, 'var', channels, 1)];
  const [epsilon, ratio] = [f(args.number('eps')), f(f(x.quantization.scale) / f(to.scale))];
  const spread = variance.map((v, c) => f(f(1 / f(Math.sqrt(f(v + epsilon)))) * weight[c]));
  const alpha = spread.map((s) => f(s * ratio));
  const beta = spread.map((s, c) => f(f(bias[c] - f(mean[c] * s)) / f(to.scale)));
  const scaled = ctx.emit(nnMul, { a: centred(ctx, x), b: perChannel(ctx, x, alpha, 'scale') });
  const y = ctx.emit(nnAdd, { a: scaled, b: perChannel(ctx, x, beta, 'bias') });
  const one = { scale: 1, zeroPoint: to.zeroPoint };
  const q = quantizedPerTensor(ctx, ctx.result(y, x), x.type, one);
  return ctx.requantized(q.value, x.type, to, x.shape.length > 3);
}

/**
 * Over the last axis of `rows`, which may stand for several:
 *
 *   m = fl(fl(Σq)/n) − z    v = max(0, fl(fl(Σq²)/n) − m'²)    r = fl(s/√(v·s² + ε))    y = fl(fl((q − z − m)·r·γ) + β)
 *
 * m' is the mean of q itself; the sums are integers. A zero point moves no difference: everything is computed without it.
 */
function normalized(
  ctx: TorchContext,
  x: Quantized,
  rows: readonly Dim[],
  eps: number,
): { difference: Value; r: Value } {
  const [size] = ctx.staticShape(rows.slice(-1), 'a normalization');
  const [s, n] = [Math.fround(x.quantization.scale), ctx.scalar('f32', size, 'size')];
  const whole = ctx.reshape(ctx.cast(x.value, 's32'), rows);
  const sum = (v: Value): Value =>
    ctx.emit(nnDiv, {
      a: ctx.cast(ctx.emit(nnReduceSum, { x: v }, { axes: [rows.length - 1], keepdims: true }), 'f32'),
      b: n,
    });
  const mean = sum(whole);
  const squares = sum(ctx.emit(nnMul, { a: whole, b: whole }));
  const spread = ctx.emit(
    nnClip,
    { x: ctx.emit(nnSub, { a: squares, b: ctx.emit(nnMul, { a: mean, b: mean }) }) },
    { min: 0 },
  );
  const scale = ctx.scalar('f32', s, 'scale');
  const real = ctx.emit(nnMul, { a: ctx.emit(nnMul, { a: spread, b: scale }), b: scale });
  const deviation = ctx.emit(nnSqrt, { x: ctx.emit(nnAdd, { a: real, b: ctx.scalar('f32', eps, 'epsilon') }) });
  const zero = ctx.scalar('f32', x.quantization.zeroPoint, 'zero_point');
  const centre = ctx.emit(nnSub, { a: mean, b: zero });
  const difference = ctx.emit(nnSub, { a: ctx.emit(nnSub, { a: ctx.cast(whole, 'f32'), b: zero }), b: centre });
  return { difference, r: ctx.emit(nnDiv, { a: scale, b: deviation }) };
}

function quantizedEnd(ctx: TorchContext, args: Arguments, x: Quantized, y: Value): GraphTensor {
  return quantizedPerTensor(ctx, ctx.result(ctx.reshape(y, x.shape), x), x.type, outputOf(args));
}

function layerNorm(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.quantized(args.tensor('input'));
  const sizes = args.ints('normalized_shape');
  const size = sizes.reduce((a, b) => a * b, 1);
  const lead = x.shape.slice(0, x.shape.length - sizes.length);
  const { difference, r } = normalized(ctx, x, [...lead, size], args.number('eps'));
  const [gamma, beta] = [parameter(ctx, args, 'weight', size, 1), parameter(ctx, args, 'bias', size, 0)];
  const scaled = ctx.emit(nnMul, { a: ctx.emit(nnMul, { a: difference, b: r }), b: ctx.floats(gamma, 'scale') });
  return quantizedEnd(ctx, args, x, ctx.emit(nnAdd, { a: scaled, b: ctx.floats(beta, 'bias') }));
}

/** Groups of channels; as many groups as channels are an instance norm. */
function groupNorm(ctx: TorchContext, args: Arguments, groups: number): GraphTensor {
  const x = ctx.quantized(args.tensor('input'));
  const [batch, ...image] = x.shape;
  const sizes = ctx.staticShape(image, 'a normalization');
  const [channels, ...spatial] = sizes;
  if (groups < 1 || channels % groups !== 0) ctx.refuse(`${channels} channels for ${groups} groups`, 'U2005');
  const [per, positions] = [channels / groups, spatial.reduce((a, b) => a * b, 1)];
  const { difference, r } = normalized(ctx, x, [batch, groups, per * positions], args.number('eps'));
  const shape = (values: readonly number[], name: string): Value =>
    ctx.reshape(ctx.floats(values, name), [groups, per, 1]);
  const gamma = shape(parameter(ctx, args, 'weight', channels, 1), 'scale');
  const beta = shape(parameter(ctx, args, 'bias', channels, 0), 'bias');
  const factor = ctx.emit(nnMul, { a: ctx.reshape(r, [batch, groups, 1, 1]), b: gamma });
  const split = ctx.reshape(difference, [batch, groups, per, positions]);
  return quantizedEnd(ctx, args, x, ctx.emit(nnAdd, { a: ctx.emit(nnMul, { a: split, b: factor }), b: beta }));
}

/** In float between dequantize and quantize. */
function softmax(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.quantized(args.tensor('qx'));
  const axis = ctx.axis(args.int('dim'), x.shape.length);
  const y = ctx.emit(nnSoftmax, { x: dequantized(ctx, x).value }, { axis });
  return quantizedPerTensor(ctx, ctx.result(y, x), x.type, outputOf(args));
}

/**
 * rne(fl((q⁺·one + q⁻·w)·m)) + zy with m = fl(fl(sx·sw)·fl(1/sy)); q⁺ and q⁻ are q − zx above and below 0, w the
 * integers of the slopes less their zero point, one the quantized 1.
 */
function prelu(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.quantized(args.tensor('qx'));
  const slope = ctx.quantized(args.tensor('weight'));
  const [to, f] = [outputOf(args), Math.fround];
  const { scale: sw, zeroPoint: zw } = slope.quantization;
  const { min, max } = dtypes[byteOf(ctx, slope)];
  const one = quantizeByReciprocal(1, reciprocal32(f(sw)), zw, min, max) - zw;
  const slopes = numbersOf(ctx, args.tensor('weight'), 'slopes').map((q) => q - zw);
  const zero = ctx.scalar('s32', x.quantization.zeroPoint, 'source_zero_point');
  const centre = ctx.emit(nnSub, { a: ctx.cast(x.value, 's32'), b: zero });
  const side = (bounds: Readonly<Record<string, number>>, factors: readonly number[], name: string): Value => {
    const shape = factors.length === 1 ? [] : [factors.length, ...x.shape.slice(2).map(() => 1)];
    const by = ctx.constant(tensor('s32', Int32Array.from(factors), shape), name);
    return ctx.emit(nnMul, { a: ctx.emit(nnClip, { x: centre }, bounds), b: by });
  };
  const sum = ctx.emit(nnAdd, { a: side({ min: 0 }, [one], 'one'), b: side({ max: 0 }, slopes, 'slope') });
  const m = ctx.scalar('f32', f(f(x.quantization.scale) * f(sw)) * reciprocal32(f(to.scale)), 'multiplier');
  const y = ctx.emit(
    qnnRequantize,
    { x: sum, multiplier: m, zy: ctx.scalar(x.dtype, to.zeroPoint, 'zero_point') },
    { axis: 1 },
  );
  return ctx.requantized(y, x.type, to, x.channelsLast);
}

const withRelu = (schema: string, build: (ctx: TorchContext, args: Arguments) => GraphTensor): readonly TorchOp[] => [
  ...defineTorchOp({ schema, import: build }),
  ...defineTorchOp({ schema: schema.replace('(', '_relu('), import: (ctx, args) => relu(ctx, build(ctx, args)) }),
];

const statistics = 'Tensor? weight, Tensor? bias, Tensor mean, Tensor var, float eps';
const affine = 'Tensor? weight, Tensor? bias, float eps';

export const quantizedNormalizationOps: readonly TorchOp[] = [
  ...['batch_norm', 'batch_norm1d', 'batch_norm2d', 'batch_norm3d'].flatMap((name) =>
    withRelu(`quantized::${name}(Tensor qx, ${statistics}, ${outputParameters})`, batchNorm),
  ),
  ...defineTorchOp({
    schema: `quantized::layer_norm(Tensor input, int[] normalized_shape, ${affine}, ${outputParameters})`,
    import: layerNorm,
  }),
  ...defineTorchOp({
    schema: `quantized::group_norm(Tensor input, int num_groups, ${affine}, ${outputParameters})`,
    import: (ctx, args) => groupNorm(ctx, args, args.int('num_groups')),
  }),
  ...defineTorchOp({
    schema: `quantized::instance_norm(Tensor input, ${affine}, ${outputParameters})`,
    import: (ctx, args) => groupNorm(ctx, args, channelsOf(ctx, ctx.graph(args.tensor('input')))),
  }),
  ...defineTorchOp({ schema: `quantized::softmax(Tensor qx, int dim, ${outputParameters})`, import: softmax }),
  ...defineTorchOp({ schema: `quantized::prelu(Tensor qx, Tensor weight, ${outputParameters})`, import: prelu }),
];
