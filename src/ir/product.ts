/** The family of the sums of products: convolutions, transposed convolutions and matrix products. */
import type { Node } from './graph.ts';
import { dnnlConv } from './ops/dnnl_conv.op.ts';
import { dnnlConvTranspose } from './ops/dnnl_conv_transpose.op.ts';
import { dnnlMatmul } from './ops/dnnl_matmul.op.ts';
import { dnnlRequantize } from './ops/dnnl_requantize.op.ts';
import { nnConv, nnConvTranspose } from './ops/nn_conv.op.ts';
import { nnMatmul } from './ops/nn_matmul.op.ts';
import { qnnConv } from './ops/qnn_conv.op.ts';
import { qnnConvTranspose } from './ops/qnn_conv_transpose.op.ts';
import { qnnMatmul } from './ops/qnn_matmul.op.ts';
import type { ValueId } from './types.ts';
import { byOp, isOp, oneOf, view, viewOf } from './view.ts';

export type ProductKind = 'conv' | 'conv_transpose' | 'matmul';

/** Products of floats, or of integers without zero points. */
export const isPlainProduct = oneOf(nnConv, nnConvTranspose, nnMatmul);
/** Products of integers with zero points as operands. */
export const isQuantizedProduct = oneOf(qnnConv, qnnConvTranspose, qnnMatmul);

/** A product with all that one primitive or kernel does after the sum, or the end of one on its own. */
export const isFused = oneOf(dnnlConv, dnnlConvTranspose, dnnlMatmul, dnnlRequantize);

/** Which product a node is, at any level; undefined for any other operator. */
export const productKind = byOp<ProductKind>({
  nnConv: 'conv',
  nnConvTranspose: 'conv_transpose',
  nnMatmul: 'matmul',
  qnnConv: 'conv',
  qnnConvTranspose: 'conv_transpose',
  qnnMatmul: 'matmul',
  dnnlConv: 'conv',
  dnnlConvTranspose: 'conv_transpose',
  dnnlMatmul: 'matmul',
});

/** The operands of a product that is not fused, whatever its operator calls them. */
export interface Factors {
  readonly x: ValueId;
  readonly w: ValueId;
  readonly zx?: ValueId;
  readonly zw?: ValueId;
}

/** Undefined for any other node. */
export function factorsOf(node: Node): Factors | undefined {
  const plain = view(nnMatmul, node);
  if (plain) return { x: plain.a, w: plain.b };
  const quantized = view(qnnMatmul, node);
  if (quantized) return { x: quantized.a, w: quantized.b, zx: quantized.za, zw: quantized.zb };
  return isOp(node, nnConv, nnConvTranspose, qnnConv, qnnConvTranspose)
    ? viewOf<typeof qnnConv | typeof qnnConvTranspose>(node)
    : undefined;
}

export const isProduct = (node: Pick<Node, 'op'>): boolean => productKind(node) !== undefined;
