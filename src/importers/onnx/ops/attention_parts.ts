/** The parts that the attention operators of ONNX and of ONNX Runtime share: heads, masks and the products between them. */
import {
  addDims,
  type Dim,
  mulDims,
  nnAdd,
  nnAnd,
  nnConcat,
  nnDiv,
  nnGreater,
  nnGreaterOrEqual,
  nnLess,
  nnMatmul,
  nnMul,
  nnRange,
  nnSlice,
  nnSoftmax,
  nnTanh,
  nnWhere,
  subDims,
  type Value,
} from '../../../ir/index.ts';
import { Unsupported } from '../../kit/unsupported.ts';
import type { NodeContext } from '../node_context.ts';

/** The least float, which ONNX Runtime puts where a position may not look. */
const LEAST = -3.4028234663852886e38;

/** Says no to sizes that do not fit: the model is wrong where all of them are known; else it may be right, and the run knows. */
export function misfit(ctx: NodeContext, sizes: readonly (Dim | undefined)[], message: string): never {
  if (sizes.every((size) => typeof size === 'number')) return ctx.refuse(message, 'U2005');
  throw new Unsupported(`${message}, as far as sizes are known`, { dependsOnSizes: true });
}

/** [N, S, heads·size] → [N, heads, S, size] */
export function byHead(ctx: NodeContext, x: Value, heads: number): Value {
  const [n, s, hidden] = x.type.shape;
  if (x.type.shape.length !== 3 || typeof hidden !== 'number' || heads < 1 || hidden % heads !== 0)
    return misfit(ctx, [hidden], `[${x.type.shape}] does not divide into ${heads} heads`);
  return ctx.transpose(ctx.reshape(x, [n, s, heads, hidden / heads]), [0, 2, 1, 3]);
}

/** [N, heads, S, size] → [N, S, heads·size] */
export function besideHeads(ctx: NodeContext, x: Value): Value {
  const [n, heads, s, size] = x.type.shape;
  return ctx.reshape(ctx.transpose(x, [0, 2, 1, 3]), [n, s, mulDims(heads, size)]);
}

/** The elements from `start` up to `end` along an axis. */
export const part = (ctx: NodeContext, x: Value, axis: number, start: Dim, end: Dim): Value =>
  ctx.emit(nnSlice, { x }, { starts: [start], ends: [end], axes: [axis], steps: [1] });

/** The numbers 0, 1, … of `count` positions. */
export const positions = (ctx: NodeContext, count: Dim, dtype: 's32' | 's64' = 's32'): Value =>
  ctx.emit(nnRange, { start: ctx.scalar(dtype, 0, 'first'), delta: ctx.scalar(dtype, 1, 'step') }, { count: [count] });

/** The numbers of `count` positions behind `before` others, as a column. */
export function ownPositions(ctx: NodeContext, count: Dim, before: Dim): Value {
  const end = addDims(before, count);
  return ctx.reshape(part(ctx, positions(ctx, end), 0, before, end), [count, 1]);
}

/** 0 where `seen`, else `filter`. */
export const filtered = (ctx: NodeContext, seen: Value, filter: number): Value =>
  ctx.emit(nnWhere, { cond: seen, a: ctx.scalar('f32', 0, 'shown'), b: ctx.scalar('f32', filter, 'filter') });

/**
 * The addend for scores [N, heads, S, T] by a mask of ONNX Runtime: 1 or 0 for each position, [N, T] or [N, S, T]; or the ends of the
 * positions that are seen, [N], with their starts behind them, [2·N].
 */
export function addedMask(ctx: NodeContext, mask: Value, scores: Value): Value {
  const [n, , s, t] = scores.type.shape;
  const { shape } = mask.type;
  const zero = ctx.scalar('s32', 0, 'zero');
  const along = (count: Value) => ctx.reshape(count, [n, 1, 1, 1]);
  const seen = (): Value => {
    if (shape.length === 3) return ctx.emit(nnGreater, { a: ctx.reshape(mask, [n, 1, s, t]), b: zero });
    if (shape.length === 2) return ctx.emit(nnGreater, { a: ctx.reshape(mask, [n, 1, 1, t]), b: zero });
    const isDouble = shape[0] === mulDims(n, 2);
    if (shape.length !== 1 || !(isDouble || shape[0] === n)) {
      const dependsOnSizes = shape.length === 1 && (typeof n !== 'number' || typeof shape[0] !== 'number');
      throw new Unsupported(`a mask of shape [${shape}]`, { dependsOnSizes });
    }
    const at = positions(ctx, t);
    const ends = ctx.emit(nnLess, { a: at, b: along(part(ctx, mask, 0, 0, n)) });
    if (!isDouble) return ends;
    const starts = along(part(ctx, mask, 0, n, mulDims(n, 2)));
    return ctx.emit(nnAnd, { a: ends, b: ctx.emit(nnGreaterOrEqual, { a: at, b: starts }) });
  };
  return filtered(ctx, seen(), ctx.attr.float('mask_filter_value', -10000));
}

/** The addend [S, T] for scores [N, heads, S, T] that hides positions after one's own. */
export function addedOrder(ctx: NodeContext, scores: Value, filter = LEAST): Value {
  const [s, t] = scores.type.shape.slice(2);
  const own = ownPositions(ctx, s, subDims(t, s));
  return filtered(ctx, ctx.emit(nnGreaterOrEqual, { a: own, b: positions(ctx, t) }), filter);
}

/** What was there before, [N, heads, P, size], and then `own`. */
export const behind = (ctx: NodeContext, past: Value | undefined, own: Value): Value =>
  past ? ctx.emit(nnConcat, { xs: [past, own] }, { axis: 2 }) : own;

/**
 * a [N, groups·heads, S, K] times b [N, heads, K, T]: consecutive heads of a share one of b. The heads of a group lie behind each other
 * as rows, so that b is not repeated.
 */
export function groupedProduct(ctx: NodeContext, a: Value, b: Value): Value {
  const [n, heads, s, k] = a.type.shape;
  const [, shared, , t] = b.type.shape;
  if (heads === shared) return ctx.emit(nnMatmul, { a, b });
  if (typeof heads !== 'number' || typeof shared !== 'number' || heads % shared !== 0)
    return misfit(ctx, [heads, shared], `${heads} heads do not share ${shared}`);
  const rows = ctx.reshape(a, [n, shared, mulDims(s, heads / shared), k]);
  return ctx.reshape(ctx.emit(nnMatmul, { a: rows, b }), [n, heads, s, t]);
}

/** scale·Q·Kᵀ + addends, where an addend may depend on the type of the scores. */
export function scoresOf(
  ctx: NodeContext,
  { query, key }: { readonly query: Value; readonly key: Value },
  scale: number | undefined,
  addends: readonly ((scores: Value) => Value | undefined)[],
): Value {
  const size = query.type.shape[3];
  if (typeof size !== 'number') return ctx.unsupported('heads of a size that only the run knows');
  const products = groupedProduct(ctx, query, ctx.transpose(key, [0, 1, 3, 2]));
  const factor = Math.fround(scale || 1 / Math.sqrt(size));
  const scores = ctx.emit(nnMul, { a: products, b: ctx.scalar('f32', factor, 'scale') });
  return addends.reduce((sum, addend) => {
    const b = addend(scores);
    return b ? ctx.emit(nnAdd, { a: sum, b }) : sum;
  }, scores);
}

/** cap·tanh(x / cap) */
export function capped(ctx: NodeContext, x: Value, cap: number): Value {
  if (cap === 0) return x;
  const by = ctx.scalar('f32', cap, 'cap');
  const bounded = ctx.emit(nnTanh, { x: ctx.emit(nnDiv, { a: x, b: by }) });
  return ctx.emit(nnMul, { a: bounded, b: by });
}

/** softmax(scores)·V as [N, S, heads·size] */
export const attended = (ctx: NodeContext, scores: Value, value: Value): Value =>
  besideHeads(ctx, groupedProduct(ctx, ctx.emit(nnSoftmax, { x: scores }, { axis: 3 }), value));
