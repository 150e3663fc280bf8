/** Reductions of floats, and the ones that quantized tensors have. */

import {
  elementsOf,
  nnAbs,
  nnAdd,
  nnArgMax,
  nnArgMin,
  nnCumsum,
  nnExp,
  nnLog,
  nnMul,
  nnReduceMax,
  nnReduceMean,
  nnReduceMin,
  nnReduceProd,
  nnReduceSum,
  nnSqrt,
  nnSub,
  type Reduction,
  type Value,
} from '../../../ir/index.ts';
import { isFloat } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { dequantized, quantizedPerTensor } from '../quantized/quantize.ts';
import type { GraphTensor } from '../values.ts';
import { globalAverage } from './pool.ts';

type Position = typeof nnArgMax | typeof nnArgMin;

interface Axes {
  readonly axes: readonly number[];
  readonly keepdims: boolean;
}

/** None and an empty list stand for all axes. */
function axesOf(ctx: TorchContext, x: GraphTensor, args: Arguments): Axes {
  const rank = x.shape.length;
  const isWhole = !args.has('dim') || (Array.isArray(args.value('dim')) && args.ints('dim').length === 0);
  const axes = isWhole ? x.shape.map((_, i) => i) : args.ints('dim').map((axis) => ctx.axis(axis, rank, 'dim'));
  return { axes, keepdims: args.has('keepdim') && args.bool('keepdim') };
}

/** Converts to the requested type; by default, sums of integers and truth values are s64, means are floats. */
function converted(ctx: TorchContext, x: GraphTensor, args: Arguments, toFloat: boolean): Value {
  const value = ctx.plain(x);
  const to = args.has('dtype') ? args.scalarType('dtype') : undefined;
  if (to) return ctx.cast(value, to.dtype);
  return toFloat || isFloat(value.type.dtype) ? ctx.asFloat(value) : ctx.cast(value, 's64');
}

/** Scalars have nothing to reduce. */
const reduced = (ctx: TorchContext, op: Reduction, x: Value, { axes, keepdims }: Axes): Value =>
  x.type.shape.length === 0 ? x : ctx.emit(op, { x }, { axes, keepdims });

const reduction = (
  schema: readonly string[],
  build: (ctx: TorchContext, x: GraphTensor, axes: Axes, args: Arguments) => Value | GraphTensor,
): readonly TorchOp[] =>
  defineTorchOp({
    schema,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      const y = build(ctx, x, axesOf(ctx, x, args), args);
      return 'value' in y ? y : ctx.result(y);
    },
  });

/** Over some axes or all of them, in a type that may be asked for. */
const summing = (name: string): readonly string[] => [
  ...['dim_IntList', 'dim'].map(
    (form) => `aten::${name}.${form}(Tensor self, int[]? dim, bool keepdim=False, ScalarType? dtype=None)`,
  ),
  `aten::${name}.dim_int(Tensor self, int dim, bool keepdim=False, ScalarType? dtype=None)`,
  `aten::${name}(Tensor self, ScalarType? dtype=None)`,
];

/**
 * The mean. For quantized tensors PyTorch's kernels compute:
 *
 *   qnnpack, all positions of images    as its global pool
 *   the last axes, contiguous           rne(fl(fl(Σ − n·z)·fl(1/n)) + z)
 *   all positions, channels-last        as a global pool
 *   else                                in float between dequantize and quantize: ties may fall to the other side, as float sums do
 */
function mean(ctx: TorchContext, x: GraphTensor, { axes, keepdims }: Axes, args: Arguments): Value | GraphTensor {
  if (x.quantization === undefined)
    return reduced(ctx, nnReduceMean, converted(ctx, x, args, true), { axes, keepdims });
  const rank = x.shape.length;
  const sorted = [...axes].sort((a, b) => a - b);
  const isSpatial =
    rank >= 3 &&
    sorted.join() ===
      x.shape
        .map((_, i) => i)
        .slice(2)
        .join();
  const isInner = sorted.every((axis, i) => axis === rank - sorted.length + i);
  const format = ctx.formatOf(x);
  const isQnnpack = ctx.profile === 'torch-qnnpack' && x.dtype === 'u8' && rank === 4;
  const left = x.shape.filter((_, axis) => !axes.includes(axis));
  const shape = keepdims ? x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) : left;
  if (isSpatial && (isQnnpack || (format.isChannelsLast && !format.isContiguous))) {
    const y = globalAverage(ctx, x);
    return ctx.moved(ctx.reshape(y.value, shape), y, keepdims && y.channelsLast);
  }
  if (isInner && format.isContiguous && rank > 0) {
    const lead = [left[0] ?? 1, elementsOf(left.slice(1)), elementsOf(x.shape.slice(rank - sorted.length))];
    const rows = ctx.moved(ctx.reshape(x.value, lead), x, false);
    return ctx.moved(ctx.reshape(globalAverage(ctx, rows, 'torch-contiguous').value, shape), x, false);
  }
  const { quantization, type } = ctx.quantized(x);
  const y = ctx.result(reduced(ctx, nnReduceMean, dequantized(ctx, x).value, { axes, keepdims }));
  return quantizedPerTensor(ctx, y, type, quantization);
}

/** Σ(x − mean)² / (n − correction) */
function variance(ctx: TorchContext, x: GraphTensor, { axes, keepdims }: Axes, correction: number): Value {
  const value = ctx.real(x);
  const count = ctx
    .staticShape(
      axes.map((axis) => x.shape[axis]),
      'a variance',
    )
    .reduce((a, b) => a * b, 1);
  const centre = ctx.emit(nnReduceMean, { x: value }, { axes, keepdims: true });
  const difference = ctx.emit(nnSub, { a: value, b: centre });
  const spread = ctx.emit(nnReduceMean, { x: ctx.emit(nnMul, { a: difference, b: difference }) }, { axes, keepdims });
  const factor = count / Math.max(0, count - correction);
  return ctx.emit(nnMul, { a: spread, b: ctx.scalar(value.type.dtype, factor, 'factor') });
}

/** 1 unless something else is said. */
const correctionOf = (args: Arguments): number =>
  args.optionalNumber('correction') ?? Number(!args.has('unbiased') || args.bool('unbiased'));

const spreads = (name: string, end: (ctx: TorchContext, x: Value) => Value): readonly TorchOp[] =>
  defineTorchOp({
    schema: [
      `aten::${name}(Tensor self, bool unbiased=True)`,
      `aten::${name}.dim(Tensor self, int[]? dim, bool unbiased=True, bool keepdim=False)`,
      `aten::${name}.correction(Tensor self, int[]? dim=None, *, Scalar? correction=None, bool keepdim=False)`,
    ],
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return ctx.result(end(ctx, variance(ctx, x, axesOf(ctx, x, args), correctionOf(args))));
    },
  });

/** (Σ|x|^p)^(1/p) for p of 1 and 2, and the greatest magnitude. */
function norm(ctx: TorchContext, args: Arguments): GraphTensor {
  const x = ctx.graph(args.tensor('self'));
  const value = ctx.real(x);
  const axes = axesOf(ctx, x, args);
  const given = args.has('ord') ? 'ord' : 'p';
  const p = args.has(given) ? (args.value(given) === 'fro' ? 2 : args.number(given)) : 2;
  if (p === 1) return ctx.result(reduced(ctx, nnReduceSum, ctx.emit(nnAbs, { x: value }), axes));
  if (p === Infinity) return ctx.result(reduced(ctx, nnReduceMax, ctx.emit(nnAbs, { x: value }), axes));
  if (p !== 2) return ctx.unsupported(`a norm of order ${p}`);
  return ctx.result(ctx.emit(nnSqrt, { x: reduced(ctx, nnReduceSum, ctx.emit(nnMul, { a: value, b: value }), axes) }));
}

/** max + ln Σe^(x − max) */
function logSumExp(ctx: TorchContext, x: GraphTensor, { axes, keepdims }: Axes): Value {
  const value = ctx.real(x);
  const greatest = ctx.emit(nnReduceMax, { x: value }, { axes, keepdims: true });
  const sum = ctx.emit(
    nnReduceSum,
    { x: ctx.emit(nnExp, { x: ctx.emit(nnSub, { a: value, b: greatest }) }) },
    {
      axes,
      keepdims: true,
    },
  );
  const y = ctx.emit(nnAdd, { a: greatest, b: ctx.emit(nnLog, { x: sum }) });
  return keepdims
    ? y
    : ctx.reshape(
        y,
        y.type.shape.filter((_, axis) => !axes.includes(axis)),
      );
}

function position(ctx: TorchContext, op: Position, x: GraphTensor, args: Arguments): GraphTensor {
  const flat = args.has('dim') ? x.value : ctx.reshape(x.value, [elementsOf(x.shape)]);
  const axis = args.has('dim') ? ctx.axis(args.int('dim'), x.shape.length, 'dim') : 0;
  return ctx.result(ctx.emit(op, { x: flat }, { axis, keepdims: args.has('dim') && args.bool('keepdim') }));
}

/**
 * The extremum of all elements, along an axis with positions, or of two tensors. Quantized integers are ordered like
 * their real values.
 */
const extremum = (name: 'max' | 'min', extreme: Reduction, arg: Position): readonly TorchOp[] => [
  ...defineTorchOp({
    schema: `aten::${name}(Tensor self)`,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      return ctx.moved(reduced(ctx, extreme, x.value, { axes: [], keepdims: false }), x, false);
    },
  }),
  ...defineTorchOp({
    schema: `aten::${name}.dim(Tensor self, int dim, bool keepdim=False)`,
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      const y = reduced(ctx, extreme, x.value, axesOf(ctx, x, args));
      return [ctx.moved(y, x, false), position(ctx, arg, x, args)];
    },
  }),
  ...defineTorchOp({
    schema: `aten::arg${name}(Tensor self, int? dim=None, bool keepdim=False)`,
    import: (ctx, args) => position(ctx, arg, ctx.graph(args.tensor('self')), args),
  }),
];

/** Truth values as integers. */
const quantifier = (name: string, op: Reduction): readonly TorchOp[] =>
  reduction(
    [
      `aten::${name}.dims(Tensor self, int[]? dim, bool keepdim=False)`,
      `aten::${name}.dim(Tensor self, int dim, bool keepdim=False)`,
      `aten::${name}(Tensor self)`,
    ],
    (ctx, x, axes) => ctx.cast(reduced(ctx, op, ctx.cast(ctx.cast(x.value, 'bool'), 's32'), axes), 'bool'),
  );

export const reduceOps: readonly TorchOp[] = [
  ...reduction(summing('mean'), mean),
  ...[['sum', nnReduceSum] as const, ['prod', nnReduceProd] as const].flatMap(([name, op]) =>
    reduction(summing(name), (ctx, x, axes, args) => reduced(ctx, op, converted(ctx, x, args, false), axes)),
  ),
  ...[['amax', nnReduceMax] as const, ['amin', nnReduceMin] as const].flatMap(([name, op]) =>
    reduction([`aten::${name}(Tensor self, int[] dim=[], bool keepdim=False)`], (ctx, x, axes) =>
      reduced(ctx, op, ctx.plain(x), axes),
    ),
  ),
  ...reduction(['aten::logsumexp(Tensor self, int[] dim, bool keepdim=False)'], logSumExp),
  ...spreads('var', (_ctx, x) => x),
  ...spreads('std', (ctx, x) => ctx.emit(nnSqrt, { x })),
  ...defineTorchOp({
    schema: [
      'aten::var_mean.dim(Tensor self, int[]? dim, bool unbiased=True, bool keepdim=False)',
      'aten::var_mean.correction(Tensor self, int[]? dim=None, *, Scalar? correction=None, bool keepdim=False)',
    ],
    import(ctx, args) {
      const x = ctx.graph(args.tensor('self'));
      const axes = axesOf(ctx, x, args);
      return [
        ctx.result(variance(ctx, x, axes, correctionOf(args))),
        ctx.result(reduced(ctx, nnReduceMean, ctx.real(x), axes)),
      ];
    },
  }),
  ...defineTorchOp({
    schema: [
      'aten::norm.Scalar(Tensor self, Scalar p=2)',
      'aten::norm.ScalarOpt_dim(Tensor self, any p, int[] dim, bool keepdim=False, ScalarType? dtype=None)',
      'aten::frobenius_norm.dim(Tensor self, int[] dim, bool keepdim=False)',
      'aten::linalg_vector_norm(Tensor self, Scalar ord=2, int[]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)',
    ],
    import: norm,
  }),
  ...extremum('max', nnReduceMax, nnArgMax),
  ...extremum('min', nnReduceMin, nnArgMin),
  ...quantifier('any', nnReduceMax),
  ...quantifier('all', nnReduceMin),
  ...defineTorchOp({
    schema: 'aten::cumsum(Tensor self, int dim, *, ScalarType? dtype=None)',
    import(ctx, args) {
      const x = converted(ctx, ctx.graph(args.tensor('self')), args, false);
      return ctx.result(ctx.emit(nnCumsum, { x }, { axis: ctx.axis(args.int('dim'), x.type.shape.length, 'dim') }));
    },
  }),
];
