/** quantized_decomposed, the operators of PT2E: torch/ao/quantization/fx/_decomposed.py of PyTorch. */

import type { Value } from '../../../../ir/define_op.ts';
import type { DType } from '../../../../ir/dtype.ts';
import { nnReduceMax, nnReduceMin } from '../../../../ir/index.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';
import { chosen, dequantized, type Parameters, quantized, type Range, rangeOf } from './quantization.ts';

/** `.default` has numbers, `.tensor` tensors of one element, `.tensor2` such tensors for the range as well. */
const perTensor = (name: string, more = ''): readonly string[] => {
  const range = 'Operand quant_min, Operand quant_max, ScalarType dtype';
  return ['default', 'tensor', 'tensor2'].map(
    (overload) =>
      `quantized_decomposed.${name}.${overload}(Tensor input, Operand scale, Operand zero_point, ${range}${more})`,
  );
};
const outputDtype = ', ScalarType? out_dtype=None';

/** A number, or the one element of a constant. */
function known(ctx: ExportContext, name: string): number {
  const value = ctx.operand(name);
  if (typeof value === 'number') return value;
  const constant = ctx.constantOf(value);
  if (constant?.data.length !== 1) return ctx.unsupported(`'${name}' is computed while the model runs`);
  return Number(constant.data[0]);
}

function rangeOfNode(ctx: ExportContext): Range {
  const dtype = ctx.dtype('dtype') ?? ctx.refuse("'dtype' is missing", 'dtype');
  return rangeOf(ctx, dtype, known(ctx, 'quant_min'), known(ctx, 'quant_max'));
}

function perTensorParameters(ctx: ExportContext, dtype: DType): Parameters {
  const scalar = (name: string, type: DType): Value => {
    const value = ctx.operand(name);
    if (typeof value === 'number') return ctx.scalar(type, value, name);
    const count = value.type.shape.reduce<number>((product, dim) => product * Number(dim), 1);
    if (count !== 1) ctx.refuse(`'${name}' should have one element, but is [${value.type.shape}]`, name, 'U2007');
    return ctx.reshape(value, []);
  };
  return { scale: scalar('scale', 'f32'), zeroPoint: scalar('zero_point', dtype), axis: 0 };
}

function perChannelParameters(ctx: ExportContext, x: Value): Parameters {
  return {
    scale: ctx.tensor('scales'),
    zeroPoint: ctx.optionalTensor('zero_points'),
    axis: ctx.axis(ctx.int('axis'), x.type.shape.length),
  };
}

/** The integers have to be of the type that the operator names. */
function integers(ctx: ExportContext): Value {
  const [q, dtype] = [ctx.tensor('input'), ctx.dtype('dtype')];
  if (q.type.dtype !== dtype) ctx.refuse(`the input is of ${q.type.dtype}, 'dtype' is ${dtype}`, 'input', 'U2006');
  return q;
}

const libraries = ['quantized_decomposed', 'torchao'];

/**
 * The parameters as these libraries read them, f32 and the type of the integers; as PyTorch has them, float64 and int64,
 * where anybody else looks at them.
 */
function chooseParameters(ctx: ExportContext, symmetric: boolean): readonly Value[] {
  const x = ctx.cast(ctx.tensor('input'), 'f32');
  const range = rangeOfNode(ctx);
  const choice = { symmetric, eps: ctx.number('eps'), middle: range.dtype === 'u8' ? 128 : 0 };
  const all = { axes: [], keepdims: false };
  const extremes = [nnReduceMin, nnReduceMax].map((op) => ctx.emit(op, { x }, all));
  const [scale, zeroPoint] = chosen(ctx, extremes[0], extremes[1], range, choice).map((v) => ctx.reshape(v, [1]));
  return [
    ctx.isReadOnlyBy(0, libraries) ? scale : ctx.cast(scale, 'f64'),
    ctx.cast(zeroPoint, ctx.isReadOnlyBy(1, libraries) ? range.dtype : 's64'),
  ];
}

export const decomposedOps: readonly ExportOp[] = [
  ...defineExportOp(perTensor('quantize_per_tensor'), (ctx) => {
    const range = rangeOfNode(ctx);
    return quantized(ctx, ctx.tensor('input'), perTensorParameters(ctx, range.dtype), range);
  }),
  ...defineExportOp(perTensor('dequantize_per_tensor', outputDtype), (ctx) => {
    const q = integers(ctx);
    const parameters = perTensorParameters(ctx, q.type.dtype);
    return dequantized(ctx, q, parameters, ctx.dtype('out_dtype') ?? 'f32');
  }),
  ...defineExportOp(
    'quantized_decomposed.quantize_per_channel.default(Tensor input, Tensor scales, Tensor zero_points, int axis, Operand quant_min, Operand quant_max, ScalarType dtype)',
    (ctx) => {
      const x = ctx.tensor('input');
      return quantized(ctx, x, perChannelParameters(ctx, x), rangeOfNode(ctx));
    },
  ),
  ...defineExportOp(
    `quantized_decomposed.dequantize_per_channel.default(Tensor input, Tensor scales, Tensor? zero_points, int axis, Operand quant_min, Operand quant_max, ScalarType dtype${outputDtype})`,
    (ctx) => {
      const q = integers(ctx);
      return dequantized(ctx, q, perChannelParameters(ctx, q), ctx.dtype('out_dtype') ?? 'f32');
    },
  ),
  ...[
    ['choose_qparams', false],
    ['choose_qparams_symmetric', true],
  ].flatMap(([name, symmetric]) =>
    defineExportOp(
      `quantized_decomposed.${name}.tensor(Tensor input, Operand quant_min, Operand quant_max, float eps, ScalarType dtype)`,
      (ctx) => chooseParameters(ctx, symmetric === true),
    ),
  ),
];
