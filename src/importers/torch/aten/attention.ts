/** Attention. */

import { nnAdd, nnExpand, nnMatmul, nnSoftmax, nnWhere, type Value } from '../../../ir/index.ts';
import { zeros } from '../../../tensors/index.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { GraphTensor } from '../values.ts';
import { real } from './products.ts';
import { times } from './unary.ts';

/** softmax(q·kᵀ·scale + mask)·v */
function attention(ctx: TorchContext, args: Arguments): GraphTensor {
  const operands = ['query', 'key', 'value'].map((name) => real(ctx, args, name));
  if (args.number('dropout_p') !== 0) ctx.inTraining('dropout is random');
  for (const { type } of operands)
    if (type.shape.length < 2) ctx.refuse(`attention of [${type.shape}]`, 'U2005', { input: 'query' });
  const [query, ...given] = operands;
  const [key, value] = args.bool('enable_gqa') ? given.map((x) => repeatedHeads(ctx, x, query)) : given;
  const [size] = ctx.staticShape(query.type.shape.slice(-1), 'attention');
  const factor = args.optionalNumber('scale') ?? 1 / Math.sqrt(size);
  const rank = key.type.shape.length;
  const turned = ctx.transpose(key, [...Array(rank - 2).keys(), rank - 1, rank - 2]);
  const scores = times(ctx, ctx.emit(nnMatmul, { a: query, b: turned }), factor);
  const seen = args.bool('is_causal')
    ? causal(ctx, scores)
    : args.has('attn_mask')
      ? masked(ctx, scores, ctx.plain(args.tensor('attn_mask')))
      : scores;
  return ctx.result(ctx.emit(nnMatmul, { a: ctx.emit(nnSoftmax, { x: seen }, { axis: -1 }), b: value }));
}

/** Grouped queries: each head of x serves several of the query, one after the other. */
function repeatedHeads(ctx: TorchContext, x: Value, query: Value): Value {
  const [heads, wanted] = [x, query].map(({ type }) => type.shape.at(-3));
  if (typeof heads !== 'number' || typeof wanted !== 'number' || wanted % heads !== 0)
    return ctx.unsupported(`${heads} heads for ${wanted} of the query`);
  const { shape } = x.type;
  const [lead, rest] = [shape.slice(0, -3), shape.slice(-2)];
  const one = ctx.reshape(x, [...lead, heads, 1, ...rest]);
  const all = ctx.emit(nnExpand, { x: one }, { shape: [...lead, heads, wanted / heads, ...rest] });
  return ctx.reshape(all, [...lead, wanted, ...rest]);
}

const masked = (ctx: TorchContext, scores: Value, mask: Value): Value =>
  mask.type.dtype === 'bool'
    ? ctx.emit(nnWhere, { cond: mask, a: scores, b: ctx.scalar(scores.type.dtype, -Infinity, 'unseen') })
    : ctx.emit(nnAdd, { a: scores, b: mask });

/** Position i sees the positions up to i. */
function causal(ctx: TorchContext, scores: Value): Value {
  const [rows, columns] = ctx.staticShape(scores.type.shape.slice(-2), 'a causal mask');
  if (rows * columns > 2 ** 24) ctx.unsupported(`a causal mask of ${rows}x${columns}`);
  const mask = zeros('bool', [rows, columns]);
  for (let i = 0; i < rows; i++) mask.data.fill(1, i * columns, i * columns + Math.min(i + 1, columns));
  return masked(ctx, scores, ctx.constant(mask, 'mask'));
}

export const attentionOps: readonly TorchOp[] = defineTorchOp({
  schema:
    'aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False)',
  import: attention,
});
