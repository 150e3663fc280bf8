/** quantized_decomposed, the operators of PT2E: torch/ao/quantization/fx/_decomposed.py of PyTorch. */

import { nnReduceMax, nnReduceMin, type Value } from '../../../ir/index.ts';
import type { DType } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import type { TorchOp } from '../operators/define_torch_op.ts';
import { isUnderstood } from '../values.ts';
import { libraryOp, optional } from './library_op.ts';
import { chosen, dequantized, type Parameters, quantized, type Range, rangeOf } from './quantization.ts';

/** `.default` has numbers, `.tensor` tensors of one element, `.tensor2` such tensors for the range as well. */
const perTensor = (name: string, more = ''): readonly string[] => {
  const range = 'Operand quant_min, Operand quant_max, ScalarType dtype';
  return ['default', 'tensor', 'tensor2'].map(
    (overload) =>
      `quantized_decomposed::${name}.${overload}(Tensor input, Operand scale, Operand zero_point, ${range}${more})`,
  );
};
const outputDtype = ', ScalarType? out_dtype=None';

/** A number, or the tensor in its place. */
function operand(ctx: TorchContext, args: Arguments, name: string): Value | number {
  const value = args.value(name);
  return isUnderstood(value) ? ctx.plain(value) : args.number(name);
}

/** A number, or the one element of a constant. */
function known(ctx: TorchContext, args: Arguments, name: string): number {
  const value = operand(ctx, args, name);
  if (typeof value === 'number') return value;
  const constant = ctx.constantOf(value);
  if (constant?.data.length !== 1) return ctx.unsupported(`'${name}' is computed while the model runs`);
  return Number(constant.data[0]);
}

function rangeOfNode(ctx: TorchContext, args: Arguments): Range {
  const dtype = args.dtype('dtype');
  return rangeOf(ctx, dtype, known(ctx, args, 'quant_min'), known(ctx, args, 'quant_max'));
}

function perTensorParameters(ctx: TorchContext, args: Arguments, dtype: DType): Parameters {
  const scalar = (name: string, type: DType): Value => {
    const value = operand(ctx, args, name);
    if (typeof value === 'number') return ctx.scalar(type, value, name);
    const count = value.type.shape.reduce<number>((product, dim) => product * Number(dim), 1);
    if (count !== 1)
      ctx.refuse(`'${name}' should have one element, but is [${value.type.shape}]`, 'U2007', { input: name });
    return ctx.reshape(value, []);
  };
  return { scale: scalar('scale', 'f32'), zeroPoint: scalar('zero_point', dtype), axis: 0 };
}

function perChannelParameters(ctx: TorchContext, args: Arguments, x: Value): Parameters {
  return {
    scale: ctx.plain(args.tensor('scales')),
    zeroPoint: optional(ctx, args, 'zero_points'),
    axis: ctx.axis(args.int('axis'), x.type.shape.length),
  };
}

/** The integers have to be of the type that the operator names. */
function integers(ctx: TorchContext, args: Arguments): Value {
  const [q, dtype] = [ctx.plain(args.tensor('input')), args.dtype('dtype')] as const;
  if (q.type.dtype !== dtype)
    ctx.refuse(`the input is of ${q.type.dtype}, 'dtype' is ${dtype}`, 'U2006', { input: 'input' });
  return q;
}

const libraries = ['quantized_decomposed', 'torchao'];

/**
 * The parameters as these libraries read them, f32 and the type of the integers; as PyTorch has them, float64 and int64,
 * where anybody else looks at them.
 */
function chooseParameters(ctx: TorchContext, args: Arguments, symmetric: boolean): readonly Value[] {
  const x = ctx.cast(ctx.plain(args.tensor('input')), 'f32');
  const range = rangeOfNode(ctx, args);
  const choice = { symmetric, eps: args.number('eps'), middle: range.dtype === 'u8' ? 128 : 0 };
  const all = { axes: [], keepdims: false };
  const extremes = [nnReduceMin, nnReduceMax].map((op) => ctx.emit(op, { x }, all));
  const [scale, zeroPoint] = chosen(ctx, extremes[0], extremes[1], range, choice).map((v) => ctx.reshape(v, [1]));
  return [
    ctx.isReadOnlyBy(0, libraries) ? scale : ctx.cast(scale, 'f64'),
    ctx.cast(zeroPoint, ctx.isReadOnlyBy(1, libraries) ? range.dtype : 's64'),
  ];
}

export const decomposedOps: readonly TorchOp[] = [
  ...libraryOp(perTensor('quantize_per_tensor'), (ctx, args) => {
    const range = rangeOfNode(ctx, args);
    return quantized(ctx, ctx.plain(args.tensor('input')), perTensorParameters(ctx, args, range.dtype), range);
  }),
  ...libraryOp(perTensor('dequantize_per_tensor', outputDtype), (ctx, args) => {
    const q = integers(ctx, args);
    const parameters = perTensorParameters(ctx, args, q.type.dtype);
    return dequantized(ctx, q, parameters, args.optionalDtype('out_dtype') ?? 'f32');
  }),
  ...libraryOp(
    'quantized_decomposed::quantize_per_channel(Tensor input, Tensor scales, Tensor zero_points, int axis, Operand quant_min, Operand quant_max, ScalarType dtype)',
    (ctx, args) => {
      const x = ctx.plain(args.tensor('input'));
      return quantized(ctx, x, perChannelParameters(ctx, args, x), rangeOfNode(ctx, args));
    },
  ),
  ...libraryOp(
    `quantized_decomposed::dequantize_per_channel(Tensor input, Tensor scales, Tensor? zero_points, int axis, Operand quant_min, Operand quant_max, ScalarType dtype${outputDtype})`,
    (ctx, args) => {
      const q = integers(ctx, args);
      return dequantized(ctx, q, perChannelParameters(ctx, args, q), args.optionalDtype('out_dtype') ?? 'f32');
    },
  ),
  ...[
    ['choose_qparams', false],
    ['choose_qparams_symmetric', true],
  ].flatMap(([name, symmetric]) =>
    libraryOp(
      `quantized_decomposed::${name}.tensor(Tensor input, Operand quant_min, Operand quant_max, float eps, ScalarType dtype)`,
      (ctx, args) => chooseParameters(ctx, args, symmetric === true),
    ),
  ),
];
