/** Operators from quantized tensors to quantized tensors, except products and pools. */

import { lutOf, nnConcat, qnnAdd, qnnLut, qnnMul } from '../../../ir/index.ts';
import {
  elu,
  type FloatFunction,
  gelu,
  leakyRelu,
  quantizeByReciprocal,
  reciprocal32,
  sigmoid,
  type TableOrder,
  tanh,
  torchTable,
} from '../../../numerics/index.ts';
import { type ByteType, dtypes, isByteType, tensor } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { PerTensor, TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { GraphTensor, TensorLike } from '../values.ts';

export function byteOf(ctx: TorchContext, x: GraphTensor): ByteType {
  const { dtype } = x;
  return isByteType(dtype) ? dtype : ctx.unsupported(`a quantized tensor of ${x.type.name}`);
}

/** y = quantize(f(dequantize(x))) by a table. */
export function mapped(
  ctx: TorchContext,
  input: TensorLike,
  f: FloatFunction,
  to: PerTensor | undefined,
  order: TableOrder = {},
): GraphTensor {
  const x = ctx.quantized(input);
  const dtype = byteOf(ctx, x);
  const quantization = to ?? x.quantization;
  const table = torchTable({ dtype, ...float32(x.quantization) }, f, { dtype, ...float32(quantization) }, order);
  const y = ctx.emit(qnnLut, { x: x.value, table: ctx.constant(tensor(dtype, table), 'table') });
  return ctx.requantized(y, x.type, quantization, x.channelsLast);
}

const float32 = ({ scale, zeroPoint }: PerTensor): PerTensor => ({ scale: Math.fround(scale), zeroPoint });

/** The engine qnnpack has tables of its own for some functions. */
export const tableOrder = (ctx: TorchContext): TableOrder => ({
  zeroPoint: ctx.profile === 'torch-qnnpack' ? 'before' : 'after',
});

/** clamp(x, low, high), both real numbers, in the parameters of x. */
export function clamped(
  ctx: TorchContext,
  input: TensorLike,
  low: number | undefined,
  high: number | undefined,
): GraphTensor {
  const x = ctx.quantized(input);
  const dtype = byteOf(ctx, x);
  const { min, max } = dtypes[dtype];
  const { scale, zeroPoint } = x.quantization;
  const bound = (real: number | undefined, fallback: number) =>
    real === undefined ? fallback : quantizeByReciprocal(Math.fround(real), reciprocal32(scale), zeroPoint, min, max);
  const [least, greatest] = [bound(low, min), bound(high, max)];
  const table = lutOf(dtype, dtype, (q) => Math.min(Math.max(q, least), greatest));
  const y = ctx.emit(qnnLut, { x: x.value, table: ctx.constant(table, 'table') });
  return ctx.moved(y, x);
}

export const relu = (ctx: TorchContext, x: TensorLike): GraphTensor => clamped(ctx, x, 0, undefined);

/** fl(fl(x·clamp(x + 3, 0, 6))/6), as PyTorch orders it. */
export const hardSwish: FloatFunction = (x) => {
  const gate = Math.min(Math.max(Math.fround(x + 3), 0), 6);
  return Math.fround(Math.fround(x * gate) / 6);
};
export const hardSigmoid: FloatFunction = (x) => Math.fround(Math.min(Math.max(Math.fround(x + 3), 0), 6) / 6);

/** Results whose parameters PyTorch fixes. */
const unit: PerTensor = { scale: 1 / 256, zeroPoint: 0 };
const fixed = {
  'aten::sigmoid': { f: sigmoid, to: unit, toS8: { scale: 1 / 256, zeroPoint: -128 } },
  'aten::hardsigmoid': { f: hardSigmoid, to: unit, toS8: { scale: 1 / 256, zeroPoint: -128 } },
  'aten::tanh': { f: tanh, to: { scale: 1 / 128, zeroPoint: 128 }, toS8: { scale: 1 / 128, zeroPoint: 0 } },
} as const;

export function withFixedParameters(ctx: TorchContext, name: keyof typeof fixed, x: TensorLike): GraphTensor {
  const { f, to, toS8 } = fixed[name];
  return mapped(ctx, x, f, ctx.quantized(x).dtype === 's8' ? toS8 : to, tableOrder(ctx));
}

export const outputOf = (args: Arguments): PerTensor => ({
  scale: args.number('output_scale'),
  zeroPoint: args.int('output_zero_point'),
});

/** quantized::add and quantized::mul; a sum follows the recipe of the engine. */
function binary(op: typeof qnnAdd | typeof qnnMul, hasRelu: boolean) {
  return (ctx: TorchContext, args: Arguments): GraphTensor => {
    const [a, b] = [ctx.quantized(args.tensor('qa')), ctx.quantized(args.tensor('qb'))];
    const dtype = byteOf(ctx, a);
    const to = outputOf(args);
    ctx.evidence.activation(a.type, to.zeroPoint);
    const isFixedPoint = op === qnnAdd && ctx.profile === 'torch-qnnpack' && dtype === 'u8' && sameShape(a, b);
    const parametersOf = ({ scale, zeroPoint }: PerTensor) =>
      [ctx.scalar('f32', scale, 'scale'), ctx.scalar(dtype, zeroPoint, 'zero_point')] as const;
    const [sa, za] = parametersOf(a.quantization);
    const [sb, zb] = parametersOf(b.quantization);
    const [sy, zy] = parametersOf(to);
    const operands = { a: a.value, sa, za, b: b.value, sb, zb, sy, zy };
    const y =
      op === qnnAdd
        ? ctx.emit(qnnAdd, operands, { recipe: isFixedPoint ? 'qnnpack' : 'torch' })
        : ctx.emit(qnnMul, operands, { recipe: 'torch' });
    const sum = ctx.requantized(y, a.type, to, a.channelsLast || (b.channelsLast && !sameShape(a, b)));
    return hasRelu ? relu(ctx, sum) : sum;
  };
}

const sameShape = (a: GraphTensor, b: GraphTensor): boolean => String(a.shape) === String(b.shape);

function concatenate(ctx: TorchContext, args: Arguments): GraphTensor {
  const parts = args.tensors('qx').map((part) => ctx.quantized(part));
  if (parts.length === 0) ctx.refuse('nothing is concatenated');
  const to = { scale: args.number('scale'), zeroPoint: args.int('zero_point') };
  const axis = ctx.axis(args.int('dim'), parts[0].shape.length);
  const isLast = parts.every((part) => ctx.formatOf(part).isChannelsLast);
  const values = withParameters(ctx, parts, to, axis === 1 && isLast).map(({ value }) => value);
  const y = values.length === 1 ? values[0] : ctx.emit(nnConcat, { xs: values }, { axis });
  return ctx.requantized(
    y,
    parts[0].type,
    to,
    parts.every((part) => part.channelsLast),
  );
}

/** Tensors to be joined, in the parameters of the result; only the kernel for channels-last tensors along axis 1 is vector code. */
export function withParameters(
  ctx: TorchContext,
  parts: readonly GraphTensor[],
  to: PerTensor,
  isVectorCode: boolean,
): readonly GraphTensor[] {
  const dequantize = isVectorCode ? 'fused' : 'plain';
  return parts.map((part) => {
    const { scale, zeroPoint } = ctx.quantized(part).quantization;
    const same = scale === to.scale && zeroPoint === to.zeroPoint;
    return same ? part : mapped(ctx, part, (real) => real, to, { dequantize });
  });
}

export const table = (
  schema: string,
  f: (ctx: TorchContext, args: Arguments) => FloatFunction,
  order: (ctx: TorchContext) => TableOrder = () => ({}),
): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    keepsShape: true,
    import: (ctx, args) => mapped(ctx, args.tensor('qx'), f(ctx, args), outputOf(args), order(ctx)),
  });

const binaryParameters = '(Tensor qa, Tensor qb, float output_scale, int output_zero_point)';
export const outputParameters = 'float output_scale, int output_zero_point';

export const quantizedElementwiseOps: readonly TorchOp[] = [
  ...defineTorchOp({ schema: `quantized::add${binaryParameters}`, import: binary(qnnAdd, false) }),
  ...defineTorchOp({ schema: `quantized::add_relu${binaryParameters}`, import: binary(qnnAdd, true) }),
  ...defineTorchOp({ schema: `quantized::mul${binaryParameters}`, import: binary(qnnMul, false) }),
  ...defineTorchOp({ schema: `quantized::mul_relu${binaryParameters}`, import: binary(qnnMul, true) }),
  ...defineTorchOp({
    schema: 'quantized::cat(Tensor[] qx, int dim, float scale, int zero_point)',
    import: concatenate,
  }),
  ...defineTorchOp({
    schema: 'quantized::cat_relu(Tensor[] qx, int dim, float scale, int zero_point)',
    import: (ctx, args) => relu(ctx, concatenate(ctx, args)),
  }),
  ...defineTorchOp({
    schema: 'quantized::relu6(Tensor qx, bool inplace=False)',
    keepsShape: true,
    import: (ctx, args) => clamped(ctx, args.tensor('qx'), 0, 6),
  }),
  ...defineTorchOp({
    schema: 'quantized::clamp(Tensor qx, Scalar? min=None, Scalar? max=None)',
    keepsShape: true,
    import: (ctx, args) =>
      clamped(
        ctx,
        args.tensor('qx'),
        args.has('min') ? args.number('min') : undefined,
        args.has('max') ? args.number('max') : undefined,
      ),
  }),
  ...table(`quantized::leaky_relu(Tensor qx, Scalar negative_slope, bool inplace, ${outputParameters})`, (_ctx, args) =>
    leakyRelu(Math.fround(args.number('negative_slope'))),
  ),
  ...table(`quantized::hardswish(Tensor qx, ${outputParameters})`, () => hardSwish, tableOrder),
  ...table(`quantized::sigmoid(Tensor qx, ${outputParameters})`, () => sigmoid, tableOrder),
  ...table(
    `quantized::elu(Tensor qx, ${outputParameters}, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1)`,
    (ctx, args) => {
      if (args.number('scale') !== 1 || args.number('input_scale') !== 1) ctx.unsupported('a scaled elu');
      return elu(Math.fround(args.number('alpha')));
    },
  ),
  ...table(`quantized::celu(Tensor qx, ${outputParameters}, Scalar alpha=1)`, (_ctx, args) => {
    const alpha = Math.fround(args.number('alpha'));
    return (x) => (x > 0 ? x : Math.fround(alpha * Math.fround(Math.expm1(Math.fround(x / alpha)))));
  }),
  ...table(`quantized::gelu(Tensor qx, ${outputParameters})`, () => gelu),
];
