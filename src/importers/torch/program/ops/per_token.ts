/**
 * quantized_decomposed with parameters for each token (all axes but the last) or each group along the last axis:
 * torch/ao/quantization/fx/_decomposed.py of PyTorch. Computed in the type of the scales, the zero point added before rounding.
 */

import type { Value } from '../../../../ir/define_op.ts';
import {
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
} from '../../../../ir/index.ts';
import type { Dim } from '../../../../ir/types.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';
import { rangeOf } from './quantization.ts';

interface Parameters {
  readonly scale: Value;
  /** In the type of the scale; absent for 0. */
  readonly zeroPoint: Value | undefined;
}

function parametersOf(ctx: ExportContext, shapeOf: (given: readonly Dim[]) => readonly Dim[]): Parameters {
  const scale = ctx.tensor('scales');
  const zeroPoint = ctx.optionalTensor('zero_points');
  const shaped = (v: Value): Value => ctx.reshape(v, shapeOf(v.type.shape));
  return { scale: shaped(scale), zeroPoint: zeroPoint && ctx.cast(shaped(zeroPoint), scale.type.dtype) };
}

/** clamp(rne(x·(1/s) + z), low, high) */
function quantized(ctx: ExportContext, x: Value, { scale, zeroPoint }: Parameters): Value {
  const to = ctx.dtype('dtype') ?? ctx.refuse("'dtype' is missing", 'dtype');
  const { low, high } = rangeOf(ctx, to, ctx.number('quant_min'), ctx.number('quant_max'));
  const real = ctx.cast(x, scale.type.dtype);
  const steps = ctx.emit(nnMul, { a: real, b: ctx.emit(nnReciprocal, { x: scale }) });
  const moved = zeroPoint ? ctx.emit(nnAdd, { a: steps, b: zeroPoint }) : steps;
  return ctx.cast(ctx.emit(nnClip, { x: ctx.emit(nnRound, { x: moved }) }, { min: low, max: high }), to);
}

/** (q − z)·s */
function dequantized(ctx: ExportContext, q: Value, { scale, zeroPoint }: Parameters): Value {
  const real = ctx.cast(q, scale.type.dtype);
  const centred = zeroPoint ? ctx.emit(nnSub, { a: real, b: zeroPoint }) : real;
  const to = ctx.parameters().includes('output_dtype') ? ctx.dtype('output_dtype') : undefined;
  return ctx.cast(ctx.emit(nnMul, { a: centred, b: scale }), to ?? 'f32');
}

/** The last axis in groups, each with its own parameters: [rows, groups] of them. */
function inGroups(ctx: ExportContext, body: (x: Value, parameters: Parameters) => Value): Value {
  const x = ctx.tensor('input');
  ctx.requireRank(x, 1, 'input');
  const { shape } = x.type;
  const size = shape[shape.length - 1];
  const group = ctx.int('group_size') === -1 ? size : ctx.int('group_size');
  if (typeof size !== 'number' || typeof group !== 'number') return ctx.unsupported(`groups along the size ${size}`);
  if (group < 1 || size % group !== 0)
    return ctx.refuse(`an axis of ${size} does not divide into groups of ${group}`, 'group_size', 'U2007');
  const split = [...shape.slice(0, -1), size / group];
  const parameters = parametersOf(ctx, () => [...split, 1]);
  return ctx.reshape(body(ctx.reshape(x, [...split, group]), parameters), shape);
}

const EPSILON = 2 ** -23;

/** s = max(max|x|, 1e-5)/127, z = 0 */
function chooseSymmetric(ctx: ExportContext): readonly Value[] {
  if (ctx.dtype('dtype') !== 's8') ctx.unsupported('parameters of other integers than int8');
  const magnitude = ctx.emit(nnAbs, { x: ctx.cast(ctx.tensor('input'), 'f32') });
  const greatest = ctx.emit(nnReduceMax, { x: magnitude }, { axes: [-1], keepdims: true });
  const scale = ctx.emit(nnDiv, { a: ctx.emit(nnClip, { x: greatest }, { min: 1e-5 }), b: ctx.scalar('f32', 127) });
  return [scale, ctx.emit(nnMul, { a: scale, b: ctx.scalar('f32', 0) })];
}

/**
 * lo = min(x, 0), hi = max(x, 0), s = max((hi − lo)/255, ε), z = rne(clamp(−128 − lo/s or 127 − hi/s)): of the two the one whose
 * end of the range has the smaller error.
 */
function chooseAsymmetric(ctx: ExportContext): readonly Value[] {
  const x = ctx.cast(ctx.tensor('input'), 'f32');
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
const perToken = (ctx: ExportContext) => parametersOf(ctx, (shape) => shape);

export const perTokenOps: readonly ExportOp[] = [
  ...defineExportOp(`quantized_decomposed.quantize_per_token.default(${given}, Tensor zero_points, ${range})`, (ctx) =>
    quantized(ctx, ctx.tensor('input'), perToken(ctx)),
  ),
  ...defineExportOp(
    `quantized_decomposed.dequantize_per_token.default(${given}, Tensor zero_points, ${range}, ScalarType? output_dtype=None)`,
    (ctx) => dequantized(ctx, ctx.tensor('input'), perToken(ctx)),
  ),
  ...defineExportOp(
    `quantized_decomposed.quantize_per_channel_group.default(${given}, Tensor zero_points, ${range}, int group_size=128)`,
    (ctx) => inGroups(ctx, (x, parameters) => quantized(ctx, x, parameters)),
  ),
  ...defineExportOp(
    `quantized_decomposed.dequantize_per_channel_group.default(${given}, Tensor? zero_points, ${range}, int group_size=128, ScalarType? output_dtype=None)`,
    (ctx) => inGroups(ctx, (q, parameters) => dequantized(ctx, q, parameters)),
  ),
  ...defineExportOp(
    'quantized_decomposed.choose_qparams_per_token.default(Tensor input, ScalarType dtype)',
    chooseSymmetric,
  ),
  ...defineExportOp(
    ['choose_qparams_per_token_asymmetric', '_choose_qparams_per_token_asymmetric_impl'].map(
      (name) => `quantized_decomposed.${name}.default(Tensor input, ScalarType dtype)`,
    ),
    chooseAsymmetric,
  ),
];
