import { isTensorOf } from '../../tensors/index.ts';
import { defineOp } from '../define_op.ts';
import { fusedMatmulSum, matmulShape, matmulSum } from './matmul_sum.ts';
import { factor, type ProductType, productType, storeProducts } from './product_type.ts';

/** ONNX MatMul, and MatMulInteger without zero points: https://onnx.ai/onnx/operators/onnx__MatMul.html */
export const nnMatmul = defineOp({
  name: 'nn.matmul',
  doc: 'y[…,i,j] = Σ_k a[…,i,k]·b[…,k,j], batches broadcast, rank-1 operands as in numpy.matmul. Integers: s32, wrapping; f32: from +0 on, each product is added in the order of k and rounded together with the sum before it (fused); f64: summed in that order.',
  operands: { a: factor, b: factor },
  attrs: {},
  results: { y: { sumsOf: 'a' } },
  product: { kind: 'matmul', form: 'plain' },
  infer({ a, b }, _attrs, refuse) {
    return { dtype: productType(a, b, 'b', refuse), shape: matmulShape(a.shape, b.shape, refuse) };
  },
  evaluate({ a, b }, _attrs, [{ dtype, shape }]) {
    const shapes = { aShape: a.shape, bShape: b.shape };
    if (isTensorOf(a, 'f32') && isTensorOf(b, 'f32'))
      return { dtype: 'f32', shape, data: fusedMatmulSum({ ...shapes, a: a.data, b: b.data }) };
    return storeProducts(dtype as ProductType, shape, a, b, (a, b) => matmulSum({ ...shapes, a, b }));
  },
});
