/** torchao: torchao/quantization/quant_primitives.py. A block of elements shares a scale and a zero point. */

import { type Dim, nnReduceMax, nnReduceMin, type Shape, type Value } from '../../../ir/index.ts';
import { type DType, dtypes, isFloat } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import type { TorchOp } from '../operators/define_torch_op.ts';
import { libraryOp, optional } from './library_op.ts';
import { chosen, dequantized, type Parameters, quantized, type Range, rangeOf } from './quantization.ts';

/** The shape in which every axis lies inside one block or has one block for each position. */
interface Blocks {
  readonly shape: Shape;
  /** The axes of `shape` that lie inside a block. */
  readonly inside: readonly number[];
}

function blocksOf(ctx: TorchContext, args: Arguments, x: Value): Blocks {
  const sizes = args.dims('block_size');
  if (sizes.length !== x.type.shape.length)
    ctx.refuse(`blocks of [${sizes}] in a tensor of rank ${x.type.shape.length}`, 'U2007', { input: 'block_size' });
  const shape: Dim[] = [];
  const inside: number[] = [];
  for (const [axis, size] of x.type.shape.entries()) {
    const block = sizes[axis];
    if (block !== 1 && block !== size) {
      if (typeof block !== 'number' || typeof size !== 'number' || block < 1 || size % block !== 0)
        return ctx.refuse(`an axis of ${size} does not divide into blocks of ${block}`, 'U2007', {
          input: 'block_size',
        });
      shape.push(size / block, block);
      inside.push(shape.length - 1);
      continue;
    }
    shape.push(size);
    if (block !== 1) inside.push(shape.length - 1);
  }
  return { shape, inside };
}

/** Parameters against the split shape: one, one along an axis where only that has several, else broadcast. */
function parametersOf(ctx: TorchContext, args: Arguments, { shape, inside }: Blocks): Parameters {
  const outside = [...shape.keys()].filter((axis) => !inside.includes(axis) && shape[axis] !== 1);
  const form = outside.length === 0 ? [] : outside.length === 1 ? [shape[outside[0]]] : reduced(shape, inside);
  const zeroPoint = optional(ctx, args, 'zero_point');
  return {
    scale: ctx.reshape(ctx.plain(args.tensor('scale')), form),
    zeroPoint: zeroPoint && ctx.reshape(zeroPoint, form),
    axis: outside.length === 1 ? outside[0] : 0,
  };
}

const reduced = (shape: Shape, inside: readonly number[]): Shape =>
  shape.map((dim, axis) => (inside.includes(axis) ? 1 : dim));

function rangeOfNode(ctx: TorchContext, args: Arguments, dtype: DType): Range {
  if (args.string('zero_point_domain') !== 'INT') ctx.unsupported('zero points that are not integers');
  const { min, max } = dtypes[dtype];
  return rangeOf(ctx, dtype, args.optionalNumber('quant_min') ?? min, args.optionalNumber('quant_max') ?? max);
}

/** `body` on the tensor in the split shape. */
function inBlocks(
  ctx: TorchContext,
  args: Arguments,
  x: Value,
  body: (x: Value, parameters: Parameters) => Value,
): Value {
  const blocks = blocksOf(ctx, args, x);
  return ctx.reshape(body(ctx.reshape(x, blocks.shape), parametersOf(ctx, args, blocks)), x.type.shape);
}

function chooseParameters(ctx: TorchContext, args: Arguments): readonly Value[] {
  const given = ctx.plain(args.tensor('input'));
  const x = ctx.cast(given, 'f32');
  const mapping = args.string('mapping_type');
  if (mapping !== 'SYMMETRIC' && mapping !== 'ASYMMETRIC') ctx.unsupported(`the mapping ${mapping}`);
  if (!args.bool('preserve_zero')) ctx.unsupported('parameters that do not preserve 0');
  const range = rangeOfNode(ctx, args, args.dtype('target_dtype'));
  const { shape, inside } = blocksOf(ctx, args, x);
  const split = ctx.reshape(x, shape);
  // reducing over no axes would reduce over all
  const extreme = (op: typeof nnReduceMin | typeof nnReduceMax) =>
    inside.length === 0 ? split : ctx.emit(op, { x: split }, { axes: inside, keepdims: args.bool('keepdim') });
  const [scale, zeroPoint] = chosen(ctx, extreme(nnReduceMin), extreme(nnReduceMax), range, {
    symmetric: mapping === 'SYMMETRIC',
    eps: args.optionalNumber('eps') ?? epsilon(given.type.dtype),
    middle: Math.trunc((range.high + range.low + 1) / 2),
  });
  return [
    ctx.cast(scale, args.optionalDtype('scale_dtype') ?? given.type.dtype),
    ctx.cast(zeroPoint, args.optionalDtype('zero_point_dtype') ?? 's32'),
  ];
}

/** torch.finfo(dtype).eps */
const epsilon = (dtype: DType): number => epsilons[dtype] ?? 2 ** -23;
const epsilons: Readonly<Partial<Record<DType, number>>> = { f16: 2 ** -10, bf16: 2 ** -7, f64: 2 ** -52 };

const range = 'Scalar? quant_min=None, Scalar? quant_max=None';
const domain = 'str zero_point_domain="INT"';

export const affineOps: readonly TorchOp[] = [
  ...libraryOp(
    `torchao::quantize_affine(Tensor input, int[] block_size, Tensor scale, Tensor? zero_point, ScalarType output_dtype, ${range}, ${domain})`,
    (ctx, args) => {
      const bounds = rangeOfNode(ctx, args, args.dtype('output_dtype'));
      return inBlocks(ctx, args, ctx.plain(args.tensor('input')), (x, parameters) =>
        quantized(ctx, x, parameters, bounds),
      );
    },
  ),
  ...libraryOp(
    `torchao::dequantize_affine(Tensor input, int[] block_size, Tensor scale, Tensor? zero_point, ScalarType input_dtype, ${range}, ${domain}, ScalarType? output_dtype=None)`,
    (ctx, args) => {
      rangeOfNode(ctx, args, args.dtype('input_dtype'));
      const to = args.optionalDtype('output_dtype') ?? 'f32';
      if (!isFloat(to)) ctx.refuse(`'output_dtype' is ${to}`, 'U2006', { input: 'output_dtype' });
      return inBlocks(ctx, args, ctx.plain(args.tensor('input')), (q, parameters) =>
        dequantized(ctx, q, parameters, to),
      );
    },
  ),
  ...libraryOp(
    `torchao::choose_qparams_affine(Tensor input, str mapping_type, int[] block_size, ScalarType target_dtype, ${range}, float? eps=None, ScalarType? scale_dtype=None, ScalarType? zero_point_dtype=None, bool preserve_zero=True, ${domain}, bool keepdim=False)`,
    chooseParameters,
  ),
];
