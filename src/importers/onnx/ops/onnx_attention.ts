/** The attention of the standard: https://onnx.ai/onnx/operators/onnx__Attention.html */
import {
  type Dim,
  nnAdd,
  nnAnd,
  nnEqual,
  nnGreaterOrEqual,
  nnLess,
  nnPad,
  nnReduceMax,
  nnShape,
  nnSoftmax,
  nnSub,
  nnWhere,
  subDims,
  type Value,
} from '../../../ir/index.ts';
import { dtypeOfOnnxCode, isHalf } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import {
  behind,
  besideHeads,
  byHead,
  capped,
  filtered,
  groupedProduct,
  ownPositions,
  part,
  positions,
  scoresOf,
} from './attention_parts.ts';

/** Operands of one rank: [N, S, heads·size] with the number of heads, or [N, heads, S, size]. */
function heads(ctx: NodeContext, name: 'Q' | 'K' | 'V'): Value {
  const x = ctx.get(name);
  if (x.type.shape.length === 4) return x;
  return byHead(ctx, x, ctx.attr.int(name === 'Q' ? 'q_num_heads' : 'kv_num_heads', 0));
}

/** The pairs of a position and another one that it sees, by all conditions but the mask; undefined when it sees all. */
function seenPairs(ctx: NodeContext, s: Dim, t: Dim, before: Dim): Value | undefined {
  const lengths = ctx.find('nonpad_kv_seqlen');
  const count = lengths && ctx.reshape(ctx.cast(lengths, 's32'), [lengths.type.shape[0], 1, 1, 1]);
  const [left, right] = ['left_window_size', 'right_window_size'].map((name) => ctx.attr.int(name, -1));
  const order = ctx.attr.flag('is_causal');
  const at = positions(ctx, t);
  const own = (): Value => {
    if (!count) return ownPositions(ctx, s, before);
    const size = ctx.cast(
      part(ctx, ctx.emit(nnShape, { x: ctx.get('Q') }), 0, queryAxis(ctx), queryAxis(ctx) + 1),
      's32',
    );
    return ctx.emit(nnAdd, { a: ownPositions(ctx, s, 0), b: ctx.emit(nnSub, { a: count, b: size }) });
  };
  const farther = (by: number) => ctx.emit(nnAdd, { a: own(), b: ctx.scalar('s32', by, 'window') });
  const conditions = [
    count && ctx.emit(nnLess, { a: at, b: count }),
    order ? ctx.emit(nnGreaterOrEqual, { a: own(), b: at }) : undefined,
    right >= 0 ? ctx.emit(nnGreaterOrEqual, { a: farther(right), b: at }) : undefined,
    left >= 0 ? ctx.emit(nnGreaterOrEqual, { a: at, b: farther(-left) }) : undefined,
  ].filter((condition) => condition !== undefined);
  return conditions.length === 0 ? undefined : conditions.reduce((a, b) => ctx.emit(nnAnd, { a, b }));
}

const queryAxis = (ctx: NodeContext): number => ctx.get('Q').type.shape.length - 2;

/** The mask as addends of the scores; positions behind its end are hidden. */
function addedByMask(ctx: NodeContext, t: Dim): Value | undefined {
  const mask = ctx.find('attn_mask');
  if (!mask) return undefined;
  const added = mask.type.dtype === 'bool' ? filtered(ctx, mask, -Infinity) : mask;
  const { shape, dtype } = added.type;
  const last = shape.at(-1);
  if (typeof last !== 'number' || typeof t !== 'number' || last === 1 || last === t) return added;
  const pads = [...Array(2 * shape.length - 1).fill(0), subDims(t, last)];
  return ctx.emit(nnPad, { x: added, value: ctx.scalar(dtype, -Infinity, 'hidden') }, { pads, mode: 'constant' });
}

function attention(ctx: NodeContext): readonly (Value | undefined)[] {
  const query = heads(ctx, 'Q');
  const [pastKey, pastValue] = [ctx.find('past_key'), ctx.find('past_value')];
  const key = behind(ctx, pastKey, heads(ctx, 'K'));
  const value = behind(ctx, pastValue, heads(ctx, 'V'));
  const { dtype } = query.type;
  const precision = ctx.attr.int('softmax_precision');
  const named = precision === undefined ? dtype : dtypeOfOnnxCode(precision);
  // 16-bit floats are computed in binary32 in any case
  if (named !== dtype && !(isHalf(dtype) && named === 'f32')) ctx.unsupported(`the softmax of ${dtype} in ${named}`);
  if (dtype === 'f64') ctx.unsupported('attention of f64');
  const product = scoresOf(ctx, { query, key }, ctx.attr.float('scale'), []);
  const bounded = capped(ctx, product, ctx.attr.float('softcap', 0));
  const [s, t] = [query.type.shape[2], key.type.shape[2]];
  const seen = seenPairs(ctx, s, t, pastKey?.type.shape[2] ?? 0);
  const addends = [seen && filtered(ctx, seen, -Infinity), addedByMask(ctx, t)].filter((v) => v !== undefined);
  const scores = addends.reduce((a, b) => ctx.emit(nnAdd, { a, b }), bounded);
  const weights = ctx.emit(nnSoftmax, { x: scores }, { axis: 3 });
  // a position that sees none has weights of 0
  const canBeEmpty =
    ctx.find('attn_mask') ||
    ctx.find('nonpad_kv_seqlen') ||
    ctx.attr.int('left_window_size', -1) >= 0 ||
    ctx.attr.int('right_window_size', -1) >= 0;
  const sees = canBeEmpty
    ? ctx.emit(nnEqual, {
        a: ctx.emit(nnReduceMax, { x: scores }, { axes: [3], keepdims: true }),
        b: ctx.scalar('f32', -Infinity, 'hidden'),
      })
    : undefined;
  const shown = (x: Value) =>
    sees ? ctx.emit(nnWhere, { cond: sees, a: ctx.scalar(x.type.dtype, 0, 'none'), b: x }) : x;
  const y = shown(groupedProduct(ctx, weights, value));
  const outputs = [product, bounded, scores, weights];
  const mode = ctx.attr.int('qk_matmul_output_mode', 0);
  const fourth = outputs[mode] ?? ctx.refuse(`qk_matmul_output_mode is ${mode}`);
  const isFlat = ctx.get('Q').type.shape.length === 3;
  return [isFlat ? besideHeads(ctx, y) : y, key, value, ctx.wants(3) && mode === 3 ? shown(fourth) : fourth];
}

export const onnxAttentionOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'Attention',
    since: 23,
    inputs: ['Q: T1', 'K: T1', 'V: T2', 'attn_mask?', 'past_key?: T1', 'past_value?: T2', 'nonpad_kv_seqlen?'],
    outputs: 4,
    attributes: [
      'is_causal',
      'kv_num_heads',
      'q_num_heads',
      'qk_matmul_output_mode',
      'scale',
      'softcap',
      'softmax_precision',
      'left_window_size',
      'right_window_size',
    ],
    operandsSince: { nonpad_kv_seqlen: 24 },
    import: attention,
  }),
];
