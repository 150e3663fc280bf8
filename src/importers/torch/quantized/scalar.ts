/** Sums and products of a quantized tensor and a number: mostly, only the parameters change. */

import { lutOf, qnnLut } from '../../../ir/index.ts';
import { reciprocal32, roundHalfEven } from '../../../numerics/index.ts';
import { dtypes } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { PerTensor, TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { GraphTensor } from '../values.ts';
import { byteOf, mapped, relu } from './elementwise.ts';

type Quantized = ReturnType<TorchContext['quantized']>;

/** A table of integers, saturated. */
function looked(ctx: TorchContext, x: Quantized, of: (q: number) => number, to: PerTensor): GraphTensor {
  const dtype = byteOf(ctx, x);
  const { min, max } = dtypes[dtype];
  const table = lutOf(dtype, dtype, (q) => Math.min(Math.max(of(q), min), max));
  const y = ctx.emit(qnnLut, { x: x.value, table: ctx.constant(table, 'table') });
  return ctx.requantized(y, x.type, to, x.channelsLast);
}

/**
 * x + c moves the zero point by rne(c/s) where it stays a value of the type. Where it does not, the range grows on that side:
 * s' = reach/(high − low)·s, z' the end of the type, y = rne(fl((q − z + rne(c/s))·fl(s·fl(1/s')))) + z'.
 */
function addScalar(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.quantized(args.tensor('qa'));
  const { scale, zeroPoint } = x.quantization;
  const { min, max } = dtypes[byteOf(ctx, x)];
  const steps = roundHalfEven(args.number('b') / scale);
  const moved = zeroPoint - steps;
  if (moved >= min && moved <= max)
    return ctx.requantized(x.value, x.type, { scale, zeroPoint: moved }, x.channelsLast);
  const reach = moved < min ? max - moved : moved - min;
  const to = { scale: (reach / (max - min)) * scale, zeroPoint: moved < min ? min : max };
  const factor = Math.fround(Math.fround(scale) * reciprocal32(Math.fround(to.scale)));
  const of = (q: number) => roundHalfEven(Math.fround((q - zeroPoint + steps) * factor)) + to.zeroPoint;
  return looked(ctx, x, of, to);
}

/** x·c multiplies the scale; a negative c also mirrors the integers. */
function multiplyScalar(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.quantized(args.tensor('qa'));
  const { scale, zeroPoint } = x.quantization;
  const { min, max } = dtypes[byteOf(ctx, x)];
  const factor = args.number('b');
  if (factor > 0) return ctx.requantized(x.value, x.type, { scale: scale * factor, zeroPoint }, x.channelsLast);
  if (factor === 0) return looked(ctx, x, () => 0, { scale: 1, zeroPoint: 0 });
  return looked(ctx, x, (q) => max + min - q, { scale: -factor * scale, zeroPoint: max - (zeroPoint - min) });
}

const family = (name: string, build: (ctx: TorchContext, args: Arguments) => GraphTensor): readonly TorchOp[] => [
  ...defineTorchOp({
    schema: [`${name}_scalar`, `${name}.Scalar`].map((form) => `quantized::${form}(Tensor qa, Scalar b)`),
    keepsShape: true,
    import: build,
  }),
  ...defineTorchOp({
    schema: [`${name}_scalar_relu`, `${name}_relu.Scalar`].map((form) => `quantized::${form}(Tensor qa, Scalar b)`),
    keepsShape: true,
    import: (ctx, args) => relu(ctx, build(ctx, args)),
  }),
];

export const quantizedScalarOps: readonly TorchOp[] = [
  ...family('add', addScalar),
  ...family('mul', multiplyScalar),
  ...defineTorchOp({
    schema: 'quantized::threshold(Tensor qx, Scalar threshold, Scalar value)',
    keepsShape: true,
    import(ctx, args) {
      const [least, value] = [Math.fround(args.number('threshold')), Math.fround(args.number('value'))];
      return mapped(ctx, args.tensor('qx'), (x) => (x > least ? x : value), undefined);
    },
  }),
];
