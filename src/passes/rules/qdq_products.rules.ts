/** Products of dequantized operands: with a quantized result the integers that ONNX Runtime computes (QLinearConv, QLinearMatMul, QGemm). */
import { qnnQuantize } from '../../ir/index.ts';
import type { QuantizeMatch } from '../qdq/parameters.ts';
import { emitRequantized, emitScaled, requantizedProduct, scaledProduct } from '../qdq/product.ts';
import { convForm, convTransposeForm, matmulForm, type ProductForm } from '../qdq/product_form.ts';
import { ignoringClamps, scaledByFirst } from '../qdq/wrong.ts';
import { planned, type Site } from '../rewrite/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

interface Words {
  readonly name: string;
  /** The name of sx·sw in the law. */
  readonly unit: string;
}

const toQuantized = (form: ProductForm, { name, unit }: Words, law: string) =>
  defineRule({
    name,
    root: qnnQuantize,
    law,
    exactness: {
      bound: `one step of the result, where the real quotient lies near a tie; a float bias moves by at most ${unit}/2 in addition`,
    },
    ...planned(
      (match: QuantizeMatch, refusals) => requantizedProduct(form, match, refusals),
      emitRequantized,
      ignoringClamps,
    ),
  });

/** A product whose result stays float: the last layer, or one in front of a float operator. */
const toFloat = (form: ProductForm, name: string, law: string) =>
  defineRule({
    name,
    root: form.op,
    law,
    exactness: {
      bound:
        '2^-22 of the real result and of the bias, where the sum is below 2^24 (it is rounded to binary32); the float graph itself is off by 2^-23 of Σ|x·w|',
    },
    ...planned(
      ({ graph, node }: Site, refusals) => scaledProduct(form, node, graph, refusals),
      emitScaled,
      scaledByFirst,
    ),
  });

export const qdqConv = toQuantized(
  convForm,
  { name: 'qdq-conv', unit: 'sx·sw' },
  'quantize(clip(conv(deq(x), deq(w)) + deq(b))) = requantize(qconv(x, w; zx, zw) + b; fl(fl(sx·sw)/sy), zy, clamped)   when sb = sx·sw',
);
export const qdqConvToFloat = toFloat(
  convForm,
  'qdq-conv-to-float',
  'conv(deq(x), deq(w)) + b = sx·sw·qconv(x, w; zx, zw) + b,   b added to the int32 sum when it is int32 of scale sx·sw',
);

/** Scales of the weights of transposed convolutions lie along axis 1 and repeat from group to group. */
export const qdqConvTranspose = toQuantized(
  convTransposeForm,
  { name: 'qdq-conv-transpose', unit: 'sx·sw' },
  'quantize(clip(convᵀ(deq(x), deq(w)) + deq(b))) = requantize(qconvᵀ(x, w; zx, zw) + b; fl(fl(sx·sw)/sy), zy, clamped)   when sb = sx·sw',
);
export const qdqConvTransposeToFloat = toFloat(
  convTransposeForm,
  'qdq-conv-transpose-to-float',
  'convᵀ(deq(x), deq(w)) + b = sx·sw·qconvᵀ(x, w; zx, zw) + b,   b added to the int32 sum when it is int32 of scale sx·sw',
);

export const qdqMatmul = toQuantized(
  matmulForm,
  { name: 'qdq-matmul', unit: 'sa·sb' },
  'quantize(clip(deq(a)·deq(b) + deq(c))) = requantize(qmatmul(a, b; za, zb) + c; fl(fl(sa·sb)/sy), zy, clamped)   when sc = sa·sb',
);
export const qdqMatmulToFloat = toFloat(
  matmulForm,
  'qdq-matmul-to-float',
  'deq(a)·deq(b) = sa·sb·qmatmul(a, b; za, zb)',
);
