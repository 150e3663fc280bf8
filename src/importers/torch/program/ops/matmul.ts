/** Products of matrices, and attention. */

import type { Value } from '../../../../ir/define_op.ts';
import { nnAdd, nnExpand, nnMatmul, nnMul, nnSoftmax, nnWhere, qnnMatmul } from '../../../../ir/index.ts';
import { zeros } from '../../../../ir/tensor.ts';
import type { ExportContext } from '../context.ts';
import { defineExportOp, type ExportOp } from '../define_export_op.ts';

/** The last two axes exchanged. */
export function transposed(ctx: ExportContext, x: Value): Value {
  const rank = x.type.shape.length;
  return ctx.transpose(x, [...Array.from({ length: rank - 2 }, (_, axis) => axis), rank - 1, rank - 2]);
}

const times = (ctx: ExportContext, x: Value, factor: number): Value =>
  factor === 1 ? x : ctx.emit(nnMul, { a: x, b: ctx.scalar(x.type.dtype, factor) });

/** β·self + α·(a·b) */
function addProduct(ctx: ExportContext, [a, b]: readonly [string, string]): Value {
  const product = times(ctx, ctx.emit(nnMatmul, { a: ctx.tensor(a), b: ctx.tensor(b) }), ctx.number('alpha'));
  const beta = ctx.number('beta');
  return beta === 0 ? product : ctx.emit(nnAdd, { a: product, b: times(ctx, ctx.tensor('self'), beta) });
}

function linear(ctx: ExportContext): Value {
  const [w, bias] = [ctx.tensor('weight'), ctx.optionalTensor('bias')];
  const product = ctx.emit(nnMatmul, { a: ctx.tensor('input'), b: w.type.shape.length === 2 ? transposed(ctx, w) : w });
  return bias ? ctx.emit(nnAdd, { a: product, b: bias }) : product;
}

/** softmax(q·kᵀ·scale + mask)·v */
function attention(ctx: ExportContext): Value {
  const [query, ...keyAndValue] = ['query', 'key', 'value'].map((name) => ctx.tensor(name));
  const mask = ctx.optionalTensor('attn_mask');
  if (ctx.number('dropout_p') !== 0) ctx.unsupported('dropout');
  for (const x of [query, ...keyAndValue]) ctx.requireRank(x, 2, 'query');
  const [key, value] = ctx.flag('enable_gqa') ? keyAndValue.map((x) => repeatedHeads(ctx, x, query)) : keyAndValue;
  const size = query.type.shape.at(-1);
  const factor = ctx.has('scale') ? ctx.number('scale') : 1 / Math.sqrt(typeof size === 'number' ? size : Number.NaN);
  if (Number.isNaN(factor)) ctx.unsupported('queries of unknown size');
  const scores = times(ctx, ctx.emit(nnMatmul, { a: query, b: transposed(ctx, key) }), factor);
  const seen = ctx.flag('is_causal') ? causal(ctx, scores) : mask ? masked(ctx, scores, mask) : scores;
  return ctx.emit(nnMatmul, { a: ctx.emit(nnSoftmax, { x: seen }, { axis: -1 }), b: value });
}

/** Grouped queries: each head of x serves several of the query, one after the other. */
function repeatedHeads(ctx: ExportContext, x: Value, query: Value): Value {
  const [heads, wanted] = [x, query].map(({ type }) => type.shape.at(-3));
  if (typeof heads !== 'number' || typeof wanted !== 'number' || wanted % heads !== 0)
    return ctx.unsupported(`${heads} heads for ${wanted} of the query`);
  const { shape } = x.type;
  const [lead, rest] = [shape.slice(0, -3), shape.slice(-2)];
  const one = ctx.reshape(x, [...lead, heads, 1, ...rest]);
  return ctx.reshape(ctx.emit(nnExpand, { x: one }, { shape: [...lead, heads, wanted / heads, ...rest] }), [
    ...lead,
    wanted,
    ...rest,
  ]);
}

const masked = (ctx: ExportContext, scores: Value, mask: Value): Value =>
  mask.type.dtype === 'bool'
    ? ctx.emit(nnWhere, { cond: mask, a: scores, b: ctx.scalar(scores.type.dtype, -Infinity) })
    : ctx.emit(nnAdd, { a: scores, b: mask });

/** Position i sees the positions up to i. */
function causal(ctx: ExportContext, scores: Value): Value {
  const [rows, columns] = scores.type.shape.slice(-2);
  if (typeof rows !== 'number' || typeof columns !== 'number') return ctx.unsupported('a causal mask of unknown size');
  if (rows * columns > 2 ** 24) ctx.unsupported(`a causal mask of ${rows}x${columns}`);
  const mask = zeros('bool', [rows, columns]);
  for (let i = 0; i < rows; i++) mask.data.fill(1, i * columns, i * columns + Math.min(i + 1, columns));
  return masked(ctx, scores, ctx.constant(mask, 'mask'));
}

export const matmulOps: readonly ExportOp[] = [
  ...defineExportOp('aten.linear.default(Tensor input, Tensor weight, Tensor? bias=None)', linear),
  ...defineExportOp(
    [
      'aten.matmul.default(Tensor self, Tensor other)',
      'aten.mm.default(Tensor self, Tensor mat2)',
      'aten.bmm.default(Tensor self, Tensor mat2)',
      'aten.mv.default(Tensor self, Tensor vec)',
      'aten.dot.default(Tensor self, Tensor tensor)',
    ],
    (ctx) => {
      const [a, b] = ctx.parameters().map((name) => ctx.tensor(name));
      return ctx.emit(nnMatmul, { a, b });
    },
  ),
  ...defineExportOp('aten._int_mm.default(Tensor self, Tensor mat2)', (ctx) =>
    ctx.emit(qnnMatmul, { a: ctx.tensor('self'), b: ctx.tensor('mat2') }),
  ),
  ...defineExportOp('aten.addmm.default(Tensor self, Tensor mat1, Tensor mat2, Scalar beta=1, Scalar alpha=1)', (ctx) =>
    addProduct(ctx, ['mat1', 'mat2']),
  ),
  ...defineExportOp(
    'aten.baddbmm.default(Tensor self, Tensor batch1, Tensor batch2, Scalar beta=1, Scalar alpha=1)',
    (ctx) => addProduct(ctx, ['batch1', 'batch2']),
  ),
  ...defineExportOp(
    'aten.scaled_dot_product_attention.default(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, float? scale=None, bool enable_gqa=False)',
    attention,
  ),
];
