/** Activations and other functions of one tensor, element by element. */

import type { Value } from '../../../../ir/define_op.ts';
import { dtypes, isFloat } from '../../../../ir/dtype.ts';
import {
  nnAbs,
  nnCeil,
  nnCelu,
  nnClip,
  nnCos,
  nnElu,
  nnErf,
  nnExp,
  nnFloor,
  nnGelu,
  nnHardSigmoid,
  nnHardSwish,
  nnLeakyRelu,
  nnLog,
  nnMish,
  nnMul,
  nnNeg,
  nnNot,
  nnPow,
  nnPrelu,
  nnReciprocal,
  nnRelu,
  nnRound,
  nnSelu,
  nnSigmoid,
  nnSign,
  nnSin,
  nnSoftplus,
  nnSqrt,
  nnTanh,
  type OpWith,
} from '../../../../ir/index.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';
import { asFloat, samePromoted } from './promote.ts';

const SIXTH = 1 / 6;

/** `aten.<name>.default(Tensor self)` and its form in place. */
const plain = (name: string, body: (ctx: ExportContext, x: Value) => Value): readonly ExportOp[] =>
  defineExportOp(`aten.${name}.default(Tensor self)`, (ctx) => body(ctx, ctx.tensor('self')));

/** Operators that are one of ours without more, by their names. */
const same = (named: Readonly<Record<string, OpWith<'x'>>>): readonly ExportOp[] =>
  Object.entries(named).flatMap(([name, op]) => plain(name, (ctx, x) => ctx.emit(op, { x })));

const floatFunctions = (named: Readonly<Record<string, OpWith<'x'>>>): readonly ExportOp[] =>
  Object.entries(named).flatMap(([name, op]) => plain(name, (ctx, x) => ctx.emit(op, { x: asFloat(ctx, x) })));

/** With parameters, of floats. */
const activation = (
  name: string,
  parameters: string,
  body: (ctx: ExportContext, x: Value) => Value,
): readonly ExportOp[] =>
  defineExportOp(`aten.${name}.default(Tensor self, ${parameters})`, (ctx) =>
    body(ctx, asFloat(ctx, ctx.tensor('self'))),
  );

/** Bounds that are None or beyond the type do not bound. */
function clip(ctx: ExportContext, low: string, high: string): Value {
  const x = ctx.tensor('self');
  const dtype = x.type.dtype;
  const bound = (name: string) => (ctx.has(name) ? ctx.number(name) : undefined);
  const [min, max] = [bound(low), bound(high)];
  if (dtype !== 'bool' && !isFloat(dtype) && [min, max].some((b) => b !== undefined && !Number.isInteger(b)))
    ctx.unsupported('integers clamped to floats');
  if (Number.isNaN(min ?? 0) || Number.isNaN(max ?? 0)) ctx.unsupported('a bound that is NaN');
  return ctx.emit(nnClip, { x }, { ...(min !== undefined && { min }), ...(max !== undefined && { max }) });
}

function elu(ctx: ExportContext): Value {
  if (ctx.number('scale') !== 1 || ctx.number('input_scale') !== 1) ctx.unsupported('an ELU with scales');
  return ctx.emit(nnElu, { x: ctx.tensor('self') }, { alpha: ctx.number('alpha') });
}

/** ln(1 + e^(β·x))/β; where β·x is beyond the threshold the function is x, up to e^-threshold. */
function softplus(ctx: ExportContext): Value {
  if (ctx.number('threshold') < 20) ctx.unsupported('a softplus with a low threshold');
  const [x, beta] = [ctx.tensor('self'), ctx.number('beta')];
  const times = (v: Value, factor: number) =>
    factor === 1 ? v : ctx.emit(nnMul, { a: v, b: ctx.scalar(v.type.dtype, factor) });
  return times(ctx.emit(nnSoftplus, { x: times(x, beta) }), 1 / beta);
}

/** One slope, or one for each channel, axis 1. */
function prelu(ctx: ExportContext): Value {
  const [x, slope] = [ctx.tensor('self'), ctx.tensor('weight')];
  const [channels] = slope.type.shape;
  const rest = Array<number>(Math.max(x.type.shape.length - 2, 0)).fill(1);
  return ctx.emit(nnPrelu, {
    x,
    slope: channels === 1 ? ctx.reshape(slope, []) : ctx.reshape(slope, [channels ?? 1, ...rest]),
  });
}

function power(ctx: ExportContext, base: Value | number, exponent: Value | number): Value {
  const [a, b] = samePromoted(ctx, base, exponent);
  return ctx.emit(nnPow, { a, b });
}

function gelu(ctx: ExportContext, x: Value): Value {
  const approximate = ctx.text('approximate');
  if (approximate !== 'none' && approximate !== 'tanh') return ctx.unsupported(`the approximation '${approximate}'`);
  return ctx.emit(nnGelu, { x }, { approximate });
}

export const activationOps: readonly ExportOp[] = [
  ...same({ relu: nnRelu, neg: nnNeg, abs: nnAbs, sign: nnSign, floor: nnFloor, ceil: nnCeil }),
  ...floatFunctions({
    sigmoid: nnSigmoid,
    tanh: nnTanh,
    selu: nnSelu,
    mish: nnMish,
    exp: nnExp,
    log: nnLog,
    sqrt: nnSqrt,
    erf: nnErf,
    reciprocal: nnReciprocal,
    sin: nnSin,
    cos: nnCos,
  }),
  ...plain('round', (ctx, x) => (isFloat(x.type.dtype) ? ctx.emit(nnRound, { x }) : x)),
  ...plain('rsqrt', (ctx, x) => ctx.emit(nnReciprocal, { x: ctx.emit(nnSqrt, { x: asFloat(ctx, x) }) })),
  ...plain('relu6', (ctx, x) => ctx.emit(nnClip, { x }, { min: 0, max: 6 })),
  ...plain('hardswish', (ctx, x) => ctx.emit(nnHardSwish, { x })),
  ...plain('hardsigmoid', (ctx, x) => ctx.emit(nnHardSigmoid, { x }, { alpha: SIXTH, beta: 0.5 })),
  ...plain('silu', (ctx, x) => ctx.emit(nnMul, { a: x, b: ctx.emit(nnSigmoid, { x }) })),
  ...plain('square', (ctx, x) => ctx.emit(nnMul, { a: x, b: x })),
  ...plain('logical_not', (ctx, x) => ctx.emit(nnNot, { x: ctx.cast(x, 'bool') })),
  ...plain('bitwise_not', (ctx, x) =>
    x.type.dtype === 'bool' ? ctx.emit(nnNot, { x }) : ctx.unsupported(`a complement of ${dtypes[x.type.dtype].onnx}`),
  ),
  ...activation('leaky_relu', 'Scalar negative_slope=0.01', (ctx, x) =>
    ctx.emit(nnLeakyRelu, { x }, { alpha: ctx.number('negative_slope') }),
  ),
  ...activation('celu', 'Scalar alpha=1.0', (ctx, x) => ctx.emit(nnCelu, { x }, { alpha: ctx.number('alpha') })),
  ...activation('gelu', 'str approximate="none"', gelu),
  ...defineExportOp(
    ['elu', 'elu_'].map(
      (name) => `aten.${name}.default(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1)`,
    ),
    elu,
  ),
  ...defineExportOp('aten.softplus.default(Tensor self, Scalar beta=1, Scalar threshold=20)', softplus),
  ...defineExportOp(
    ['prelu', '_prelu_kernel'].map((name) => `aten.${name}.default(Tensor self, Tensor weight)`),
    prelu,
  ),
  ...defineExportOp(
    ['hardtanh', 'hardtanh_'].map((name) => `aten.${name}.default(Tensor self, Scalar min_val=-1, Scalar max_val=1)`),
    (ctx) => clip(ctx, 'min_val', 'max_val'),
  ),
  ...defineExportOp(
    ['clamp', 'clamp_', 'clip'].map((name) => `aten.${name}.default(Tensor self, Scalar? min=None, Scalar? max=None)`),
    (ctx) => clip(ctx, 'min', 'max'),
  ),
  ...defineExportOp('aten.clamp_min.default(Tensor self, Scalar min)', (ctx) =>
    ctx.emit(nnClip, { x: ctx.tensor('self') }, { min: ctx.number('min') }),
  ),
  ...defineExportOp('aten.clamp_max.default(Tensor self, Scalar max)', (ctx) =>
    ctx.emit(nnClip, { x: ctx.tensor('self') }, { max: ctx.number('max') }),
  ),
  ...defineExportOp('aten.pow.Tensor_Scalar(Tensor self, Scalar exponent)', (ctx) => {
    const [x, exponent] = [ctx.tensor('self'), ctx.number('exponent')];
    return exponent === 2 ? ctx.emit(nnMul, { a: x, b: x }) : power(ctx, x, exponent);
  }),
  ...defineExportOp('aten.pow.Tensor_Tensor(Tensor self, Tensor exponent)', (ctx) =>
    power(ctx, ctx.tensor('self'), ctx.tensor('exponent')),
  ),
  ...defineExportOp('aten.pow.Scalar(Scalar self, Tensor exponent)', (ctx) =>
    power(ctx, ctx.number('self'), ctx.tensor('exponent')),
  ),
];
