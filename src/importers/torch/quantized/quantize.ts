/** From floats to quantized tensors and back. */

import { type ScalarType, scalarTypes, TorchTensor } from '../../../formats/torch/index.ts';
import { isWordOf, lutOf, qnnDequantize, qnnLut, qnnQuantize } from '../../../ir/index.ts';
import { quantizeByReciprocal, reciprocal32 } from '../../../numerics/index.ts';
import { dtypes, tensor } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { PerTensor, TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { GraphTensor, isUnderstood, numberOf, type TensorLike, type TorchValue } from '../values.ts';
import { byteOf } from './elementwise.ts';

/** The element type of a quantization; integers of 8 bits only. */
function quantizedType(ctx: TorchContext, args: Arguments): ScalarType {
  const type = args.scalarType('dtype');
  return type?.isQuantized && type.dtype !== 's32' ? type : ctx.unsupported(`quantization to ${type?.name}`);
}

function checkScale(ctx: TorchContext, scale: number): void {
  if (!(scale > 0 && scale < Infinity)) ctx.refuse(`the scale is ${scale}, it has to be positive`, 'U2007');
}

const attrsOf = (ctx: TorchContext, { dtype }: ScalarType) => ({
  dtype: isWordOf(qnnQuantize.attrs.dtype, dtype) ? dtype : ctx.unsupported(`quantization to ${dtype}`),
  arithmetic: 'reciprocal' as const,
});

/** rne(fl(x·fl(1/s))) + z, saturated */
export function quantizedPerTensor(ctx: TorchContext, x: GraphTensor, type: ScalarType, to: PerTensor): GraphTensor {
  checkScale(ctx, to.scale);
  const scale = ctx.scalar('f32', to.scale, 'scale');
  const zp = ctx.scalar(type.dtype, to.zeroPoint, 'zero_point');
  const y = ctx.emit(qnnQuantize, { x: ctx.cast(x.value, 'f32'), scale, zp }, attrsOf(ctx, type));
  return ctx.requantized(y, type, to, x.channelsLast);
}

/** A stored tensor is quantized now: weights have to be known. */
function stored(ctx: TorchContext, x: TorchTensor, type: ScalarType, to: PerTensor): TorchTensor {
  checkScale(ctx, to.scale);
  const { min, max } = dtypes[type.dtype];
  const reciprocal = reciprocal32(Math.fround(to.scale));
  const values = x.numbers().map((v) => quantizeByReciprocal(v, reciprocal, to.zeroPoint, min, max));
  return TorchTensor.of(type, values, x.shape, { kind: 'per-tensor', ...to });
}

/** The elements of a stored tensor, or of a constant of the graph. */
export function numbersOf(ctx: TorchContext, x: TensorLike, name: string): number[] {
  if (x instanceof TorchTensor) return x.numbers();
  const known = x instanceof GraphTensor ? ctx.constantOf(x.value) : undefined;
  return known ? Array.from<number | bigint, number>(known.data, Number) : ctx.unsupported(`${name} that are computed`);
}

function quantizePerChannel(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  const type = quantizedType(ctx, args);
  const axis = ctx.axis(args.int('axis'), x.shape.length);
  const scales = numbersOf(ctx, args.tensor('scales'), 'scales');
  const zeroPoints = numbersOf(ctx, args.tensor('zero_points'), 'zero points');
  if (scales.length !== x.shape[axis] || zeroPoints.length !== scales.length)
    ctx.refuse(`${scales.length} scales, ${zeroPoints.length} zero points along an axis of ${x.shape[axis]}`, 'U2007');
  if (zeroPoints.some((z) => !Number.isInteger(z))) ctx.unsupported('zero points that are not integers');
  for (const scale of scales) checkScale(ctx, Math.fround(scale));
  const scale = ctx.floats(scales, 'scale');
  const zp = ctx.constant(tensor(type.dtype, zeroPoints), 'zero_point');
  const y = ctx.emit(qnnQuantize, { x: ctx.cast(x.value, 'f32'), scale, zp }, { axis, ...attrsOf(ctx, type) });
  const quantization = { kind: 'per-channel', scales, zeroPoints, axis } as const;
  return new GraphTensor(y, type, { quantization, channelsLast: x.channelsLast });
}

export function dequantized(ctx: TorchContext, input: TensorLike): GraphTensor {
  const x = ctx.graph(input);
  const q = x.quantization;
  if (q === undefined) return x; // a float tensor stays what it is
  const isPerTensor = q.kind === 'per-tensor';
  const [scales, zeroPoints] = isPerTensor ? [[q.scale], [q.zeroPoint]] : [q.scales, q.zeroPoints];
  if (zeroPoints.some((z) => !Number.isInteger(z))) ctx.unsupported('zero points that are not integers');
  const shape = isPerTensor ? [] : undefined;
  const scale = ctx.constant(tensor('f32', Float32Array.from(scales), shape), 'scale');
  const zero = ctx.constant(tensor(x.dtype, zeroPoints, shape), 'zero_point');
  const y = ctx.emit(qnnDequantize, { x: x.value, scale, zp: zero }, { axis: isPerTensor ? 0 : q.axis });
  return ctx.result(y, x);
}

/** Fake quantization of a trained network: clamp(rne(x·fl(1/s) + z), low, high), dequantized. */
function fakeQuantized(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  const [low, high] = [args.int('quant_min'), args.int('quant_max')];
  const type = low < 0 ? scalarTypes.qint8 : scalarTypes.quint8;
  const { min, max } = dtypes[type.dtype];
  if (low < min || high > max) ctx.unsupported(`a range of ${low} to ${high}`);
  const to = { scale: args.number('scale'), zeroPoint: args.int('zero_point') };
  const q = quantizedPerTensor(ctx, x, type, to);
  const dtype = byteOf(ctx, q);
  const table = lutOf(dtype, dtype, (v) => Math.min(Math.max(v, low), high));
  const bounded =
    low === min && high === max ? q.value : ctx.emit(qnnLut, { x: q.value, table: ctx.constant(table, 'range') });
  return dequantized(ctx, ctx.moved(bounded, q));
}

/** One number: from the code, a stored tensor, or a constant of the graph. */
function scalarOf(ctx: TorchContext, value: TorchValue, name: string): number {
  const number = numberOf(value);
  if (number !== undefined) return number;
  return isUnderstood(value) ? numbersOf(ctx, value, name)[0] : ctx.unsupported(`${name} that are computed`);
}

export const quantizeOps: readonly TorchOp[] = [
  ...defineTorchOp({
    schema: 'aten::quantize_per_tensor(Tensor self, any scale, any zero_point, ScalarType dtype)',
    keepsShape: true,
    import(ctx, args) {
      const x = args.tensor('self');
      const type = quantizedType(ctx, args);
      const to = {
        scale: scalarOf(ctx, args.value('scale'), 'scales'),
        zeroPoint: Math.trunc(scalarOf(ctx, args.value('zero_point'), 'zero points')),
      };
      ctx.evidence.activation(type, to.zeroPoint);
      return x instanceof TorchTensor ? stored(ctx, x, type, to) : quantizedPerTensor(ctx, ctx.graph(x), type, to);
    },
  }),
  ...defineTorchOp({
    schema: 'aten::quantize_per_channel(Tensor self, Tensor scales, Tensor zero_points, int axis, ScalarType dtype)',
    import: quantizePerChannel,
  }),
  ...defineTorchOp({
    schema: 'aten::dequantize.self(Tensor self)',
    keepsShape: true,
    import: (ctx, args) => dequantized(ctx, args.tensor('self')),
  }),
  ...defineTorchOp({
    schema: 'aten::dequantize.tensors(Tensor[] tensors)',
    import: (ctx, args) => args.tensors('tensors').map((x) => dequantized(ctx, x)),
  }),
  ...defineTorchOp({
    schema: 'aten::int_repr(Tensor self)',
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return x.quantization ? ctx.result(x.value, x) : ctx.refuse('the integers of a tensor that is not quantized');
    },
  }),
  ...defineTorchOp({
    schema:
      'aten::fake_quantize_per_tensor_affine(Tensor self, float scale, int zero_point, int quant_min, int quant_max)',
    import: fakeQuantized,
  }),
];
