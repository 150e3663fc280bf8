/** Pools. */

import type { Value } from '../../../../ir/define_op.ts';
import {
  nnAveragePool,
  nnGlobalAveragePool,
  nnGlobalMaxPool,
  nnMatmul,
  nnMaxPool,
  nnMul,
} from '../../../../ir/index.ts';
import { tensor } from '../../../../ir/tensor.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';
import { batched } from './conv.ts';

const ranks = [1, 2, 3] as const;
type Rank = (typeof ranks)[number];

interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly ceilMode: boolean;
}

/** An empty list of strides stands for the kernel. */
function windowOf(ctx: ExportContext, rank: Rank): Window {
  const kernel = ctx.ints('kernel_size', rank);
  const strides = ctx.dims('stride').length === 0 ? kernel : ctx.ints('stride', rank);
  const pads = ctx.ints('padding', rank);
  return { kernel, strides, pads: [...pads, ...pads], ceilMode: ctx.flag('ceil_mode') };
}

const maxPool = (rank: Rank) => (ctx: ExportContext) =>
  batched(ctx, ctx.tensor('self'), rank + 2, (x) =>
    ctx.emit(nnMaxPool, { x }, { ...windowOf(ctx, rank), dilations: ctx.ints('dilation', rank) }),
  );

/** The sum over a window by `divisor_override` instead of by its size: known where every window has its full size. */
const averagePool = (rank: Rank) => (ctx: ExportContext) => {
  const window = windowOf(ctx, rank);
  const countIncludePad = ctx.flag('count_include_pad');
  const attrs = { ...window, dilations: Array<number>(rank).fill(1), countIncludePad };
  const hasDivisor = ctx.parameters().includes('divisor_override') && ctx.has('divisor_override');
  const full = window.pads.every((pad) => pad === 0) || countIncludePad;
  if (hasDivisor && (window.ceilMode || !full)) ctx.unsupported("'divisor_override' with windows of several sizes");
  return batched(ctx, ctx.tensor('self'), rank + 2, (x) => {
    const mean = ctx.emit(nnAveragePool, { x }, attrs);
    if (!hasDivisor) return mean;
    const factor = window.kernel.reduce((a, b) => a * b, 1) / ctx.int('divisor_override');
    return ctx.emit(nnMul, { a: mean, b: ctx.scalar('f32', factor) });
  });
};

/** Window i of an adaptive pool: from ⌊i·size/count⌋ to ⌈(i + 1)·size/count⌉. */
function bounds(size: number, count: number, i: number): readonly [from: number, to: number] {
  return [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)];
}

/** Means along one axis: a product with a matrix of one row for each window. */
function averagedAlong(ctx: ExportContext, x: Value, axis: number, size: number, count: number): Value {
  if (size === count) return x;
  if (size * count > 2 ** 22) ctx.unsupported(`windows of ${size} in ${count}`);
  const weights = new Float32Array(size * count); // [size, count]
  for (let i = 0; i < count; i++) {
    const [from, to] = bounds(size, count, i);
    for (let k = from; k < to; k++) weights[k * count + i] = 1 / (to - from);
  }
  const last = x.type.shape.length - 1;
  const perm = x.type.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  const means = ctx.emit(nnMatmul, {
    a: ctx.transpose(x, perm),
    b: ctx.constant(tensor('f32', weights, [size, count])),
  });
  return ctx.transpose(means, perm);
}

/** What both adaptive pools share: a global pool, or a pool whose windows all have one size. */
function adaptive(
  ctx: ExportContext,
  rank: Rank,
  ops: {
    readonly global: typeof nnGlobalAveragePool | typeof nnGlobalMaxPool;
    readonly window: typeof nnAveragePool | typeof nnMaxPool;
  },
  otherwise: (x: Value, counts: readonly number[], sizes: readonly number[]) => Value,
): Value {
  return batched(ctx, ctx.tensor('self'), rank + 2, (x) => {
    const spatial = x.type.shape.slice(2);
    const given = ctx.dims('output_size');
    const counts = spatial.map((size, i) => given[given.length === 1 ? 0 : i] ?? size);
    if (spatial.length !== rank)
      ctx.refuse(`the input has ${spatial.length} spatial axes, not ${rank}`, 'self', 'U2005');
    if (counts.every((count) => count === 1)) return ctx.emit(ops.global, { x });
    if (spatial.every((size, i) => size === counts[i])) return x;
    const sizes = spatial.map((size) =>
      typeof size === 'number' ? size : ctx.unsupported(`an adaptive pool of ${size}`),
    );
    const known = counts.map((count) =>
      typeof count === 'number' && count > 0 ? count : ctx.unsupported(`'output_size' [${counts}]`),
    );
    if (sizes.some((size, i) => size % known[i] !== 0)) return otherwise(x, known, sizes);
    const kernel = sizes.map((size, i) => size / known[i]);
    const [pads, dilations] = [Array<number>(2 * rank).fill(0), Array<number>(rank).fill(1)];
    return ctx.emit(ops.window, { x }, { kernel, strides: kernel, pads, dilations });
  });
}

const adaptiveAverage = (rank: Rank) => (ctx: ExportContext) =>
  adaptive(ctx, rank, { global: nnGlobalAveragePool, window: nnAveragePool }, (x, counts, sizes) =>
    counts.reduce((means, count, i) => averagedAlong(ctx, means, i + 2, sizes[i], count), x),
  );

const adaptiveMax = (rank: Rank) => (ctx: ExportContext) => [
  adaptive(ctx, rank, { global: nnGlobalMaxPool, window: nnMaxPool }, (_x, counts, sizes) =>
    ctx.unsupported(`windows of several sizes: ${sizes} into ${counts}`),
  ),
];

const window = 'Tensor self, int[] kernel_size, int[] stride=[], int[] padding=0';

export const poolOps: readonly ExportOp[] = ranks.flatMap((rank) => {
  const divisor = rank === 1 ? '' : ', int? divisor_override=None';
  const maxParameters = `(${window}, int[] dilation=1, bool ceil_mode=False)`;
  return [
    ...defineExportOp(`aten.max_pool${rank}d.default${maxParameters}`, maxPool(rank)),
    // the second output, positions, is not computed
    ...defineExportOp(`aten.max_pool${rank}d_with_indices.default${maxParameters}`, (ctx) => [maxPool(rank)(ctx)]),
    ...defineExportOp(
      `aten.avg_pool${rank}d.default(${window}, bool ceil_mode=False, bool count_include_pad=True${divisor})`,
      averagePool(rank),
    ),
    ...defineExportOp(
      ['', '_'].map((mark) => `aten.${mark}adaptive_avg_pool${rank}d.default(Tensor self, int[] output_size)`),
      adaptiveAverage(rank),
    ),
    ...defineExportOp(`aten.adaptive_max_pool${rank}d.default(Tensor self, int[] output_size)`, adaptiveMax(rank)),
  ];
});
