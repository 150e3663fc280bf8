import { nnMatmul } from '../../ir/ops/nn_matmul.op.ts';
import { qnnQuantize } from '../../ir/ops/qnn_quantize.op.ts';
import type { QuantizeMatch } from '../qdq/parameters.ts';
import { emitRequantized, emitScaled, requantizedProduct, scaledProduct } from '../qdq/product.ts';
import { matmulForm } from '../qdq/product_form.ts';
import { ignoringClamps, scaledByFirst } from '../qdq/wrong.ts';
import { planned, type Site } from '../rewrite/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

/** The integers that ONNX Runtime computes for the same group (QLinearMatMul, QGemm). */
export const qdqMatmul = defineRule({
  name: 'qdq-matmul',
  root: qnnQuantize,
  law: 'quantize(clip(deq(a)·deq(b) + deq(c))) = requantize(qmatmul(a, b; za, zb) + c; fl(fl(sa·sb)/sy), zy, clamped)   when sc = sa·sb',
  exactness: {
    bound:
      'one step of the result, where the real quotient lies near a tie; a float bias moves by at most sa·sb/2 in addition',
  },
  ...planned(
    (match: QuantizeMatch, refusals) => requantizedProduct(matmulForm, match, refusals),
    emitRequantized,
    ignoringClamps,
  ),
});

/** A product whose result stays float: the last layer, or one in front of a float operator. */
export const qdqMatmulToFloat = defineRule({
  name: 'qdq-matmul-to-float',
  root: nnMatmul,
  law: 'deq(a)·deq(b) = sa·sb·qmatmul(a, b; za, zb)',
  exactness: {
    bound:
      '2^-22 of the real result and of the bias, where the sum is below 2^24 (it is rounded to binary32); the float graph itself is off by 2^-23 of Σ|x·w|',
  },
  ...planned(
    ({ graph, node }: Site, refusals) => scaledProduct(matmulForm, node, graph, refusals),
    emitScaled,
    scaledByFirst,
  ),
});
