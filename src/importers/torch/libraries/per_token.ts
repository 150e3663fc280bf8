/**
 * quantized_decomposed with parameters for each token (all axes but the last) or each group along the last axis:
 * torch/ao/quantization/fx/_decomposed.py of PyTorch. Computed in the type of the scales, the zero point added before rounding.
 */

import {
  type Dim,
  nnAbs,
  nnAdd,
  nnClip,
  nnDiv,
  nnGreater,
  nnMul,
  nnReciprocal,
  nnReduceMax,
  nnReduceMin,
  nnRound,
  nnSub,
  nnWhere,
  type Value,
} from '../../../ir/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import type { TorchOp } from '../operators/define_torch_op.ts';
import { libraryOp, optional } from './library_op.ts';
import { rangeOf } from './quantization.ts';

interface Parameters {
  readonly scale: Value;
  /** In the type of the scale; absent for 0. */
  readonly zeroPoint: Value | undefined;
}

function parametersOf(
  ctx: TorchContext,
  args: Arguments,
  shapeOf: (given: readonly Dim[]) => readonly Dim[],
): Parameters {
  const scale = ctx.plain(args.tensor('scales'));
  const zeroPoint = optional(ctx, args, 'zero_points');
  const shaped = (v: Value): Value => ctx.reshape(v, shapeOf(v.type.shape));
  return { scale: shaped(scale), zeroPoint: zeroPoint && ctx.cast(shaped(zeroPoint), scale.type.dtype) };
}

/** clamp(rne(x·(1/s) + z), low, high) */
function quantized(ctx: TorchContext, args: Arguments, x: Value, { scale, zeroPoint }: Parameters): Value {
  const to = args.dtype('dtype');
  const { low, high } = rangeOf(ctx, to, args.number('quant_min'), args.number('quant_max'));
  const real = ctx.cast(x, scale.type.dtype);
  const steps = ctx.emit(nnMul, { a: real, b: ctx.emit(nnReciprocal, { x: scale }) });
  const moved = zeroPoint ? ctx.emit(nnAdd, { a: steps, b: zeroPoint }) : steps;
  return ctx.cast(ctx.emit(nnClip, { x: ctx.emit(nnRound, { x: moved }) }, { min: low, max: high }), to);
}

/** (q − z)·s */
function dequantized(ctx: TorchContext, args: Arguments, q: Value, { scale, zeroPoint }: Parameters): Value {
  const real = ctx.cast(q, scale.type.dtype);
  const centred = zeroPoint ? ctx.emit(nnSub, { a: real, b: zeroPoint }) : real;
  const to = args.optionalDtype('output_dtype');
  return ctx.cast(ctx.emit(nnMul, { a: centred, b: scale }), to ?? 'f32');
}

/** The last axis in groups, each with its own parameters: [rows, groups] of them. */
function inGroups(ctx: TorchContext, args: Arguments, body: (x: Value, parameters: Parameters) => Value): Value {
  const x = ctx.plain(args.tensor('input'));
  const { shape } = x.type;
  if (shape.length === 0) ctx.refuse('a number does not divide into groups', 'U2005', { input: 'input' });
  const size = shape[shape.length - 1];
  const group = args.int('group_size') === -1 ? size : args.int('group_size');
  if (typeof size !== 'number' || typeof group !== 'number') return ctx.unsupported(`groups along the size ${size}`);
  if (group < 1 || size % group !== 0)
    return ctx.refuse(`an axis of ${size} does not divide into groups of ${group}`, 'U2007', { input: 'group_size' });
  const split = [...shape.slice(0, -1), size / group];
  const parameters = parametersOf(ctx, args, () => [...split, 1]);
  return ctx.reshape(body(ctx.reshape(x, [...split, group]), parameters), shape);
}

const EPSILON = 2 ** -23;

/** s = max(max|x|, 1e-5)/127, z = 0 */
function chooseSymmetric(ctx: TorchContext, args: Arguments): readonly Value[] {
  if (args.dtype('dtype') !== 's8') ctx.unsupported('parameters of other integers than int8');
  const magnitude = ctx.emit(nnAbs, { x: ctx.cast(ctx.plain(args.tensor('input')), 'f32') });
  const greatest = ctx.emit(nnReduceMax, { x: magnitude }, { axes: [-1], keepdims: true });
  const scale = ctx.emit(nnDiv, { a: ctx.emit(nnClip, { x: greatest }, { min: 1e-5 }), b: ctx.scalar('f32', 127) });
  return [scale, ctx.emit(nnMul, { a: scale, b: ctx.scalar('f32', 0) })];
}

/**
 * lo = min(x, 0), hi = max(x, 0), s = max((hi − lo)/255, ε), z = rne(clamp(−128 − lo/s or 127 − hi/s)): of the two the one whose
 * end of the range has the smaller error.
 */
function chooseAsymmetric(ctx: TorchContext, args: Arguments): readonly Value[] {
  const x = ctx.cast(ctx.plain(args.tensor('input')), 'f32');
  const extreme = (op: typeof nnReduceMin | typeof nnReduceMax) => ctx.emit(op, { x }, { axes: [-1], keepdims: true });
  const number = (value: number) => ctx.scalar('f32', value);
  const low = ctx.emit(nnClip, { x: extreme(nnReduceMin) }, { max: 0 });
  const high = ctx.emit(nnClip, { x: extreme(nnReduceMax) }, { min: 0 });
  const reach = ctx.emit(nnDiv, { a: ctx.emit(nnSub, { a: high, b: low }), b: number(255) });
  const scale = ctx.emit(nnClip, { x: reach }, { min: EPSILON });
  const [least, most] = [low, high].map((v) => ctx.emit(nnDiv, { a: v, b: scale }));
  const errors = ctx.emit(nnAdd, {
    a: ctx.emit(nnAdd, { a: number(-128), b: least }),
    b: ctx.emit(nnAdd, { a: number(127), b: most }),
  });
  const zeroPoint = ctx.emit(nnWhere, {
    cond: ctx.emit(nnGreater, { a: errors, b: number(0) }),
    a: ctx.emit(nnSub, { a: number(-128), b: least }),
    b: ctx.emit(nnSub, { a: number(127), b: most }),
  });
  const rounded = ctx.emit(nnRound, { x: ctx.emit(nnClip, { x: zeroPoint }, { min: -128, max: 127 }) });
  return [ctx.cast(scale, 'f64'), ctx.cast(rounded, 's64')];
}

const given = 'Tensor input, Tensor scales';
const range = 'int quant_min, int quant_max, ScalarType dtype';
const perToken = (ctx: TorchContext, args: Arguments) => parametersOf(ctx, args, (shape) => shape);

export const perTokenOps: readonly TorchOp[] = [
  ...libraryOp(`quantized_decomposed::quantize_per_token(${given}, Tensor zero_points, ${range})`, (ctx, args) =>
    quantized(ctx, args, ctx.plain(args.tensor('input')), perToken(ctx, args)),
  ),
  ...libraryOp(
    `quantized_decomposed::dequantize_per_token(${given}, Tensor zero_points, ${range}, ScalarType? output_dtype=None)`,
    (ctx, args) => dequantized(ctx, args, ctx.plain(args.tensor('input')), perToken(ctx, args)),
  ),
  ...libraryOp(
    `quantized_decomposed::quantize_per_channel_group(${given}, Tensor zero_points, ${range}, int group_size=128)`,
    (ctx, args) => inGroups(ctx, args, (x, parameters) => quantized(ctx, args, x, parameters)),
  ),
  ...libraryOp(
    `quantized_decomposed::dequantize_per_channel_group(${given}, Tensor? zero_points, ${range}, int group_size=128, ScalarType? output_dtype=None)`,
    (ctx, args) => inGroups(ctx, args, (q, parameters) => dequantized(ctx, args, q, parameters)),
  ),
  ...libraryOp('quantized_decomposed::choose_qparams_per_token(Tensor input, ScalarType dtype)', chooseSymmetric),
  ...libraryOp(
    ['choose_qparams_per_token_asymmetric', '_choose_qparams_per_token_asymmetric_impl'].map(
      (name) => `quantized_decomposed::${name}(Tensor input, ScalarType dtype)`,
    ),
    chooseAsymmetric,
  ),
];
