/** Pools, of floats and of quantized tensors. */

import {
  isStatic,
  nnAveragePool,
  nnGlobalAveragePool,
  nnGlobalMaxPool,
  nnMatmul,
  nnMaxPool,
  nnMul,
  nnSub,
  qnnConv,
  qnnGlobalAveragePool,
  qnnRequantize,
  type Shape,
  type Value,
} from '../../../ir/index.ts';
import { globalAverageMultiplier, torchAverageMultiplier } from '../../../numerics/index.ts';
import { sizeOf, tensor } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import { describe, type GraphTensor, numberOf, SymInt } from '../values.ts';

/** Tensors of one image lack the batch: it is put in front and taken away again. */
export function batched(
  ctx: TorchContext,
  x: GraphTensor,
  rank: number,
  body: (x: GraphTensor) => GraphTensor,
): GraphTensor {
  if (x.shape.length === rank + 2) return body(x);
  if (x.shape.length !== rank + 1)
    return ctx.refuse(`a tensor of ${x.shape.length} axes for ${rank} spatial ones`, 'U2005');
  const y = body(ctx.moved(ctx.reshape(x.value, [1, ...x.shape]), x));
  return ctx.moved(ctx.reshape(y.value, y.shape.slice(1)), y);
}

interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  readonly ceilMode: boolean;
}

function windowOf(args: Arguments, rank: number): Window {
  const kernel = args.ints('kernel_size', rank);
  const stride = args.value('stride');
  const padding = args.ints('padding', rank);
  return {
    kernel,
    strides: Array.isArray(stride) && stride.length === 0 ? kernel : args.ints('stride', rank),
    pads: [...padding, ...padding],
    dilations: args.has('dilation') ? args.ints('dilation', rank) : Array<number>(rank).fill(1),
    ceilMode: args.bool('ceil_mode'),
  };
}

const windowParameters = 'Tensor self, int[] kernel_size, int[] stride=[], int[] padding=0';
const maxParameters = `${windowParameters}, int[] dilation=1, bool ceil_mode=False`;

const maxPool = (rank: number): readonly TorchOp[] => {
  const largest = (ctx: TorchContext, args: Arguments) =>
    batched(ctx, ctx.graph(args.tensor('self')), rank, (x) =>
      pooled(ctx, ctx.emit(nnMaxPool, { x: x.value }, { ...windowOf(args, rank) }), x),
    );
  return [
    ...defineTorchOp({
      schema: ['aten', 'quantized'].map((library) => `${library}::max_pool${rank}d(${maxParameters})`),
      import: largest,
    }),
    // positions are not computed
    ...defineTorchOp({
      schema: `aten::max_pool${rank}d_with_indices(${maxParameters})`,
      import: (ctx, args) => [largest(ctx, args), null],
    }),
  ];
};

/** The result of a pool is channels-last where its source is, gaps excluded, or where QNNPACK computes it; else contiguous. */
const pooled = (ctx: TorchContext, value: Value, x: GraphTensor): GraphTensor =>
  ctx.moved(value, x, isOfQnnpack(ctx, x) || (x.channelsLast && ctx.formatOf(x).isChannelsLast));

const isOfQnnpack = (ctx: TorchContext, { type, shape }: GraphTensor): boolean =>
  ctx.profile === 'torch-qnnpack' && type.name === 'quint8' && shape.length === 4;

/**
 * The mean of windows as Σ(x − zx), a convolution with ones, requantized:
 *
 *   qnnpack  rne(fl(fl(A)·fl(s/fl(s·n)))) + z
 *   others   rne(fl(fl(A)·fl(1/n))) + z, the zero point before rounding unless the tensor is channels-last
 *
 * n counts the padding, or is one for each position.
 */
function quantizedAverage(ctx: TorchContext, input: GraphTensor, window: Window, includesPad: boolean): GraphTensor {
  const x = ctx.quantized(input);
  const { scale, zeroPoint } = x.quantization;
  const channels = x.shape[1];
  if (typeof channels !== 'number') return ctx.unsupported('an average pool over an unknown number of channels');
  const { kernel, strides, pads, dilations } = window;
  const ones = ctx.constant(
    tensor('s8', new Int8Array(ctx.bounded(channels * sizeOf(kernel), 'windows')).fill(1), [channels, 1, ...kernel]),
    'ones',
  );
  const zero = zeroPoint === 0 ? undefined : ctx.scalar(x.dtype, zeroPoint, 'source_zero_point');
  const sum = ctx.emit(qnnConv, { x: x.value, w: ones, zx: zero }, { strides, pads, dilations, group: channels });
  const isQnnpack = ctx.profile === 'torch-qnnpack' && x.dtype === 'u8';
  const s = Math.fround(scale);
  const factor = (n: number): number => {
    const m = isQnnpack ? globalAverageMultiplier(s, s, n) : torchAverageMultiplier(s, s, n);
    return m.arithmetic === 'f32' ? m.factor : Number.NaN;
  };
  const isUniform = includesPad || isQnnpack || pads.every((pad) => pad === 0);
  const multiplier = isUniform
    ? ctx.scalar('f32', factor(sizeOf(kernel)), 'multiplier')
    : byPosition(ctx, sum, x.shape.slice(2), window, factor);
  const order = isQnnpack || ctx.formatOf(x).isChannelsLast ? 'after' : 'before';
  const y = ctx.emit(
    qnnRequantize,
    { x: sum, multiplier, zy: ctx.scalar(x.dtype, zeroPoint, 'zero_point') },
    {
      axis: 1,
      zeroPointAt: order,
    },
  );
  return pooled(ctx, y, x);
}

/** One multiplier for each position of the output: windows at the border hold fewer elements. */
function byPosition(
  ctx: TorchContext,
  sum: Value,
  input: Shape,
  { kernel, strides, pads }: Window,
  factor: (n: number) => number,
): Value {
  const sizes = ctx.staticShape(input, 'an average pool that leaves out its padding');
  const output = ctx.staticShape(sum.type.shape.slice(2), 'an average pool that leaves out its padding');
  ctx.bounded(sizeOf(output), 'windows');
  const counts = output.map((length, axis) =>
    Array.from({ length }, (_, i) => {
      const start = i * strides[axis] - pads[axis];
      return Math.min(start + kernel[axis], sizes[axis]) - Math.max(start, 0);
    }),
  );
  const products = counts.reduce<number[]>((all, list) => all.flatMap((n) => list.map((m) => n * m)), [1]);
  return ctx.constant(tensor('f32', products.map(factor), [1, 1, ...output]), 'multiplier');
}

const averagePool = (rank: number): readonly TorchOp[] =>
  defineTorchOp({
    schema: `aten::avg_pool${rank}d(${windowParameters}, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None)`,
    import: (ctx, args) =>
      batched(ctx, ctx.graph(args.tensor('self')), rank, (x) => {
        const given = windowOf(args, rank);
        const window = { ...given, ceilMode: given.ceilMode && !fitsExactly(x.shape.slice(2), given) };
        if (args.has('divisor_override') && (x.quantization || window.ceilMode))
          ctx.unsupported('a divisor of its own');
        const isPadded = window.pads.some((pad) => pad !== 0);
        const includesPad = args.bool('count_include_pad');
        if (x.quantization && window.ceilMode) ctx.unsupported('windows beyond the padding');
        if (x.quantization) return quantizedAverage(ctx, x, window, includesPad);
        const divides = args.has('divisor_override');
        const attrs = { ...window, countIncludePad: (includesPad || divides) && isPadded };
        const mean = ctx.emit(nnAveragePool, { x: x.value }, attrs);
        if (!divides) return ctx.result(mean, x);
        const factor = ctx.scalar(x.dtype, sizeOf(window.kernel) / args.number('divisor_override'), 'divisor');
        return ctx.result(ctx.emit(nnMul, { a: mean, b: factor }), x);
      }),
  });

/** True when no window reaches beyond the end, so that rounding up or down is the same. */
const fitsExactly = (sizes: Shape, { kernel, strides, pads }: Window): boolean =>
  isStatic(sizes) && sizes.every((size, axis) => (size + 2 * pads[axis] - kernel[axis]) % strides[axis] === 0);

/** The mean over all positions. */
export function globalAverage(ctx: TorchContext, x: GraphTensor, fixed?: 'torch-contiguous'): GraphTensor {
  if (x.quantization === undefined) return ctx.result(ctx.emit(nnGlobalAveragePool, { x: x.value }), x);
  const { scale, zeroPoint } = ctx.quantized(x).quantization;
  const s = ctx.scalar('f32', scale, 'scale');
  const z = ctx.scalar(x.dtype, zeroPoint, 'zero_point');
  const own = ctx.formatOf(x).isChannelsLast ? 'torch' : 'torch-contiguous';
  const recipe = fixed ?? (ctx.profile === 'torch-qnnpack' && x.dtype === 'u8' ? 'qnnpack' : own);
  return pooled(ctx, ctx.emit(qnnGlobalAveragePool, { x: x.value, sx: s, zx: z, sy: s, zy: z }, { recipe }), x);
}

const adaptiveAverage = (rank: number): readonly TorchOp[] =>
  defineTorchOp({
    schema: ['', '_'].map((mark) => `aten::${mark}adaptive_avg_pool${rank}d(Tensor self, any output_size)`),
    import: (ctx, args) =>
      batched(ctx, ctx.graph(args.tensor('self')), rank, (x) => {
        const spatial = x.shape.slice(2);
        const target = adaptiveTarget(ctx, args, spatial);
        if (target.every((size) => size === 1)) return globalAverage(ctx, x);
        if (target.every((size, axis) => size === spatial[axis])) return x;
        const sizes = ctx.staticShape(spatial, 'an adaptive pool');
        const counts = target.map(Number);
        const isEven = sizes.every((size, axis) => size % counts[axis] === 0);
        if (!isEven && !x.quantization)
          return ctx.result(
            counts.reduce<Value>(
              (v, count, i) => alongWindows(ctx, v, i + 2, [sizes[i], count], (n) => 1 / n),
              x.value,
            ),
            x,
          );
        if (!isEven) return unevenAverage(ctx, x, sizes, counts);
        const kernel = sizes.map((size, axis) => size / counts[axis]);
        const pads = Array<number>(2 * rank).fill(0);
        const window: Window = { kernel, strides: kernel, pads, dilations: Array(rank).fill(1), ceilMode: false };
        if (x.quantization) return quantizedAverage(ctx, x, window, true);
        return ctx.result(ctx.emit(nnAveragePool, { x: x.value }, { ...window }), x);
      }),
  });

/** From ⌊i·size/count⌋ to ⌈(i + 1)·size/count⌉. */
const unevenWindow = (size: number, count: number, i: number): readonly [from: number, to: number] => [
  Math.floor((i * size) / count),
  Math.ceil(((i + 1) * size) / count),
];

/** Windows of uneven sizes along one axis, every element times a weight: a product with a matrix. */
function alongWindows(
  ctx: TorchContext,
  x: Value,
  axis: number,
  [size, count]: readonly [size: number, count: number],
  weight: (n: number) => number,
): Value {
  if (size === count) return x;
  const weights = new Float32Array(ctx.bounded(size * count, 'windows')); // [size, count]
  for (let i = 0; i < count; i++) {
    const [from, to] = unevenWindow(size, count, i);
    for (let k = from; k < to; k++) weights[k * count + i] = weight(to - from);
  }
  const last = x.type.shape.length - 1;
  const perm = x.type.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  const windows = ctx.constant(tensor('f32', weights, [size, count]), 'windows');
  return ctx.transpose(ctx.emit(nnMatmul, { a: ctx.transpose(x, perm), b: windows }), perm);
}

/** rne(fl(fl(Σ(x − z))·fl(1/n)) + z) over windows of uneven sizes; the sums are exact in binary32. */
function unevenAverage(
  ctx: TorchContext,
  input: GraphTensor,
  sizes: readonly number[],
  counts: readonly number[],
): GraphTensor {
  const x = ctx.quantized(input);
  const { zeroPoint } = x.quantization;
  if (256 * sizeOf(sizes) > 2 ** 24) ctx.unsupported(`an adaptive pool over ${sizeOf(sizes)} positions`);
  const zero = ctx.scalar('f32', zeroPoint, 'zero_point');
  const centred = ctx.emit(nnSub, { a: ctx.cast(x.value, 'f32'), b: zero });
  const sum = counts.reduce<Value>((v, count, i) => alongWindows(ctx, v, i + 2, [sizes[i], count], () => 1), centred);
  const lengths = counts.map((count, axis) =>
    Array.from({ length: count }, (_, i) => {
      const [from, to] = unevenWindow(sizes[axis], count, i);
      return to - from;
    }),
  );
  ctx.bounded(sizeOf(counts), 'windows');
  const factors = lengths.reduce<number[]>((all, list) => all.flatMap((n) => list.map((m) => n * m)), [1]);
  const one = (n: number) => {
    const m = torchAverageMultiplier(1, 1, n);
    return m.arithmetic === 'f32' ? m.factor : Number.NaN;
  };
  const multiplier = ctx.constant(tensor('f32', factors.map(one), [1, 1, ...counts]), 'multiplier');
  const y = ctx.emit(
    qnnRequantize,
    { x: ctx.cast(sum, 's32'), multiplier, zy: ctx.scalar(x.dtype, zeroPoint, 'zero_point') },
    { axis: 1, zeroPointAt: ctx.formatOf(x).isChannelsLast ? 'after' : 'before' },
  );
  return pooled(ctx, y, x);
}

/** None keeps the size of the input; an integer stands for all axes. */
function adaptiveTarget(ctx: TorchContext, args: Arguments, spatial: Shape): Shape {
  const given = args.value('output_size');
  const list = Array.isArray(given) && given.length !== 1 ? given : spatial.map(() => [given].flat()[0]);
  if (list.length !== spatial.length) return ctx.unsupported(`${list.length} sizes for ${spatial.length} axes`);
  return spatial.map((size, axis) => {
    const one = list[axis];
    const wanted = one === null ? size : one instanceof SymInt ? one.dim : numberOf(one);
    const isSize = typeof wanted === 'string' || (Number.isSafeInteger(wanted) && Number(wanted) > 0);
    return isSize && wanted !== undefined ? wanted : ctx.unsupported(`an adaptive pool to ${describe(list[axis])}`);
  });
}

/** The second result, positions, is not computed. */
const adaptiveMax = (rank: number): readonly TorchOp[] =>
  defineTorchOp({
    schema: `aten::adaptive_max_pool${rank}d(Tensor self, any output_size)`,
    import(ctx, args) {
      const largest = batched(ctx, ctx.graph(args.tensor('self')), rank, (x) => {
        const target = adaptiveTarget(ctx, args, x.shape.slice(2));
        if (target.every((size) => size === 1)) return pooled(ctx, ctx.emit(nnGlobalMaxPool, { x: x.value }), x);
        if (String(target) === String(x.shape.slice(2))) return x;
        const sizes = ctx.staticShape(x.shape.slice(2), 'an adaptive pool');
        if (sizes.some((size, axis) => size % Number(target[axis]) !== 0)) ctx.unsupported('windows of uneven sizes');
        const kernel = sizes.map((size, axis) => size / Number(target[axis]));
        const window = { kernel, strides: kernel, pads: Array(2 * rank).fill(0), dilations: Array(rank).fill(1) };
        return pooled(ctx, ctx.emit(nnMaxPool, { x: x.value }, window), x);
      });
      return [largest, null];
    },
  });

export const poolOps: readonly TorchOp[] = [
  ...[1, 2, 3].flatMap((rank) => [...maxPool(rank), ...averagePool(rank), ...adaptiveAverage(rank)]),
  ...[1, 2, 3].flatMap(adaptiveMax),
];
