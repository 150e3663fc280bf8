import { nnConv, nnConvTranspose, nnMatmul } from '../../ir/index.ts';
import { computedProduct, emitComputed, scaledByWeights } from '../qdq/computed.ts';
import { convForm, convTransposeForm, matmulForm, type ProductForm } from '../qdq/product_form.ts';
import { planned, type Site } from '../rewrite/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

const planOf = (form: ProductForm) =>
  planned(
    ({ graph, node }: Site, refusals) => computedProduct(form, node, graph, refusals),
    emitComputed,
    scaledByWeights,
  );
const exactness = {
  bound:
    '2^-22 of the real result, where the sum is below 2^24 (it is rounded to binary32) and sx·sw is a normal binary32 number; the float graph itself is off by 2^-23 of Σ|x·w|',
};

/** Dynamic quantization: scales and zero points from run time; for each row of a matrix as well. */
export const qdqMatmulComputed = defineRule({
  name: 'qdq-matmul-computed',
  root: nnMatmul,
  law: 'deq(a; sa, za)·deq(b; sb, zb) = (sa·sb)·qmatmul(a, b; za, zb)   for sa by rows, sb by columns, computed',
  exactness,
  ...planOf(matmulForm),
});

export const qdqConvComputed = defineRule({
  name: 'qdq-conv-computed',
  root: nnConv,
  law: 'conv(deq(x; sx, zx), deq(w; sw, zw)) + b = (sx·sw[o])·qconv(x, w; zx, zw) + b   for computed sx, zx, sw, zw',
  exactness,
  ...planOf(convForm),
});

export const qdqConvTransposeComputed = defineRule({
  name: 'qdq-conv-transpose-computed',
  root: nnConvTranspose,
  law: 'convᵀ(deq(x; sx, zx), deq(w; sw, zw)) + b = (sx·sw[o])·qconvᵀ(x, w; zx, zw) + b   for computed sx, zx, sw, zw',
  exactness,
  ...planOf(convTransposeForm),
});
