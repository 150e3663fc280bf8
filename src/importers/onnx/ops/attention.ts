/** Attention and embeddings of ONNX Runtime's transformer tools, over quantized weights. */
import {
  type Dim,
  isStatic,
  nnAdd,
  nnAnd,
  nnConcat,
  nnEqual,
  nnExpand,
  nnGather,
  nnGreater,
  nnGreaterOrEqual,
  nnLayerNorm,
  nnLess,
  nnMatmul,
  nnMul,
  nnReduceSum,
  nnSlice,
  nnSoftmax,
  nnWhere,
  qnnDequantize,
  qnnMatmul,
  tensor,
  type Value,
} from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { scaled } from './requantize.ts';

/** The least float, which ONNX Runtime puts where a position may not look. */
const LEAST = -3.4028234663852886e38;

/** [N, S, heads·size] → [N, heads, S, size] */
function byHead(ctx: NodeContext, x: Value, heads: number): Value {
  const [n, s, hidden] = x.type.shape;
  const size = Number(hidden) / heads;
  return ctx.transpose(ctx.reshape(x, [n, s, heads, size]), [0, 2, 1, 3]);
}

const part = (ctx: NodeContext, x: Value, axis: number, start: number, end: number): Value =>
  ctx.emit(nnSlice, { x }, { starts: [start], ends: [end], axes: [axis], steps: [1] });

/** The numbers 0, 1, … of positions along the last axis. */
function positions(ctx: NodeContext, count: Dim): Value {
  if (typeof count !== 'number') ctx.unsupported('a mask by lengths over positions whose number only the run knows');
  return ctx.constant(
    tensor(
      's32',
      Int32Array.from({ length: Number(count) }, (_, i) => i),
    ),
    'positions',
  );
}

/** What is added to scores [N, heads, S, T]: 0, or the filter where a position is hidden. */
function addedMask(ctx: NodeContext, mask: Value, scores: Value): Value {
  const [n, , s, t] = scores.type.shape;
  const { shape } = mask.type;
  const zero = ctx.scalar('s32', 0, 'zero');
  const along = (count: Value) => ctx.reshape(count, [n, 1, 1, 1]);
  const seen = (): Value => {
    if (shape.length === 3) return ctx.emit(nnGreater, { a: ctx.reshape(mask, [n, 1, s, t]), b: zero });
    if (shape.length === 2 && shape[1] === t)
      return ctx.emit(nnGreater, { a: ctx.reshape(mask, [n, 1, 1, t]), b: zero });
    if (shape.length !== 1 || typeof n !== 'number') return ctx.unsupported(`a mask of shape [${shape}]`);
    const at = positions(ctx, t);
    const ends = ctx.emit(nnLess, { a: at, b: along(part(ctx, mask, 0, 0, n)) });
    if (shape[0] === n) return ends;
    return ctx.emit(nnAnd, {
      a: ends,
      b: ctx.emit(nnGreaterOrEqual, { a: at, b: along(part(ctx, mask, 0, n, 2 * n)) }),
    });
  };
  const filter = ctx.scalar('f32', ctx.attr.float('mask_filter_value', -10000), 'filter');
  return ctx.emit(nnWhere, { cond: seen(), a: ctx.scalar('f32', 0, 'shown'), b: filter });
}

/** Positions after one's own are hidden. */
function addedOrder(ctx: NodeContext, scores: Value): Value {
  const sizes = scores.type.shape.slice(2);
  if (!isStatic(sizes)) return ctx.unsupported('positions in one direction, whose number only the run knows');
  const [s, t] = sizes;
  const hidden = Float32Array.from({ length: s * t }, (_, i) => (i % t > t - s + Math.floor(i / t) ? LEAST : 0));
  return ctx.constant(tensor('f32', hidden, [s, t]), 'order');
}

/**
 * fl(fl(fl(Σ (x − zx)(w − zw))·fl(sw·sx)) + bias) is query, key and value side by side; softmax(scale·Q·Kᵀ + mask)·V.
 */
function quantizedAttention(ctx: NodeContext): readonly Value[] {
  for (const flag of ['do_rotary', 'past_present_share_buffer'])
    if (ctx.attr.flag(flag)) ctx.unsupported(`the attribute '${flag}'`);
  const heads = ctx.attr.int('num_heads', 0);
  const [x, w] = [ctx.get('input'), ctx.get('weight')];
  const width = w.type.shape.at(-1);
  if (typeof width !== 'number' || heads < 1 || width % (3 * heads) !== 0)
    return ctx.refuse(`${heads} heads of weights of shape [${w.type.shape}]`, 'U2005');
  const [za, zb] = [ctx.find('input_zero_point'), ctx.find('weight_zero_point')];
  const sum = ctx.emit(qnnMatmul, { a: x, b: w, za, zb });
  const scale = ctx.emit(nnMul, { a: ctx.get('weight_scale'), b: ctx.get('input_scale') });
  const all = scaled(ctx, sum, scale, ctx.get('bias'));
  const hidden = width / 3;
  const [query, ownKey, ownValue] = [0, 1, 2].map((i) =>
    byHead(ctx, part(ctx, all, 2, i * hidden, (i + 1) * hidden), heads),
  );
  const past = ctx.find('past');
  const behind = (i: number, own: Value): Value => {
    if (!past) return own;
    const before = ctx.reshape(part(ctx, past, 0, i, i + 1), past.type.shape.slice(1));
    return ctx.emit(nnConcat, { xs: [before, own] }, { axis: 2 });
  };
  const [key, value] = [behind(0, ownKey), behind(1, ownValue)];
  const factor = ctx.attr.float('scale', 0) || 1 / Math.sqrt(hidden / heads);
  const products = ctx.emit(nnMatmul, { a: query, b: ctx.transpose(key, [0, 1, 3, 2]) });
  let scores = ctx.emit(nnMul, { a: products, b: ctx.scalar('f32', Math.fround(factor), 'scale') });
  const mask = ctx.find('mask_index');
  if (mask) scores = ctx.emit(nnAdd, { a: scores, b: addedMask(ctx, mask, scores) });
  if (ctx.attr.flag('unidirectional')) scores = ctx.emit(nnAdd, { a: scores, b: addedOrder(ctx, scores) });
  const weighted = ctx.emit(nnMatmul, { a: ctx.emit(nnSoftmax, { x: scores }, { axis: 3 }), b: value });
  const [n, s] = x.type.shape;
  const y = ctx.reshape(ctx.transpose(weighted, [0, 2, 1, 3]), [n, s, hidden]);
  if (!ctx.wants(1)) return [y];
  const stacked = [key, value].map((t) => ctx.reshape(t, [1, ...t.type.shape]));
  return [y, ctx.emit(nnConcat, { xs: stacked }, { axis: 0 })];
}

/** Embeddings of bytes, added up as floats and normalized. */
function quantizedEmbedding(ctx: NodeContext): readonly Value[] {
  const [ids, segments] = [ctx.get('input_ids'), ctx.find('segment_ids')];
  const real = (x: Value, name: string) =>
    ctx.emit(qnnDequantize, { x, scale: ctx.get(`${name}_scale`), zp: ctx.get(`${name}_zero_point`) });
  const looked = (name: string, indices: Value) =>
    real(ctx.emit(nnGather, { x: ctx.get(`${name}_quant`), indices }, { axis: 0 }), name);
  const length = ids.type.shape[1];
  if (typeof length !== 'number') return ctx.unsupported('a number of positions that only the run knows');
  const words = looked('word_embedding', ids);
  const places = real(part(ctx, ctx.get('position_embedding_quant'), 0, 0, length), 'position_embedding');
  let sum = ctx.emit(nnAdd, { a: words, b: places });
  if (segments) sum = ctx.emit(nnAdd, { a: sum, b: looked('segment_embedding', segments) });
  const [gamma, beta] = ['gamma', 'beta'].map((name) => real(ctx.get(`${name}_quant`), name));
  const epsilon = ctx.attr.float('epsilon', 1e-12);
  const y = ctx.emit(nnLayerNorm, { x: sum, scale: gamma, bias: beta }, { axis: 2, epsilon });
  const mask = ctx.find('mask');
  const counts = mask
    ? ctx.emit(
        nnReduceSum,
        { x: ctx.cast(ctx.emit(nnEqual, { a: mask, b: ctx.scalar('s32', 1, 'one') }), 's32') },
        { axes: [1], keepdims: false },
      )
    : ctx.emit(nnExpand, { x: ctx.scalar('s32', 0, 'zero') }, { shape: ids.type.shape.slice(0, 1) });
  return ctx.wants(1) ? [y, counts] : [y];
}

const quantized = ['word_embedding', 'position_embedding', 'segment_embedding', 'gamma', 'beta'];
const marked = (name: string) => (name.startsWith('segment') ? '?' : '');

export const attentionOps: readonly OnnxOp[] = [
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'QAttention',
    inputs: [
      'input: T1',
      'weight: T2',
      'bias: T3',
      'input_scale: T3',
      'weight_scale: T3',
      'mask_index?: T4',
      'input_zero_point?: T1',
      'weight_zero_point?: T2',
      'past?: T3',
    ],
    outputs: 2,
    attributes: ['num_heads', 'unidirectional', 'do_rotary', 'past_present_share_buffer', 'mask_filter_value', 'scale'],
    import: quantizedAttention,
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'QEmbedLayerNormalization',
    inputs: [
      'input_ids: T1',
      'segment_ids?: T1',
      ...quantized.map((name) => `${name}_quant${marked(name)}: T2`),
      'mask?: T1',
      ...quantized.map((name) => `${name}_scale${marked(name)}: T`),
      ...quantized.map((name) => `${name}_zero_point${marked(name)}: T2`),
    ],
    outputs: 2,
    attributes: ['epsilon'],
    import: quantizedEmbedding,
  }),
];
