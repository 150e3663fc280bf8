/** Operators of one tensor, element by element: of floats as they are, of quantized tensors by tables. */

import {
  isWordOf,
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
  nnPrelu,
  nnReciprocal,
  nnRelu,
  nnRound,
  nnSelu,
  nnSigmoid,
  nnSign,
  nnSin,
  nnSoftplus,
  nnSoftsign,
  nnSqrt,
  nnTanh,
  type OpWith,
  type Value,
} from '../../../ir/index.ts';
import { gelu, geluTanh, leakyRelu } from '../../../numerics/index.ts';
import { dtypes, isFloat } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { clamped, hardSwish, mapped, relu, tableOrder, withFixedParameters } from '../quantized/elementwise.ts';
import type { GraphTensor, TensorLike } from '../values.ts';

type OnValue = (ctx: TorchContext, x: Value, args: Arguments) => Value;
type OnQuantized = (ctx: TorchContext, x: TensorLike, args: Arguments) => GraphTensor;

const unary = (schema: string | readonly string[], real: OnValue, quantized?: OnQuantized): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    keepsShape: true,
    import(ctx, args) {
      const x = ctx.graph(args.tensor(args.names[0]));
      if (x.quantization === undefined) return ctx.result(real(ctx, x.value, args), x);
      return quantized ? quantized(ctx, x, args) : ctx.unsupported('a quantized operand');
    },
  });

/** Defines an operator whose result is a float, for any operand. */
export const floating = (schema: string | readonly string[], real: OnValue, quantized?: OnQuantized) =>
  unary(schema, (ctx, x, args) => real(ctx, ctx.asFloat(x), args), quantized);

/** Emits one operator of ours, without attributes. */
const by =
  (op: OpWith<'x'>): OnValue =>
  (ctx, x) =>
    ctx.emit(op, { x });

/** Defines operators by their names. */
const all = (define: typeof unary, named: Readonly<Record<string, OpWith<'x'>>>): readonly TorchOp[] =>
  Object.entries(named).flatMap(([name, op]) => define(`aten::${name}(Tensor self)`, by(op)));

export const times = (ctx: TorchContext, x: Value, factor: number): Value =>
  factor === 1 ? x : ctx.emit(nnMul, { a: x, b: ctx.scalar(x.type.dtype, factor, 'factor') });

/** A clamp of reals, or of the integers of a quantized tensor. A bound that is None or infinite limits nothing. */
const clamping = (schema: string, low: string | number, high: string | number): readonly TorchOp[] => {
  const bound = (args: Arguments, end: string | number) => (typeof end === 'number' ? end : args.optionalNumber(end));
  const bounds = (args: Arguments) => [bound(args, low), bound(args, high)] as const;
  return unary(
    schema,
    (ctx, x, args) => {
      const [min, max] = bounds(args);
      const { dtype } = x.type;
      const isCut = (bound = 0) => Number.isFinite(bound) && !Number.isInteger(bound);
      if (dtype !== 'bool' && !isFloat(dtype) && (isCut(min) || isCut(max)))
        ctx.unsupported('integers clamped to floats');
      if (Number.isNaN(min ?? 0) || Number.isNaN(max ?? 0)) ctx.unsupported('a bound that is NaN');
      return ctx.emit(nnClip, { x }, { min: min ?? -Infinity, max: max ?? Infinity });
    },
    (ctx, x, args) => clamped(ctx, x, ...bounds(args)),
  );
};

/** ln(1 + e^(β·x))/β; where β·x is beyond the threshold the function is x, up to e^-threshold. */
function softplus(ctx: TorchContext, x: Value, args: Arguments): Value {
  if (args.number('threshold') < 20) ctx.unsupported('a softplus with a low threshold');
  const beta = args.number('beta');
  return times(ctx, ctx.emit(nnSoftplus, { x: times(ctx, x, beta) }), 1 / beta);
}

function elu(ctx: TorchContext, x: Value, args: Arguments): Value {
  if (args.number('scale') !== 1 || args.number('input_scale') !== 1) ctx.unsupported('an ELU with scales');
  return ctx.emit(nnElu, { x }, { alpha: args.number('alpha') });
}

/** One slope, or one for each channel, axis 1. */
function prelu(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  if (x.quantization) return ctx.unsupported('a quantized operand');
  const slope = ctx.plain(args.tensor('weight'));
  const [channels = 1] = slope.type.shape;
  const shape = channels === 1 ? [] : [channels, ...x.shape.slice(2).map(() => 1)];
  return ctx.result(ctx.emit(nnPrelu, { x: x.value, slope: ctx.reshape(slope, shape) }), x);
}

/** Zeroes elements at random, but not when a network is evaluated. */
function inEvaluation(ctx: TorchContext, x: Value, args: Arguments): Value {
  if (args.bool('train') && args.number('p') > 0) ctx.inTraining('dropout is random');
  return x;
}

const dropout = (ctx: TorchContext, x: TensorLike, args: Arguments): GraphTensor => {
  const given = ctx.graph(x);
  return ctx.moved(inEvaluation(ctx, given.value, args), given);
};

export const unaryOps: readonly TorchOp[] = [
  ...all(unary, { neg: nnNeg, abs: nnAbs, sign: nnSign, floor: nnFloor, ceil: nnCeil }),
  ...all(floating, {
    exp: nnExp,
    log: nnLog,
    sqrt: nnSqrt,
    erf: nnErf,
    reciprocal: nnReciprocal,
    sin: nnSin,
    cos: nnCos,
    softsign: nnSoftsign,
    selu: nnSelu,
    mish: nnMish,
  }),
  ...unary('aten::relu(Tensor self)', by(nnRelu), relu),
  ...unary('aten::round(Tensor self)', (ctx, x) => (isFloat(x.type.dtype) ? ctx.emit(nnRound, { x }) : x)),
  ...unary('aten::square(Tensor self)', (ctx, x) => ctx.emit(nnMul, { a: x, b: x })),
  ...floating('aten::rsqrt(Tensor self)', (ctx, x) => ctx.emit(nnReciprocal, { x: ctx.emit(nnSqrt, { x }) })),
  ...floating('aten::silu(Tensor self)', (ctx, x) => ctx.emit(nnMul, { a: x, b: ctx.emit(nnSigmoid, { x }) })),
  ...clamping('aten::relu6(Tensor self)', 0, 6),
  ...clamping('aten::hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1)', 'min_val', 'max_val'),
  ...['clamp', 'clip'].flatMap((name) =>
    clamping(`aten::${name}(Tensor self, Scalar? min=None, Scalar? max=None)`, 'min', 'max'),
  ),
  ...clamping('aten::clamp_min(Tensor self, Scalar min)', 'min', Infinity),
  ...clamping('aten::clamp_max(Tensor self, Scalar max)', -Infinity, 'max'),
  ...floating('aten::sigmoid(Tensor self)', by(nnSigmoid), (ctx, x) => withFixedParameters(ctx, 'aten::sigmoid', x)),
  ...floating('aten::tanh(Tensor self)', by(nnTanh), (ctx, x) => withFixedParameters(ctx, 'aten::tanh', x)),
  ...floating(
    'aten::hardsigmoid(Tensor self)',
    (ctx, x) => ctx.emit(nnHardSigmoid, { x }, { alpha: 1 / 6, beta: 0.5 }),
    (ctx, x) => withFixedParameters(ctx, 'aten::hardsigmoid', x),
  ),
  ...floating('aten::hardswish(Tensor self)', by(nnHardSwish), (ctx, x) =>
    mapped(ctx, x, hardSwish, undefined, tableOrder(ctx)),
  ),
  ...floating(
    'aten::leaky_relu(Tensor self, Scalar negative_slope=0.01)',
    (ctx, x, args) => ctx.emit(nnLeakyRelu, { x }, { alpha: args.number('negative_slope') }),
    (ctx, x, args) => mapped(ctx, x, leakyRelu(Math.fround(args.number('negative_slope'))), undefined),
  ),
  ...floating('aten::elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1)', elu),
  ...floating('aten::celu(Tensor self, Scalar alpha=1)', (ctx, x, args) =>
    ctx.emit(nnCelu, { x }, { alpha: args.number('alpha') }),
  ),
  ...floating(
    'aten::gelu(Tensor self, str approximate="none")',
    (ctx, x, args) => {
      const approximate = args.string('approximate');
      if (!isWordOf(nnGelu.attrs.approximate, approximate))
        return ctx.unsupported(`the approximation '${approximate}'`);
      return ctx.emit(nnGelu, { x }, { approximate });
    },
    (ctx, x, args) => mapped(ctx, x, args.string('approximate') === 'tanh' ? geluTanh : gelu, undefined),
  ),
  ...floating('aten::softplus(Tensor self, Scalar beta=1, Scalar threshold=20)', softplus),
  ...unary('aten::dropout(Tensor input, float p, bool train)', inEvaluation, dropout),
  ...unary(
    ['feature_dropout', 'alpha_dropout', 'feature_alpha_dropout'].map(
      (name) => `aten::${name}(Tensor input, float p, bool train)`,
    ),
    inEvaluation,
  ),
  ...unary('aten::logical_not(Tensor self)', (ctx, x) => ctx.emit(nnNot, { x: ctx.cast(x, 'bool') })),
  ...unary('aten::bitwise_not(Tensor self)', (ctx, x) =>
    x.type.dtype === 'bool' ? ctx.emit(nnNot, { x }) : ctx.unsupported(`a complement of ${dtypes[x.type.dtype].onnx}`),
  ),
  ...defineTorchOp({
    schema: ['prelu', '_prelu_kernel'].map((name) => `aten::${name}(Tensor self, Tensor weight)`),
    import: prelu,
  }),
];
