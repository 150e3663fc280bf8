import { nnConvTranspose } from '../../ir/ops/nn_conv.op.ts';
import { qnnQuantize } from '../../ir/ops/qnn_quantize.op.ts';
import type { QuantizeMatch } from '../qdq/parameters.ts';
import { emitRequantized, emitScaled, requantizedProduct, scaledProduct } from '../qdq/product.ts';
import { convTransposeForm } from '../qdq/product_form.ts';
import { ignoringClamps, scaledByFirst } from '../qdq/wrong.ts';
import { planned, type Site } from '../rewrite/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

/** As for convolutions; scales of the weights lie along axis 1 and repeat from group to group. */
export const qdqConvTranspose = defineRule({
  name: 'qdq-conv-transpose',
  root: qnnQuantize,
  law: 'quantize(clip(convᵀ(deq(x), deq(w)) + deq(b))) = requantize(qconvᵀ(x, w; zx, zw) + b; fl(fl(sx·sw)/sy), zy, clamped)   when sb = sx·sw',
  exactness: {
    bound:
      'one step of the result, where the real quotient lies near a tie; a float bias moves by at most sx·sw/2 in addition',
  },
  ...planned(
    (match: QuantizeMatch, refusals) => requantizedProduct(convTransposeForm, match, refusals),
    emitRequantized,
    ignoringClamps,
  ),
});

/** A transposed convolution whose result stays float: the last layer, or one in front of a float operator. */
export const qdqConvTransposeToFloat = defineRule({
  name: 'qdq-conv-transpose-to-float',
  root: nnConvTranspose,
  law: 'convᵀ(deq(x), deq(w)) + b = sx·sw·qconvᵀ(x, w; zx, zw) + b,   b added to the int32 sum when it is int32 of scale sx·sw',
  exactness: {
    bound:
      '2^-22 of the real result and of the bias, where the sum is below 2^24 (it is rounded to binary32); the float graph itself is off by 2^-23 of Σ|x·w|',
  },
  ...planned(
    ({ graph, node }: Site, refusals) => scaledProduct(convTransposeForm, node, graph, refusals),
    emitScaled,
    scaledByFirst,
  ),
});
