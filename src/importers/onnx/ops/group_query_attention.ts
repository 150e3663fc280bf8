/** GroupQueryAttention of com.microsoft, which language models are written with: a cache of keys and values, and rotations. */
import {
  type Dim,
  maxDims,
  nnAdd,
  nnAnd,
  nnConcat,
  nnEqual,
  nnExpand,
  nnGather,
  nnGatherNd,
  nnGreaterOrEqual,
  nnLess,
  nnMax,
  nnMin,
  nnShape,
  nnSoftmax,
  nnSub,
  nnWhere,
  tensor,
  type Value,
} from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import {
  besideHeads,
  byHead,
  capped,
  filtered,
  groupedProduct,
  misfit,
  part,
  positions,
  scoresOf,
} from './attention_parts.ts';
import { rotated } from './rotary.ts';

const sum = (ctx: NodeContext, a: Value, b: Value): Value => ctx.emit(nnAdd, { a, b });
const number = (ctx: NodeContext, value: number): Value => ctx.scalar('s32', value, 'number');

/** A size as a number of the run. */
const sizeOf = (ctx: NodeContext, x: Value, axis: number): Value =>
  ctx.cast(part(ctx, ctx.emit(nnShape, { x }), 0, axis, axis + 1), 's32');

/** Query, key and value as [N, heads, S, size]; they may be side by side in one tensor. */
function separate(ctx: NodeContext, heads: number, shared: number): readonly [Value, Value, Value] {
  const [q, k, v] = [ctx.get('query'), ctx.find('key'), ctx.find('value')];
  if (k && v) return [byHead(ctx, q, heads), byHead(ctx, k, shared), byHead(ctx, v, shared)];
  const width = q.type.shape[2];
  if (k || v || typeof width !== 'number' || width % (heads + 2 * shared) !== 0)
    return misfit(
      ctx,
      [width],
      `[${q.type.shape}] does not divide into ${heads} heads and ${shared} for keys and values`,
    );
  const all = byHead(ctx, q, heads + 2 * shared);
  const [first, second] = [heads, heads + shared];
  return [part(ctx, all, 1, 0, first), part(ctx, all, 1, first, second), part(ctx, all, 1, second, second + shared)];
}

/**
 * The positions that `ids` [N, S] tells. ONNX Runtime reads the first of them alone for a prompt, whose new positions are all there are,
 * and counts from it, in all of the batch.
 */
function placesOf(ctx: NodeContext, ids: Value, query: Value, total: Dim): Value {
  const s = query.type.shape[2];
  if (typeof s === 'number' && typeof total === 'number' && s !== total) return ids;
  const zero = ctx.constant(tensor('s64', [0], [1]), 'zero');
  const first = [0, 1].reduce((x, axis) => ctx.emit(nnGather, { x, indices: zero }, { axis }), ids);
  const counted = sum(ctx, first, ctx.reshape(positions(ctx, s, 's64'), [1, s]));
  if (s === total) return counted;
  const isPrompt = ctx.emit(nnEqual, { a: sizeOf(ctx, query, 2), b: ctx.get('total_sequence_length') });
  return ctx.emit(nnWhere, { cond: isPrompt, a: counted, b: ids });
}

interface Cache {
  /** The number of positions that were there before, for each of the batch: [N, 1]. */
  readonly before: Value;
  /** The cached positions, the new ones and then one of zeros, as positions of the three behind each other: [N, positions]. */
  readonly places: Value | undefined;
}

/** Lengths of the run, of which only the longest is a size. */
function cacheOf(ctx: NodeContext, own: Value, past: Value | undefined, total: Dim): Cache {
  const [n] = own.type.shape;
  const length = sum(ctx, ctx.reshape(ctx.get('seqlens_k'), [n, 1]), number(ctx, 1));
  const size = sizeOf(ctx, own, 2);
  const before = ctx.emit(nnMax, { a: ctx.emit(nnSub, { a: length, b: size }), b: number(ctx, 0) });
  if (!past) return { before, places: undefined };
  const room = past.type.shape[2];
  const at = positions(ctx, maxDims(room, total));
  const isNew = ctx.emit(nnAnd, {
    a: ctx.emit(nnGreaterOrEqual, { a: at, b: before }),
    b: ctx.emit(nnLess, { a: at, b: sum(ctx, before, size) }),
  });
  const zeros = sum(ctx, sizeOf(ctx, past, 2), size);
  const old = ctx.emit(nnMin, { a: at, b: ctx.emit(nnSub, { a: zeros, b: number(ctx, 1) }) });
  const others = ctx.emit(nnWhere, { cond: ctx.emit(nnLess, { a: at, b: before }), a: old, b: zeros });
  const moved = sum(ctx, at, ctx.emit(nnSub, { a: sizeOf(ctx, past, 2), b: before }));
  const places = ctx.emit(nnWhere, { cond: isNew, a: moved, b: others });
  return { before, places };
}

/** The cache with the new positions behind those that count, and zeros behind these: [N, heads, positions, size]. */
function presentOf(ctx: NodeContext, past: Value | undefined, own: Value, places: Value | undefined): Value {
  if (!past || !places) return own;
  const [n, heads, , width] = own.type.shape;
  const zeros = ctx.emit(nnExpand, { x: ctx.scalar(own.type.dtype, 0, 'zeros') }, { shape: [n, heads, 1, width] });
  const both = ctx.emit(nnConcat, { xs: [past, own, zeros] }, { axis: 2 });
  const count = places.type.shape[1];
  if (n === 1) return ctx.emit(nnGather, { x: both, indices: ctx.reshape(places, [count]) }, { axis: 2 });
  const indices = ctx.emit(nnExpand, { x: ctx.reshape(places, [n, 1, count, 1]) }, { shape: [n, heads, count, 1] });
  return ctx.emit(nnGatherNd, { x: both, indices }, { batchDims: 2 });
}

/** softmax(scores), to which `sink`, [1, heads, 1, 1], adds a position that nothing comes from. */
function weightsOf(ctx: NodeContext, scores: Value, sink: Value | undefined): Value {
  if (!sink) return ctx.emit(nnSoftmax, { x: scores }, { axis: 3 });
  const [n, heads, s, t] = scores.type.shape;
  const column = ctx.emit(nnExpand, { x: sink }, { shape: [n, heads, s, 1] });
  const all = ctx.emit(nnSoftmax, { x: ctx.emit(nnConcat, { xs: [scores, column] }, { axis: 3 }) }, { axis: 3 });
  return part(ctx, all, 3, 0, t);
}

function groupQueryAttention(ctx: NodeContext): readonly Value[] {
  for (const name of ['k_scale', 'v_scale', 'q_norm_weight', 'k_norm_weight'])
    if (ctx.find(name)) ctx.unsupported(`the operand '${name}'`);
  for (const name of ['qk_output', 'kv_cache_bit_width'])
    if (ctx.attr.int(name, 0) !== 0) ctx.unsupported(`the attribute '${name}'`);
  for (const name of ['k_quant_type', 'v_quant_type'])
    if (ctx.attr.string(name, 'NONE') !== 'NONE') ctx.unsupported(`the attribute '${name}'`);
  const [heads, shared] = [ctx.attr.int('num_heads', 0), ctx.attr.int('kv_num_heads', 0)];
  const [q, k, value] = separate(ctx, heads, shared);
  const [pastKey, pastValue] = [ctx.find('past_key'), ctx.find('past_value')];
  const [total] = ctx.sizes(ctx.get('total_sequence_length'), 'total_sequence_length');
  const { before, places } = cacheOf(ctx, k, pastKey, total);
  const [n, , s] = q.type.shape;
  const own = sum(ctx, before, ctx.reshape(positions(ctx, s), [1, s]));
  const ids = ctx.find('position_ids');
  const rows = ids ? placesOf(ctx, ids, q, total) : own;
  const turned = (x: Value) => {
    if (!ctx.attr.flag('do_rotary')) return x;
    const [cosines, sines] = [ctx.get('cos_cache'), ctx.get('sin_cache')];
    return rotated(ctx, x, 2, { cosines, sines, rows, interleaved: ctx.attr.flag('rotary_interleaved') });
  };
  const query = turned(q);
  const present = [presentOf(ctx, pastKey, turned(k), places), presentOf(ctx, pastValue, value, places)] as const;
  const length = pastKey ? total : s;
  const [keys, values] = present.map((x) => (x.type.shape[2] === length ? x : part(ctx, x, 2, 0, length)));
  const bound = ctx.attr.int('local_window_size', -1);
  const at = positions(ctx, length);
  const column = ctx.reshape(own, [n, 1, s, 1]);
  const order = ctx.emit(nnGreaterOrEqual, { a: column, b: at });
  const farthest = sum(ctx, column, number(ctx, 1 - bound));
  const isNear = bound > 0 ? ctx.emit(nnGreaterOrEqual, { a: at, b: farthest }) : order;
  const seen = isNear === order ? order : ctx.emit(nnAnd, { a: order, b: isNear });
  const product = scoresOf(ctx, { query, key: keys }, ctx.attr.float('scale'), []);
  const bounded = capped(ctx, product, ctx.attr.float('softcap', 0));
  const bias = ctx.find('attention_bias');
  const scores = sum(ctx, bias ? sum(ctx, bounded, bias) : bounded, filtered(ctx, seen, -Infinity));
  const sink = ctx.find('head_sink') ?? (ctx.attr.flag('smooth_softmax') ? ctx.scalar('f32', 0, 'sink') : undefined);
  const column1 = sink && ctx.reshape(sink, [1, sink.type.shape[0] ?? 1, 1, 1]);
  const y = groupedProduct(ctx, weightsOf(ctx, scores, column1), values);
  return [besideHeads(ctx, y), ...present];
}

export const groupQueryAttentionOps: readonly OnnxOp[] = [
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'GroupQueryAttention',
    inputs: [
      'query: T',
      'key?: T',
      'value?: T',
      'past_key?: T',
      'past_value?: T',
      'seqlens_k: M',
      'total_sequence_length: M',
      'cos_cache?: T',
      'sin_cache?: T',
      'position_ids?',
      'attention_bias?: T',
      'head_sink?: T',
      'k_scale?',
      'v_scale?',
      'q_norm_weight?',
      'k_norm_weight?',
    ],
    outputs: 3,
    attributes: [
      'num_heads',
      'kv_num_heads',
      'do_rotary',
      'rotary_interleaved',
      'local_window_size',
      'scale',
      'smooth_softmax',
      'softcap',
      'qk_output',
      'kv_cache_bit_width',
      'k_quant_type',
      'v_quant_type',
    ],
    import: groupQueryAttention,
  }),
];
