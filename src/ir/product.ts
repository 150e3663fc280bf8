/** The family of the sums of products: convolutions, transposed convolutions and matrix products. */
import { nnConv, nnConvTranspose } from './ops/nn_conv.op.ts';
import { nnMatmul } from './ops/nn_matmul.op.ts';
import { qnnConv } from './ops/qnn_conv.op.ts';
import { qnnConvTranspose } from './ops/qnn_conv_transpose.op.ts';
import { qnnMatmul } from './ops/qnn_matmul.op.ts';
import { byOp, oneOf } from './view.ts';

export type ProductKind = 'conv' | 'conv_transpose' | 'matmul';

/** Of floats or integers, which have no zero points. */
export const isPlainProduct = oneOf(nnConv, nnConvTranspose, nnMatmul);
/** Of integers with zero points as operands. */
export const isQuantizedProduct = oneOf(qnnConv, qnnConvTranspose, qnnMatmul);

/** Which product a node is, with zero points or without; undefined for any other operator. */
export const productKind = byOp<ProductKind>({
  nnConv: 'conv',
  nnConvTranspose: 'conv_transpose',
  nnMatmul: 'matmul',
  qnnConv: 'conv',
  qnnConvTranspose: 'conv_transpose',
  qnnMatmul: 'matmul',
});
