/** quantized::linear and its dynamic form. */
import { nnAdd, nnMatmul, nnRelu, qnnMatmul } from '../../../ir/index.ts';
import { halfToNumber, numberToHalf } from '../../../numerics/index.ts';
import { type ITensor, tensor, transposed } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { outputOf } from './elementwise.ts';
import {
  checkAxis,
  dynamicallyQuantized,
  dynamicEnd,
  noteLayer,
  requantize,
  sourceZeroPoint,
  type Weights,
  weightsOf,
} from './product.ts';
import { dequantized, quantizedPerTensor } from './quantize.ts';

/** [out, in] -> [in, out], which is how a matmul has it. */
const asFactor = (weight: ITensor): ITensor => transposed(weight, [1, 0]);

function linearWeights(ctx: TorchContext, args: Arguments): Weights & { readonly inputs: number } {
  const packed = args.packed('packed_weight');
  const { shape, quantization } = packed.weight;
  if (packed.conv || shape.length !== 2) return ctx.refuse(`weights of shape [${shape}] in a linear layer`, 'U2005');
  checkAxis(ctx, quantization, 0);
  return {
    ...weightsOf(ctx, packed, { shape: [shape[1], shape[0]], arrange: asFactor }, shape[0]),
    inputs: shape[1],
  };
}

function linear(ctx: TorchContext, args: Arguments, relu: boolean) {
  const weights = linearWeights(ctx, args);
  const x = ctx.quantized(ctx.rows(args.tensor('qx'), weights.inputs));
  noteLayer(ctx, x, args.packed('packed_weight'));
  const sum = ctx.emit(qnnMatmul, {
    a: x.value,
    b: weights.w,
    za: sourceZeroPoint(ctx, x, x.quantization.zeroPoint),
    zb: weights.zw,
  });
  const end = { scale: args.number('output_scale'), zeroPoint: args.int('output_zero_point') };
  const sx = Math.fround(x.quantization.scale);
  const y = requantize(ctx, sum, weights, sx, { ...end, relu, type: x.type }, sum.type.shape.length - 1);
  return ctx.requantized(y, x.type, end, false);
}

/** The source is quantized with the range of this call, all of its batch; y = fl(fl(A·fl(sx·sw)) + bias) in float. */
function linearDynamic(ctx: TorchContext, args: Arguments, relu: boolean) {
  const weights = linearWeights(ctx, args);
  const x = ctx.rows(args.tensor('x'), weights.inputs);
  const { q, scale, zeroPoint } = dynamicallyQuantized(ctx, x, args.bool('reduce_range'));
  const sum = ctx.emit(qnnMatmul, { a: q, b: weights.w, za: zeroPoint, zb: weights.zw });
  const y = dynamicEnd(ctx, sum, scale, weights, sum.type.shape.length - 1);
  return ctx.result(relu ? ctx.emit(nnRelu, { x: y }) : y);
}

/** Weights rounded to half precision when they were packed; everything is computed in float. */
function linearHalf(ctx: TorchContext, args: Arguments, relu: boolean) {
  const { weight, bias } = args.packed('packed_weight');
  const { shape, type } = weight;
  if (shape.length !== 2 || !type.name.startsWith('float')) return ctx.unsupported(`weights of ${type.name}`);
  const x = ctx.rows(args.tensor('x'), shape[1]);
  const turned = [shape[1], shape[0]];
  const load = () => {
    const { data } = asFactor(weight.tensor());
    return tensor(
      'f32',
      Array.from<number | bigint, number>(data, (w) => halfToNumber(numberToHalf(Number(w)))),
      turned,
    );
  };
  const w =
    type.dtype === 'f32'
      ? ctx.lazy({ dtype: 'f32', shape: turned }, load, 'weight')
      : ctx.unsupported(`weights of ${type.name}`);
  let y = ctx.emit(nnMatmul, { a: x.value, b: w });
  if (bias) y = ctx.emit(nnAdd, { a: y, b: ctx.floats(bias.numbers(), 'bias') });
  return ctx.result(relu ? ctx.emit(nnRelu, { x: y }) : y);
}

const parameters = '(Tensor qx, packed packed_weight, float output_scale, int output_zero_point)';
const dynamic = '(Tensor x, packed packed_weight, bool reduce_range=False)';

export const quantizedLinearOps: readonly TorchOp[] = [
  ...defineTorchOp({ schema: `quantized::linear${parameters}`, import: (ctx, args) => linear(ctx, args, false) }),
  ...defineTorchOp({ schema: `quantized::linear_relu${parameters}`, import: (ctx, args) => linear(ctx, args, true) }),
  ...defineTorchOp({
    schema: `quantized::linear_dynamic${dynamic}`,
    import: (ctx, args) => linearDynamic(ctx, args, false),
  }),
  ...defineTorchOp({
    schema: `quantized::linear_relu_dynamic${dynamic}`,
    import: (ctx, args) => linearDynamic(ctx, args, true),
  }),
  ...defineTorchOp({
    schema: 'quantized::linear_dynamic_fp16(Tensor x, packed packed_weight)',
    import: (ctx, args) => linearHalf(ctx, args, false),
  }),
  ...defineTorchOp({
    schema: 'quantized::linear_relu_dynamic_fp16(Tensor x, packed packed_weight)',
    import: (ctx, args) => linearHalf(ctx, args, true),
  }),
  ...defineTorchOp({
    schema: 'quantized::matmul(Tensor qa, Tensor qb, float output_scale, int output_zero_point)',
    import(ctx, args) {
      const [a, b] = ['qa', 'qb'].map((name) => ctx.quantized(args.tensor(name)));
      const product = ctx.emit(nnMatmul, { a: dequantized(ctx, a).value, b: dequantized(ctx, b).value });
      return quantizedPerTensor(ctx, ctx.result(product), a.type, outputOf(args));
    },
  }),
];
