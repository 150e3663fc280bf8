/** The attention of ONNX Runtime's transformer tools, over packed weights, over float or quantized ones. */
import { nnAdd, nnConcat, nnMatmul, nnMul, qnnMatmul, type Value } from '../../../ir/index.ts';
import { Unsupported } from '../../kit/unsupported.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { addedMask, addedOrder, attended, behind, byHead, misfit, part, scoresOf } from './attention_parts.ts';
import { scaled } from './requantize.ts';

/** The numbers of columns of query, key and value. */
function widthsOf(ctx: NodeContext, w: Value, heads: number): readonly number[] {
  const width = w.type.shape.at(-1);
  if (typeof width !== 'number') return misfit(ctx, [width], `weights of shape [${w.type.shape}] for ${heads} heads`);
  const given = ctx.attr.ints('qkv_hidden_sizes') ?? Array(3).fill(width / 3);
  const fits = given.length === 3 && given[0] === given[1] && given[0] + given[1] + given[2] === width;
  if (!fits || heads < 1 || given.some((size) => size % heads !== 0))
    return ctx.refuse(`${heads} heads of [${given}] columns of weights of shape [${w.type.shape}]`, 'U2005');
  return given;
}

/**
 * softmax(scale·Q·Kᵀ + mask)·V, where `all` [N, S, …] is query, key and value side by side.
 *
 * @param added addends of the scores besides the mask
 */
function packedAttention(ctx: NodeContext, all: Value, w: Value, added?: Value): readonly Value[] {
  for (const flag of ['do_rotary', 'past_present_share_buffer'])
    if (ctx.attr.flag(flag)) ctx.unsupported(`the attribute '${flag}'`);
  const heads = ctx.attr.int('num_heads', 0);
  const [first, second, third] = widthsOf(ctx, w, heads);
  const ends = [0, first, first + second, first + second + third];
  const [query, ownKey, ownValue] = [0, 1, 2].map((i) => byHead(ctx, part(ctx, all, 2, ends[i], ends[i + 1]), heads));
  const past = ctx.find('past');
  const before = (i: number) => past && ctx.reshape(part(ctx, past, 0, i, i + 1), past.type.shape.slice(1));
  const [key, value] = [behind(ctx, before(0), ownKey), behind(ctx, before(1), ownValue)];
  const mask = ctx.find('mask_index');
  const scores = scoresOf(ctx, { query, key }, ctx.attr.float('scale'), [
    () => added,
    (s) => mask && addedMask(ctx, mask, s),
    (s) => (ctx.attr.flag('unidirectional') ? addedOrder(ctx, s) : undefined),
  ]);
  const y = attended(ctx, scores, value);
  if (!ctx.wants(1)) return [y];
  if (first !== third) ctx.unsupported('keys and values of different widths in one output');
  const stacked = [key, value].map((t) => ctx.reshape(t, [1, ...t.type.shape]));
  return [y, ctx.emit(nnConcat, { xs: stacked }, { axis: 0 })];
}

/** fl(fl(fl(Σ (x − zx)(w − zw))·fl(sw·sx)) + bias) is query, key and value. */
function quantizedAttention(ctx: NodeContext): readonly Value[] {
  const [x, w] = [ctx.get('input'), ctx.get('weight')];
  const [za, zb] = [ctx.find('input_zero_point'), ctx.find('weight_zero_point')];
  const sum = ctx.emit(qnnMatmul, { a: x, b: w, za, zb });
  const scale = ctx.emit(nnMul, { a: ctx.get('weight_scale'), b: ctx.get('input_scale') });
  return packedAttention(ctx, scaled(ctx, sum, scale, ctx.get('bias')), w);
}

function attention(ctx: NodeContext): readonly Value[] {
  if (ctx.find('past_sequence_length')) ctx.unsupported("the operand 'past_sequence_length'");
  const [w, bias] = [ctx.get('weights'), ctx.find('bias')];
  const product = ctx.emit(nnMatmul, { a: ctx.get('input'), b: w });
  const all = bias ? ctx.emit(nnAdd, { a: product, b: bias }) : product;
  return packedAttention(ctx, all, w, ctx.find('attention_bias'));
}

/** Query, key and value of MultiHeadAttention by heads, the bias added. */
function separate(ctx: NodeContext, heads: number): readonly (Value | undefined)[] {
  const [q, k, v] = ['query', 'key', 'value'].map((name) => ctx.find(name));
  const bias = ctx.find('bias');
  if (q?.type.shape.length !== 3 || !k || !v) return ctx.unsupported('query, key and value in one tensor');
  const isByHead = k.type.shape.length === 4;
  if (![3, 4].includes(k.type.shape.length) || v.type.shape.length !== k.type.shape.length || (isByHead && bias))
    return ctx.unsupported(`a key of shape [${k.type.shape}] and a value of shape [${v.type.shape}]`);
  let from = 0;
  return [q, k, v].map((x) => {
    if (x.type.shape.length === 4) return x;
    const width = x.type.shape[2];
    if (!bias) return byHead(ctx, x, heads);
    if (typeof width !== 'number') return ctx.unsupported('a width that only the run knows');
    from += width;
    return byHead(ctx, ctx.emit(nnAdd, { a: x, b: part(ctx, bias, 0, from - width, from) }), heads);
  });
}

/**
 * In one direction the last query sees all keys, in ONNX Runtime: those of its own position or before it, where each query has a key.
 *
 * @throws Unsupported for another number of keys than of queries
 */
function checkLengths(query: Value, key: Value): void {
  const [s, t] = [query.type.shape[2], key.type.shape[2]];
  if (s === 1 || s === t) return;
  const dependsOnSizes = typeof s !== 'number' || typeof t !== 'number';
  throw new Unsupported('another number of keys than of queries, in one direction', { dependsOnSizes });
}

function multiHeadAttention(ctx: NodeContext): readonly Value[] {
  for (const name of ['past_sequence_length', 'cache_indirection'])
    if (ctx.find(name)) ctx.unsupported(`the operand '${name}'`);
  const [query, ownKey, ownValue] = separate(ctx, ctx.attr.int('num_heads', 0));
  if (!query || !ownKey || !ownValue) return ctx.unsupported('query, key and value in one tensor');
  if (ctx.attr.flag('unidirectional')) checkLengths(query, ownKey);
  // ONNX Runtime leaves out the past whose present nobody asks for
  if (['past_key', 'past_value'].some((name, i) => ctx.find(name) && !ctx.wants(i + 1)))
    ctx.unsupported('past keys and values whose present ones are not asked for');
  const key = behind(ctx, ctx.find('past_key'), ownKey);
  const value = behind(ctx, ctx.find('past_value'), ownValue);
  const mask = ctx.find('key_padding_mask');
  const scores = scoresOf(ctx, { query, key }, ctx.attr.float('scale'), [
    () => ctx.find('attention_bias'),
    (s) => mask && addedMask(ctx, mask, s),
    (s) => (ctx.attr.flag('unidirectional') ? addedOrder(ctx, s) : undefined),
  ]);
  return [attended(ctx, scores, value), key, value, scores];
}

const shared = ['num_heads', 'unidirectional', 'mask_filter_value', 'scale'];
const packed = [...shared, 'do_rotary', 'past_present_share_buffer'];

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
    attributes: packed,
    import: quantizedAttention,
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'Attention',
    inputs: [
      'input: T',
      'weights: T',
      'bias?: T',
      'mask_index?: M',
      'past?: T',
      'attention_bias?: T',
      'past_sequence_length?: M',
    ],
    outputs: 2,
    attributes: [...packed, 'qkv_hidden_sizes', 'rotary_embedding_dim'],
    import: attention,
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'MultiHeadAttention',
    inputs: [
      'query: T',
      'key?: T',
      'value?: T',
      'bias?: T',
      'key_padding_mask?: M',
      'attention_bias?: T',
      'past_key?: T',
      'past_value?: T',
      'past_sequence_length?: M',
      'cache_indirection?: M',
    ],
    outputs: 4,
    attributes: shared,
    import: multiHeadAttention,
  }),
];
