/** Functions of one tensor. Bytes are looked up in a table of 256. */
import { type OptionsType, tfliteOptions } from '../../../formats/tflite/index.ts';
import {
  nnAbs,
  nnAdd,
  nnCeil,
  nnCos,
  nnDiv,
  nnElu,
  nnExp,
  nnFloor,
  nnGelu,
  nnLeakyRelu,
  nnLog,
  nnMul,
  nnNeg,
  nnNot,
  nnReciprocal,
  nnRound,
  nnSigmoid,
  nnSign,
  nnSin,
  nnSqrt,
  nnTanh,
  type OpWith,
  type Value,
} from '../../../ir/index.ts';
import {
  type ByteFunction,
  type FloatFunction,
  optimizedLogisticWord,
  optimizedTanhWord,
  type TfliteQuantized,
  tfliteAbs,
  tfliteFunctionOfWords,
  tfliteFunctions,
  tfliteHardSwish,
  tfliteLeakyRelu,
  tfliteLogisticWord,
  tfliteNegate,
  tfliteRelu,
  tfliteRsqrt,
  tfliteSqrt,
  tfliteTable,
  tfliteTanhWord,
  xnnpackLeakyRelu,
  xnnpackTable,
} from '../../../numerics/index.ts';
import { type ByteType, type DType, isByteType } from '../../../tensors/index.ts';
import { bounded } from '../activation.ts';
import { held } from '../aligned.ts';
import { tabulated } from '../byte_table.ts';
import { defineTfliteOp, type TfliteOp } from '../define_tflite_op.ts';
import { isDelegable } from '../delegate.ts';
import type { OperatorContext } from '../operator_context.ts';
import { tabulatedWords } from '../word_table.ts';

/** The function on integers by each engine; the delegate may leave it to the reference kernels. */
interface OnBytes<R> {
  readonly types: readonly (ByteType | 's16')[];
  tflite(x: TfliteQuantized, y: TfliteQuantized, options: R): ByteFunction | undefined;
  xnnpack?(x: TfliteQuantized, y: TfliteQuantized, options: R): ByteFunction | undefined;
  /** The kernel behind the delegate, which takes no 16-bit integers. */
  optimized?(x: TfliteQuantized, y: TfliteQuantized, options: R): ByteFunction | undefined;
}

interface Unary<R> {
  readonly name: string;
  readonly options?: OptionsType<R>;
  /** The other element types, and the operator on them. */
  readonly types: readonly DType[];
  plain(ctx: OperatorContext, x: Value, options: R): Value;
  readonly bytes?: OnBytes<R>;
}

function ofBytes<R>(
  ctx: OperatorContext,
  name: string,
  dtype: ByteType | 's16',
  bytes: OnBytes<R>,
  options: R,
): ByteFunction {
  const x = ctx.get('x');
  const own = { dtype, ...ctx.perTensor(x.tensor) };
  const result = { dtype, ...ctx.perTensor(ctx.output()) };
  const delegated = dtype !== 's16' && isDelegable(ctx, [x]) ? bytes.xnnpack?.(own, result, options) : undefined;
  const behind = dtype === 's16' && ctx.profile !== 'tflite' ? bytes.optimized : undefined;
  const f = delegated ?? (behind ?? bytes.tflite)(own, result, options);
  return f ?? ctx.unsupported(`${name} with these scales, which TensorFlow Lite refuses too`);
}

function unary<R>({ name, options, types, plain, bytes }: Unary<R>): TfliteOp {
  return defineTfliteOp<R>({
    name,
    inputs: ['x'],
    ...(options && { options }),
    import(ctx, given) {
      const operand = ctx.get('x');
      const { dtype } = operand;
      const { x, result } = held(ctx, operand);
      if (types.includes(dtype)) return result(plain(ctx, x, given));
      const isWord = dtype === 's16';
      if (!(isWord || isByteType(dtype)) || !bytes?.types.includes(dtype))
        return ctx.unsupported(`${name} of ${dtype}`);
      const f = ofBytes(ctx, name, dtype, bytes, given);
      return result(isWord ? tabulatedWords(ctx, x, dtype, f) : tabulated(ctx, x, [dtype, dtype], f));
    },
  });
}

const both: readonly ByteType[] = ['u8', 's8'];
const signed: readonly ByteType[] = ['s8'];
const all = [...both, 's16'] as const;

/** Bytes in one way, and 16-bit integers in another: by the reference kernels, and by the optimized ones where they differ. */
const withWords = <R>(
  bytes: OnBytes<R>,
  words: OnBytes<R>['tflite'],
  optimized?: OnBytes<R>['tflite'],
): OnBytes<R> => ({
  types: [...bytes.types, 's16'],
  tflite: (x, y, options) => (x.dtype === 's16' ? words : bytes.tflite)(x, y, options),
  ...(bytes.xnnpack && { xnnpack: bytes.xnnpack }),
  ...(optimized && { optimized }),
});
const by =
  (op: OpWith<'x'>) =>
  (ctx: OperatorContext, x: Value): Value =>
    ctx.emit(op, { x });

/** A table of a float function in the arithmetic of the reference kernels, and in that of the delegate. */
const table = (
  types: readonly ByteType[],
  function_: (y: TfliteQuantized) => FloatFunction,
  isDelegated = false,
): OnBytes<unknown> => ({
  types,
  tflite: (x, y) => tfliteTable(x, function_(y), y),
  ...(isDelegated && { xnnpack: (x, y) => xnnpackTable(x, function_(y), y) }),
});

const relu = (name: 'RELU' | 'RELU6' | 'RELU_N1_TO_1' | 'RELU_0_TO_1'): TfliteOp =>
  unary({
    name,
    types: ['f32'],
    plain: (ctx, x) => bounded(ctx, x, name),
    bytes: { types: all, tflite: (x, y) => tfliteRelu(name, x, y) },
  });

/** Results of words in steps of 2^−15, and no others. */
const inUnits =
  (f: (x: TfliteQuantized) => ByteFunction): OnBytes<unknown>['tflite'] =>
  (x, y) =>
    y.scale === 2 ** -15 ? f(x) : undefined;

const logistic = table(both, tfliteFunctions.LOGISTIC, true);

/** x·clip(x + 3, 0, 6)/6, rounded after every step. */
function hardSwish(ctx: OperatorContext, x: Value): Value {
  const number = (value: number) => ctx.scalar('f32', value);
  const gate = bounded(ctx, ctx.emit(nnAdd, { a: x, b: number(3) }), 'RELU6');
  return ctx.emit(nnDiv, { a: ctx.emit(nnMul, { a: x, b: gate }), b: number(6) });
}

export const unaryOps: readonly TfliteOp[] = [
  relu('RELU'),
  relu('RELU6'),
  relu('RELU_N1_TO_1'),
  relu('RELU_0_TO_1'),
  unary({
    name: 'LOGISTIC',
    types: ['f32'],
    plain: by(nnSigmoid),
    // the reference kernels take results in steps of 1/256 alone
    bytes: withWords(
      { ...logistic, tflite: (x, y) => (y.scale === 1 / 256 ? logistic.tflite(x, y, {}) : undefined) },
      inUnits(tfliteLogisticWord),
      inUnits(optimizedLogisticWord),
    ),
  }),
  unary({
    name: 'TANH',
    types: ['f32'],
    plain: by(nnTanh),
    bytes: withWords(table(both, tfliteFunctions.TANH, true), inUnits(tfliteTanhWord), inUnits(optimizedTanhWord)),
  }),
  unary({ name: 'ELU', types: ['f32'], plain: by(nnElu), bytes: table(signed, tfliteFunctions.ELU, true) }),
  unary({
    name: 'GELU',
    options: tfliteOptions.geluOptions,
    types: ['f32'],
    plain: (ctx, x, { approximate }) => ctx.emit(nnGelu, { x }, { approximate: approximate ? 'tanh' : 'none' }),
    bytes: {
      types: all,
      tflite(x, y, { approximate }) {
        const name = approximate ? 'GELU_TANH' : 'GELU';
        return x.dtype === 's16' ? tfliteFunctionOfWords(name)(x, y) : tfliteTable(x, tfliteFunctions[name](), y);
      },
    },
  }),
  unary({
    name: 'LEAKY_RELU',
    options: tfliteOptions.leakyReluOptions,
    types: ['f32'],
    plain: (ctx, x, { alpha }) => ctx.emit(nnLeakyRelu, { x }, { alpha }),
    bytes: {
      types: all,
      tflite: (x, y, { alpha }) => tfliteLeakyRelu(alpha, x, y),
      xnnpack: (x, y, { alpha }) => xnnpackLeakyRelu(alpha, x, y),
    },
  }),
  unary({ name: 'HARD_SWISH', types: ['f32'], plain: hardSwish, bytes: { types: both, tflite: tfliteHardSwish } }),
  unary({
    name: 'EXP',
    types: ['f32'],
    plain: by(nnExp),
    bytes: withWords(table(signed, tfliteFunctions.EXP), tfliteFunctionOfWords('EXP')),
  }),
  unary({
    name: 'LOG',
    types: ['f32'],
    plain: by(nnLog),
    bytes: withWords(table(signed, tfliteFunctions.LOG), tfliteFunctionOfWords('LOG')),
  }),
  unary({ name: 'SQRT', types: ['f32'], plain: by(nnSqrt), bytes: { types: ['s8', 's16'], tflite: tfliteSqrt } }),
  unary({
    name: 'RSQRT',
    types: ['f32'],
    plain: (ctx, x) => ctx.emit(nnReciprocal, { x: ctx.emit(nnSqrt, { x }) }),
    bytes: withWords({ types: signed, tflite: tfliteRsqrt }, tfliteFunctionOfWords('RSQRT')),
  }),
  unary({ name: 'ABS', types: ['f32', 's32'], plain: by(nnAbs), bytes: { types: ['s8', 's16'], tflite: tfliteAbs } }),
  unary({
    name: 'NEG',
    types: ['f32', 's32', 's64'],
    plain: by(nnNeg),
    bytes: { types: signed, tflite: tfliteNegate },
  }),
  unary({ name: 'SQUARE', types: ['f32'], plain: (ctx, x) => ctx.emit(nnMul, { a: x, b: x }) }),
  unary({ name: 'SIN', types: ['f32'], plain: by(nnSin) }),
  unary({ name: 'COS', types: ['f32'], plain: by(nnCos) }),
  unary({ name: 'ROUND', types: ['f32'], plain: by(nnRound) }),
  unary({ name: 'FLOOR', types: ['f32'], plain: by(nnFloor) }),
  unary({ name: 'CEIL', types: ['f32'], plain: by(nnCeil) }),
  unary({ name: 'SIGN', types: ['f32', 'f64', 's32'], plain: by(nnSign) }),
  unary({ name: 'LOGICAL_NOT', types: ['bool'], plain: by(nnNot) }),
];
