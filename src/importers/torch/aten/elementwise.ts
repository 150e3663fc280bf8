/** Elementwise operators: of floats as they are, of quantized tensors by tables. */

import type { Value } from '../../../ir/define_op.ts';
import { type DType, isFloat } from '../../../ir/dtype.ts';
import {
  isWordOf,
  nnAbs,
  nnAdd,
  nnCeil,
  nnCelu,
  nnClip,
  nnCos,
  nnDiv,
  nnElu,
  nnEqual,
  nnErf,
  nnExp,
  nnFloor,
  nnGelu,
  nnGreater,
  nnGreaterOrEqual,
  nnHardSigmoid,
  nnHardSwish,
  nnLeakyRelu,
  nnLess,
  nnLessOrEqual,
  nnLog,
  nnMax,
  nnMin,
  nnMish,
  nnMul,
  nnNeg,
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
  nnSoftsign,
  nnSqrt,
  nnSub,
  nnTanh,
  nnWhere,
  type OpWith,
} from '../../../ir/index.ts';
import { gelu, geluTanh, leakyRelu } from '../../../numerics/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { scalarTypeOfCode, scalarTypes, TorchTensor } from '../pickle/index.ts';
import { clamped, hardSwish, mapped, relu, tableOrder, withFixedParameters } from '../quantized/elementwise.ts';
import {
  describe,
  GraphTensor,
  isUnderstood,
  numberOf,
  type TensorLike,
  type TorchValue,
  UnknownTensor,
} from '../values.ts';

interface UnaryForms {
  readonly real: (ctx: TorchContext, x: Value, args: Arguments) => Value;
  readonly quantized?: (ctx: TorchContext, x: TensorLike, args: Arguments) => GraphTensor;
}

export const unary = (schema: string, { real, quantized }: UnaryForms): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    keepsShape: true,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      if (x.quantization === undefined) return ctx.result(real(ctx, floated(ctx, x), args), x);
      return quantized ? quantized(ctx, x, args) : ctx.unsupported('a quantized operand');
    },
  });

const floated = (ctx: TorchContext, { value }: GraphTensor): Value =>
  isFloat(value.type.dtype) ? value : ctx.cast(value, 'f32');

/** Operators that are one of ours without more. */
const same = (name: string, op: OpWith<'x'>): readonly TorchOp[] =>
  unary(`aten::${name}(Tensor self)`, { real: (ctx, x) => ctx.emit(op, { x }) });

const bound = (args: Arguments, name: string): number | undefined => (args.has(name) ? args.number(name) : undefined);

function clip(ctx: TorchContext, x: Value, low: number | undefined, high: number | undefined): Value {
  return ctx.emit(nnClip, { x }, { min: low ?? -Infinity, max: high ?? Infinity });
}

/** ln(1 + e^(β·x))/β */
function scaledSoftplus(ctx: TorchContext, x: Value, beta: number): Value {
  if (beta === 1) return ctx.emit(nnSoftplus, { x });
  return multiply(ctx, ctx.emit(nnSoftplus, { x: multiply(ctx, x, beta) }), 1 / beta);
}

const multiply = (ctx: TorchContext, x: Value, factor: number): Value =>
  ctx.emit(nnMul, { a: x, b: ctx.scalar(x.type.dtype, factor, 'factor') });

// ---- two operands

const order: readonly DType[] = ['bool', 'u8', 's8', 's16', 's32', 's64', 'f16', 'bf16', 'f32', 'f64'];

/** A number, or a stored tensor without axes, which takes part in promotion no more than a number does. */
const scalarOf = (value: TorchValue): number | undefined =>
  value instanceof TorchTensor && value.shape.length > 0 ? undefined : numberOf(value);

/** Both operands in the element type that PyTorch promotes them to. */
export function promoted(
  ctx: TorchContext,
  left: TorchValue,
  right: TorchValue,
  needsFloat: boolean,
): [Value, Value, GraphTensor] {
  const [a, b] = [left, right].map((value) => {
    const number = scalarOf(value);
    if (number !== undefined) return number;
    if (typeof value === 'object' && value !== null && 'dim' in value)
      return ctx.unsupported('arithmetic of a tensor with the size of an input');
    return isUnderstood(value) ? ctx.graph(value) : ctx.unsupported(`arithmetic of ${describe(value)}`);
  });
  const tensors = [a, b].filter((x) => x instanceof GraphTensor);
  for (const x of tensors) if (x.quantization) ctx.unsupported('arithmetic of a quantized tensor');
  const numbers = [a, b].filter((x) => typeof x === 'number');
  let dtype = tensors.map(({ dtype: d }) => d).reduce((x, y) => (order.indexOf(x) >= order.indexOf(y) ? x : y));
  const isIntegral = !isFloat(dtype);
  if (isIntegral && (needsFloat || numbers.some((n) => !Number.isInteger(n)))) dtype = 'f32';
  else if (dtype === 'bool' && numbers.length > 0) dtype = 's64';
  const value = (x: number | GraphTensor): Value =>
    typeof x === 'number' ? ctx.scalar(dtype, x, 'scalar') : ctx.cast(x.value, dtype);
  return [value(a), value(b), tensors.find(({ channelsLast }) => channelsLast) ?? tensors[0]];
}

export const binary = (
  schema: string,
  build: (ctx: TorchContext, a: Value, b: Value, args: Arguments) => Value,
  needsFloat = false,
): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const [a, b, like] = promoted(ctx, args.value('self'), args.value('other'), needsFloat);
      return ctx.result(build(ctx, a, b, args), like);
    },
  });

const arithmetic = (name: string, op: OpWith<'a' | 'b'>, needsFloat = false): readonly TorchOp[] =>
  binary(`aten::${name}(any self, any other)`, (ctx, a, b) => ctx.emit(op, { a, b }), needsFloat);

const scaled = (ctx: TorchContext, x: Value, args: Arguments): Value =>
  args.number('alpha') === 1 ? x : multiply(ctx, x, args.number('alpha'));

/** relu or a clamp on integers of quantized tensors, `nn.clip` on reals. */
const clamping = (schema: string, low: string | number, high: string | number): readonly TorchOp[] => {
  const of = (args: Arguments, end: string | number) => (typeof end === 'number' ? end : bound(args, end));
  return unary(schema, {
    real: (ctx, x, args) => clip(ctx, x, of(args, low), of(args, high)),
    quantized: (ctx, x, args) => clamped(ctx, x, of(args, low), of(args, high)),
  });
};

function converted(ctx: TorchContext, input: TensorLike, code: number): GraphTensor {
  const type = scalarTypeOfCode(code);
  const x = ctx.graph(input);
  if (type === undefined || type.isQuantized) return ctx.unsupported(`a cast to the element type ${code}`);
  if (x.quantization) return ctx.unsupported('a cast of a quantized tensor');
  return new GraphTensor(ctx.cast(x.value, type.dtype), type, { channelsLast: x.channelsLast });
}

const cast = (schema: string, code: (args: Arguments) => number | undefined): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    keepsShape: true,
    import(ctx, args) {
      const to = code(args);
      const x = args.tensor('self');
      return to === undefined ? ctx.graph(x) : converted(ctx, x, to);
    },
  });

export const floatElementwiseOps: readonly TorchOp[] = [
  ...Object.entries({
    exp: nnExp,
    log: nnLog,
    sqrt: nnSqrt,
    erf: nnErf,
    abs: nnAbs,
    floor: nnFloor,
    ceil: nnCeil,
    round: nnRound,
    reciprocal: nnReciprocal,
    sin: nnSin,
    cos: nnCos,
    sign: nnSign,
    neg: nnNeg,
    softsign: nnSoftsign,
  }).flatMap(([name, op]) => same(name, op)),
  ...unary('aten::relu(Tensor self)', { real: (ctx, x) => ctx.emit(nnRelu, { x }), quantized: relu }),
  ...clamping('aten::relu6(Tensor self)', 0, 6),
  ...clamping('aten::hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1)', 'min_val', 'max_val'),
  ...clamping('aten::clamp(Tensor self, Scalar? min=None, Scalar? max=None)', 'min', 'max'),
  ...clamping('aten::clamp_min(Tensor self, Scalar min)', 'min', Infinity),
  ...clamping('aten::clamp_max(Tensor self, Scalar max)', -Infinity, 'max'),
  ...unary('aten::sigmoid(Tensor self)', {
    real: (ctx, x) => ctx.emit(nnSigmoid, { x }),
    quantized: (ctx, x) => withFixedParameters(ctx, 'aten::sigmoid', x),
  }),
  ...unary('aten::tanh(Tensor self)', {
    real: (ctx, x) => ctx.emit(nnTanh, { x }),
    quantized: (ctx, x) => withFixedParameters(ctx, 'aten::tanh', x),
  }),
  ...unary('aten::hardsigmoid(Tensor self)', {
    real: (ctx, x) => ctx.emit(nnHardSigmoid, { x }, { alpha: 1 / 6, beta: 0.5 }),
    quantized: (ctx, x) => withFixedParameters(ctx, 'aten::hardsigmoid', x),
  }),
  ...unary('aten::hardswish(Tensor self)', {
    real: (ctx, x) => ctx.emit(nnHardSwish, { x }),
    quantized: (ctx, x) => mapped(ctx, x, hardSwish, undefined, tableOrder(ctx)),
  }),
  ...unary('aten::leaky_relu(Tensor self, Scalar negative_slope=0.01)', {
    real: (ctx, x, args) => ctx.emit(nnLeakyRelu, { x }, { alpha: args.number('negative_slope') }),
    quantized: (ctx, x, args) => mapped(ctx, x, leakyRelu(Math.fround(args.number('negative_slope'))), undefined),
  }),
  ...unary('aten::elu(Tensor self, Scalar alpha=1)', {
    real: (ctx, x, args) => ctx.emit(nnElu, { x }, { alpha: args.number('alpha') }),
  }),
  ...unary('aten::celu(Tensor self, Scalar alpha=1)', {
    real: (ctx, x, args) => ctx.emit(nnCelu, { x }, { alpha: args.number('alpha') }),
  }),
  ...unary('aten::selu(Tensor self)', { real: (ctx, x) => ctx.emit(nnSelu, { x }) }),
  ...unary('aten::gelu(Tensor self, str approximate="none")', {
    real(ctx, x, args) {
      const approximate = args.string('approximate');
      if (!isWordOf(nnGelu.attrs.approximate, approximate))
        return ctx.unsupported(`the approximation '${approximate}'`);
      return ctx.emit(nnGelu, { x }, { approximate });
    },
    quantized: (ctx, x, args) => mapped(ctx, x, args.string('approximate') === 'tanh' ? geluTanh : gelu, undefined),
  }),
  ...unary('aten::silu(Tensor self)', { real: (ctx, x) => ctx.emit(nnMul, { a: x, b: ctx.emit(nnSigmoid, { x }) }) }),
  ...unary('aten::mish(Tensor self)', { real: (ctx, x) => ctx.emit(nnMish, { x }) }),
  ...unary('aten::softplus(Tensor self, Scalar beta=1, Scalar threshold=20)', {
    real: (ctx, x, args) => scaledSoftplus(ctx, x, args.number('beta')),
  }),
  ...unary('aten::rsqrt(Tensor self)', { real: (ctx, x) => ctx.emit(nnReciprocal, { x: ctx.emit(nnSqrt, { x }) }) }),
  ...unary('aten::square(Tensor self)', { real: (ctx, x) => ctx.emit(nnMul, { a: x, b: x }) }),
  ...unary('aten::dropout(Tensor self, float p, bool train)', {
    real: (ctx, x, args) => inEvaluation(ctx, x, args),
    quantized: (ctx, x, args) => ctx.moved(inEvaluation(ctx, ctx.graph(x).value, args), ctx.graph(x)),
  }),
  ...['feature_dropout', 'alpha_dropout', 'feature_alpha_dropout'].flatMap((name) =>
    unary(`aten::${name}(Tensor self, float p, bool train)`, { real: inEvaluation }),
  ),
  ...defineTorchOp({
    schema: 'aten::prelu(Tensor self, Tensor weight)',
    import(ctx, args) {
      const [x, slope] = [ctx.graph(args.tensor('self')), ctx.graph(args.tensor('weight'))];
      if (x.quantization) return ctx.unsupported('a quantized operand');
      const shape = [slope.shape[0] ?? 1, ...x.shape.slice(2).map(() => 1)];
      return ctx.result(ctx.emit(nnPrelu, { x: x.value, slope: ctx.reshape(slope.value, shape) }), x);
    },
  }),
  ...binary('aten::add(any self, any other, Scalar alpha=1)', (ctx, a, b, args) =>
    ctx.emit(nnAdd, { a, b: scaled(ctx, b, args) }),
  ),
  ...binary('aten::sub(any self, any other, Scalar alpha=1)', (ctx, a, b, args) =>
    ctx.emit(nnSub, { a, b: scaled(ctx, b, args) }),
  ),
  ...binary('aten::rsub(any self, any other, Scalar alpha=1)', (ctx, a, b, args) =>
    ctx.emit(nnSub, { a: b, b: scaled(ctx, a, args) }),
  ),
  ...binary(
    'aten::div(any self, any other, str? rounding_mode=None)',
    (ctx, a, b, args) => {
      const y = ctx.emit(nnDiv, { a, b });
      if (!args.has('rounding_mode')) return y;
      return args.string('rounding_mode') === 'floor'
        ? ctx.emit(nnFloor, { x: y })
        : ctx.unsupported('a truncated quotient');
    },
    true,
  ),
  ...arithmetic('mul', nnMul),
  ...arithmetic('maximum', nnMax),
  ...arithmetic('minimum', nnMin),
  ...arithmetic('pow', nnPow, true),
  ...arithmetic('eq', nnEqual),
  ...arithmetic('gt', nnGreater),
  ...arithmetic('lt', nnLess),
  ...arithmetic('ge', nnGreaterOrEqual),
  ...arithmetic('le', nnLessOrEqual),
  ...defineTorchOp({
    schema: 'aten::where(Tensor condition, any self, any other)',
    import(ctx, args) {
      const [a, b, like] = promoted(ctx, args.value('self'), args.value('other'), false);
      return ctx.result(ctx.emit(nnWhere, { cond: ctx.graph(args.tensor('condition')).value, a, b }), like);
    },
  }),
  ...cast(
    'aten::to(Tensor self, int dtype, bool non_blocking=False, bool copy=False, any memory_format=None)',
    (args) => args.int('dtype'),
  ),
  ...cast(
    'aten::to(Tensor self, any device, int? dtype=None, bool non_blocking=False, bool copy=False, any memory_format=None)',
    (args) => (args.has('dtype') ? args.int('dtype') : undefined),
  ),
  ...cast('aten::float(Tensor self)', () => scalarTypes.float32.code),
  ...cast('aten::type_as(Tensor self, Tensor other)', (args) => {
    const other = args.tensor('other');
    return other instanceof UnknownTensor ? undefined : other.type.code;
  }),
];

function inEvaluation(ctx: TorchContext, x: Value, args: Arguments): Value {
  if (args.bool('train') && args.number('p') > 0)
    ctx.refuse('the model was saved in training mode: dropout is random', 'U2008', 'call model.eval() before saving');
  return x;
}
