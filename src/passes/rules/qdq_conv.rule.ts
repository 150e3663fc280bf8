import { nnConv } from '../../ir/ops/nn_conv.op.ts';
import { qnnQuantize } from '../../ir/ops/qnn_quantize.op.ts';
import type { QuantizeMatch } from '../qdq/parameters.ts';
import { emitRequantized, emitScaled, requantizedProduct, scaledProduct } from '../qdq/product.ts';
import { convForm } from '../qdq/product_form.ts';
import { ignoringClamps, scaledByFirst } from '../qdq/wrong.ts';
import { planned, type Site } from '../rewrite/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

/** The integers that ONNX Runtime computes for the same group (QLinearConv). */
export const qdqConv = defineRule({
  name: 'qdq-conv',
  root: qnnQuantize,
  law: 'quantize(clip(conv(deq(x), deq(w)) + deq(b))) = requantize(qconv(x, w; zx, zw) + b; fl(fl(sx·sw)/sy), zy, clamped)   when sb = sx·sw',
  exactness: {
    bound:
      'one step of the result, where the real quotient lies near a tie; a float bias moves by at most sx·sw/2 in addition',
  },
  ...planned(
    (match: QuantizeMatch, refusals) => requantizedProduct(convForm, match, refusals),
    emitRequantized,
    ignoringClamps,
  ),
});

/** A convolution whose result stays float: the last layer, or one in front of a float operator. */
export const qdqConvToFloat = defineRule({
  name: 'qdq-conv-to-float',
  root: nnConv,
  law: 'conv(deq(x), deq(w)) + b = sx·sw·qconv(x, w; zx, zw) + b,   b added to the int32 sum when it is int32 of scale sx·sw',
  exactness: {
    bound:
      '2^-22 of the real result and of the bias, where the sum is below 2^24 (it is rounded to binary32); the float graph itself is off by 2^-23 of Σ|x·w|',
  },
  ...planned(
    ({ graph, node }: Site, refusals) => scaledProduct(convForm, node, graph, refusals),
    emitScaled,
    scaledByFirst,
  ),
});
