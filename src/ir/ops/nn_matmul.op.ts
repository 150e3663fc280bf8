import { defineOp } from '../define_op.ts';
import { matmulShape, matmulSum } from './matmul_sum.ts';
import { factor, type ProductType, productType, storeProducts } from './product_type.ts';

/** ONNX MatMul, and MatMulInteger without zero points: https://onnx.ai/onnx/operators/onnx__MatMul.html */
export const nnMatmul = defineOp({
  name: 'nn.matmul',
  doc: 'y[…,i,j] = Σ_k a[…,i,k]·b[…,k,j], batches broadcast, rank-1 operands as in numpy.matmul. Integers: s32, wrapping; floats: summed in binary64, rounded once to their type.',
  operands: { a: factor, b: factor },
  attrs: {},
  results: { y: { sumsOf: 'a' } },
  product: { kind: 'matmul', form: 'plain' },
  infer({ a, b }, _attrs, refuse) {
    return { dtype: productType(a, b, 'b', refuse), shape: matmulShape(a.shape, b.shape, refuse) };
  },
  evaluate({ a, b }, _attrs, [{ dtype, shape }]) {
    const shapes = { aShape: a.shape, bShape: b.shape };
    return storeProducts(dtype as ProductType, shape, a, b, (a, b) => matmulSum({ ...shapes, a, b }));
  },
});
