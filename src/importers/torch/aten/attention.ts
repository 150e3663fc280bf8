/** Attention, and products that add. */

import type { Value } from '../../../ir/define_op.ts';
import { isFloat } from '../../../ir/dtype.ts';
import { nnAdd, nnMatmul, nnMul, nnSoftmax, nnTranspose, nnWhere } from '../../../ir/index.ts';
import { tensor } from '../../../ir/tensor.ts';
import type { Arguments } from '../operators/arguments.ts';
import type { TorchContext } from '../operators/context.ts';
import { defineTorchOp, type TorchOp } from '../operators/define_torch_op.ts';
import type { GraphTensor } from '../values.ts';
import { dequantized, quantizedPerTensor } from './quantize.ts';

function real(ctx: TorchContext, args: Arguments, name: string): Value {
  const { value, quantization } = ctx.graph(args.tensor(name));
  if (quantization) ctx.unsupported('a quantized operand');
  return isFloat(value.type.dtype) ? value : ctx.cast(value, 'f32');
}

const times = (ctx: TorchContext, x: Value, factor: number): Value =>
  factor === 1 ? x : ctx.emit(nnMul, { a: x, b: ctx.scalar(x.type.dtype, factor, 'factor') });

/** The last two axes exchanged. */
function turned(ctx: TorchContext, x: Value): Value {
  const rank = x.type.shape.length;
  return ctx.emit(nnTranspose, { x }, { perm: [...Array(rank - 2).keys(), rank - 1, rank - 2] });
}

/** softmax(q·kᵀ·scale + mask)·v */
function attention(ctx: TorchContext, args: Arguments): GraphTensor {
  const [query, key, value] = ['query', 'key', 'value'].map((name) => real(ctx, args, name));
  if (args.number('dropout_p') !== 0)
    ctx.refuse('the model was saved in training mode: dropout is random', 'U2008', 'call model.eval() before saving');
  if (args.bool('enable_gqa')) ctx.unsupported('grouped queries');
  const [size] = ctx.staticShape(query.type.shape.slice(-1), 'attention');
  const factor = args.has('scale') ? args.number('scale') : 1 / Math.sqrt(size);
  const scores = times(ctx, ctx.emit(nnMatmul, { a: query, b: turned(ctx, key) }), factor);
  const seen = args.bool('is_causal')
    ? causal(ctx, scores)
    : args.has('attn_mask')
      ? masked(ctx, scores, ctx.graph(args.tensor('attn_mask')).value)
      : scores;
  return ctx.result(ctx.emit(nnMatmul, { a: ctx.emit(nnSoftmax, { x: seen }, { axis: -1 }), b: value }));
}

const masked = (ctx: TorchContext, scores: Value, mask: Value): Value =>
  mask.type.dtype === 'bool'
    ? ctx.emit(nnWhere, { cond: mask, a: scores, b: ctx.scalar(scores.type.dtype, -Infinity, 'unseen') })
    : ctx.emit(nnAdd, { a: scores, b: mask });

/** Position i sees the positions up to i. */
function causal(ctx: TorchContext, scores: Value): Value {
  const [rows, columns] = ctx.staticShape(scores.type.shape.slice(-2), 'a causal mask');
  if (rows * columns > 2 ** 22) ctx.unsupported(`a causal mask of ${rows}x${columns}`);
  const mask = Array.from({ length: rows * columns }, (_, i) => Number(i % columns <= Math.floor(i / columns)));
  return masked(ctx, scores, ctx.constant(tensor('bool', mask, [rows, columns]), 'mask'));
}

/** β·self + α·(a·b) */
const addProduct = (name: string, a: string, b: string): readonly TorchOp[] =>
  defineTorchOp({
    schema: `aten::${name}(Tensor self, Tensor ${a}, Tensor ${b}, *, Scalar beta=1, Scalar alpha=1)`,
    import(ctx, args) {
      const product = times(
        ctx,
        ctx.emit(nnMatmul, { a: real(ctx, args, a), b: real(ctx, args, b) }),
        args.number('alpha'),
      );
      const beta = args.number('beta');
      return ctx.result(
        beta === 0 ? product : ctx.emit(nnAdd, { a: product, b: times(ctx, real(ctx, args, 'self'), beta) }),
      );
    },
  });

export const attentionOps: readonly TorchOp[] = [
  ...defineTorchOp({
    schema:
      'aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False)',
    import: attention,
  }),
  ...addProduct('addmm', 'mat1', 'mat2'),
  ...addProduct('baddbmm', 'batch1', 'batch2'),
  ...addProduct('addmv', 'mat', 'vec'),
  ...defineTorchOp({
    schema: ['aten::mv(Tensor self, Tensor other)', 'aten::dot(Tensor self, Tensor other)'],
    import: (ctx, args) => ctx.result(ctx.emit(nnMatmul, { a: real(ctx, args, 'self'), b: real(ctx, args, 'other') })),
  }),
  ...defineTorchOp({
    schema: ['aten::outer(Tensor self, Tensor vec2)', 'aten::ger(Tensor self, Tensor vec2)'],
    import(ctx, args) {
      const [a, b] = [real(ctx, args, 'self'), real(ctx, args, 'vec2')];
      return ctx.result(ctx.emit(nnMul, { a: ctx.reshape(a, [...a.type.shape, 1]), b }));
    },
  }),
  ...defineTorchOp({
    schema: 'quantized::matmul(Tensor qa, Tensor qb, float output_scale, int output_zero_point)',
    import(ctx, args) {
      const [a, b] = ['qa', 'qb'].map((name) => ctx.quantized(args.tensor(name)));
      const to = { scale: args.number('output_scale'), zeroPoint: args.int('output_zero_point') };
      const product = ctx.emit(nnMatmul, { a: dequantized(ctx, a).value, b: dequantized(ctx, b).value });
      return quantizedPerTensor(ctx, ctx.result(product), a.type, to);
    },
  }),
];
