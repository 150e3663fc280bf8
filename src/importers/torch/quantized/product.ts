/** quantized::conv and quantized::linear: the integer sum, and its end as each engine computes it. */

import type { ScalarType, TensorQuantization } from '../../../formats/torch/index.ts';
import { atChannel, nnAdd, nnMul, qnnDynamicQuantize, qnnRequantize, type Value } from '../../../ir/index.ts';
import { reciprocal32, roundHalfEven, saturate } from '../../../numerics/index.ts';
import { type ITensor, tensor } from '../../../tensors/index.ts';
import { requantized } from '../../kit/requantize.ts';
import type { PerTensor, TorchContext } from '../operators/context.ts';
import { engineOf, type TorchEngine } from '../operators/engine.ts';
import type { GraphTensor, PackedWeights } from '../values.ts';

/** Weights as the integer operators take them. */
export interface Weights {
  readonly w: Value;
  /** Absent when all are 0. */
  readonly zw: Value | undefined;
  /** One, or one for each output channel. */
  readonly scales: readonly number[];
  /** float32, one for each output channel. */
  readonly bias: readonly number[] | undefined;
  /** Whose kernel takes them. */
  readonly engine: TorchEngine;
}

/** The layout of the integers of a weight for an operator; arranged when they are first read. */
export interface Layout {
  readonly shape: readonly number[];
  readonly arrange?: (integers: ITensor) => ITensor;
}

export function weightsOf(
  ctx: TorchContext,
  { weight, bias, conv }: PackedWeights,
  { shape, arrange }: Layout,
  channels: number,
): Weights {
  const { quantization: q, type } = weight;
  if (q === undefined || type.name !== 'qint8') return ctx.unsupported(`weights of ${type.name}`);
  if (bias && bias.count !== channels)
    ctx.refuse(`the bias has ${bias.count} elements for ${channels} channels`, 'U2005');
  const zeroPoints = q.kind === 'per-tensor' ? [q.zeroPoint] : q.zeroPoints;
  const scales = (q.kind === 'per-tensor' ? [q.scale] : q.scales).map(Math.fround);
  checkScales(ctx, scales);
  const w = ctx.lazy(
    { dtype: 's8', shape },
    () => ({ ...(arrange ? arrange(weight.tensor()) : weight.tensor()), shape }),
    'weight',
  );
  const zero = zeroPoints.every((z) => z === 0)
    ? undefined
    : ctx.constant(
        tensor(
          's8',
          Int8Array.from(zeroPoints, (z) => saturate('s8', z)),
          zeroPoints.length === 1 ? [] : undefined,
        ),
        'weight_zero_point',
      );
  return { w, zw: zero, scales, bias: bias?.numbers(), engine: engineOf(ctx.profile, q, conv) };
}

function checkScales(ctx: TorchContext, scales: readonly number[]): void {
  const wrong = scales.find((scale) => !(scale > 0 && scale < Infinity));
  if (wrong !== undefined) ctx.refuse(`a scale is ${wrong}, it has to be positive and finite`, 'U2007');
}

/** Checks that weights are quantized along the axis of the output channels. */
export function checkAxis(ctx: TorchContext, q: TensorQuantization | undefined, axis: number): void {
  if (q?.kind === 'per-channel' && q.axis !== axis) ctx.unsupported(`weights quantized along axis ${q.axis}`);
}

export interface End extends PerTensor {
  readonly relu: boolean;
  readonly type: ScalarType;
}

/**
 * From the sum to the result; channels on `axis`.
 *
 *   qnnpack  rne(fl(fl(A + b)·m)) + zy    b = rne(fl(bias·fl(1/fl(sx·sw)))) in int32   m = fl(fl(sx·sw)·fl(1/sy))
 *   fbgemm   rne(fl(fl(fl(A) + b)·m)) + zy    b = fl(bias/fl(sx·sw))                     m = fl(fl(sx·sw)/sy)
 *   onednn   rne(fl(fl(fl(fl(fl(A)·fl(sx·sw)) + bias))·fl(1/sy)) + zy)
 *
 * A ReLU is the lower bound zy: all of them are monotone.
 */
export function requantize(
  ctx: TorchContext,
  sum: Value,
  { scales, bias, engine }: Weights,
  sx: number,
  end: End,
  axis: number,
): Value {
  checkScales(ctx, [Math.fround(end.scale), sx]);
  ctx.evidence.activation(end.type, end.zeroPoint);
  const rank = sum.type.shape.length;
  const perChannel = (values: readonly number[], make: (t: readonly number[]) => ITensor, name: string): Value => {
    const t = make(values);
    return ctx.constant(
      { ...t, shape: Array.from({ length: rank - axis }, (_, i) => (i === 0 ? values.length : 1)) },
      name,
    );
  };
  const f32 = (values: readonly number[]): ITensor => tensor('f32', Float32Array.from(values));
  const product = scales.map((sw) => Math.fround(sx * sw));
  const scaleAt = (c: number): number => atChannel(product, c);
  const { zeroPoint, relu } = end;
  const zy = ctx.scalar(end.type.dtype, zeroPoint, 'zero_point');
  const bounds = relu ? { low: zeroPoint } : {};
  if (engine === 'torch-onednn') {
    let t = ctx.emit(nnMul, { a: ctx.cast(sum, 'f32'), b: perChannel(product, f32, 'scale') });
    if (bias) t = ctx.emit(nnAdd, { a: t, b: perChannel(bias, f32, 'bias') });
    const inverse = ctx.scalar('f32', Math.fround(1 / end.scale), 'multiplier'); // this engine inverts in binary64
    return ctx.emit(qnnRequantize, { x: t, multiplier: inverse, zy }, { axis, zeroPointAt: 'before', ...bounds });
  }
  const isFbgemm = engine === 'torch-fbgemm';
  let x = sum;
  if (bias && isFbgemm) {
    const scaled = bias.map((b, c) => Math.fround(b / scaleAt(c)));
    x = ctx.emit(nnAdd, { a: ctx.cast(sum, 'f32'), b: perChannel(scaled, f32, 'bias') });
  } else if (bias) {
    const integers = bias.map((b, c) => saturate('s32', roundHalfEven(Math.fround(b * reciprocal32(scaleAt(c))))));
    x = ctx.emit(nnAdd, { a: sum, b: perChannel(integers, (v) => tensor('s32', Int32Array.from(v)), 'bias') });
  }
  const known = { source: sx, weights: scales, result: Math.fround(end.scale) };
  return requantized(ctx, engine, x, known, zy, { axis, ...bounds });
}

/** The zero point of a source, absent when 0. */
export const sourceZeroPoint = (ctx: TorchContext, x: GraphTensor, zeroPoint: number): Value | undefined =>
  zeroPoint === 0 ? undefined : ctx.scalar(x.dtype, zeroPoint, 'source_zero_point');

/** The range of all of x, in [0, 127] with `reduce_range`, which onednn and fbgemm heed against saturation and qnnpack does not. */
export function dynamicallyQuantized(ctx: TorchContext, x: GraphTensor, reduceRange: boolean): Dynamic {
  ctx.evidence.dynamicLayers++;
  const high = reduceRange && ctx.profile !== 'torch-qnnpack' ? 127 : 255;
  const attrs = { recipe: 'torch', high } as const;
  const { y: q, scale, zp: zeroPoint } = ctx.emit(qnnDynamicQuantize, { x: ctx.cast(x.value, 'f32') }, attrs);
  return { q, scale, zeroPoint };
}

export interface Dynamic {
  readonly q: Value;
  readonly scale: Value;
  readonly zeroPoint: Value;
}

/** fl(fl(A·fl(sx·sw)) + bias), channels on `axis` */
export function dynamicEnd(
  ctx: TorchContext,
  sum: Value,
  scale: Value,
  { scales, bias }: Weights,
  axis: number,
): Value {
  const perChannel = (values: readonly number[], name: string): Value =>
    ctx.reshape(ctx.floats(values, name), [values.length, ...sum.type.shape.slice(axis + 1).map(() => 1)]);
  const weightScale = scales.length === 1 ? ctx.scalar('f32', scales[0], 'scale') : perChannel(scales, 'scale');
  const y = ctx.emit(nnMul, { a: ctx.cast(sum, 'f32'), b: ctx.emit(nnMul, { a: scale, b: weightScale }) });
  return bias ? ctx.emit(nnAdd, { a: y, b: perChannel(bias, 'bias') }) : y;
}

/** Notes a layer whose source has fixed parameters: it helps to infer the engine. */
export function noteLayer(ctx: TorchContext, x: GraphTensor, { weight }: PackedWeights): void {
  if (weight.quantization) ctx.evidence.layer(x.type, weight.quantization);
}
