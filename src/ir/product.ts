/** The family of the sums of products: convolutions, transposed convolutions and matrix products, as their declarations have them. */
import { assert } from '../diagnostics/index.ts';
import type { ProductKind, ProductTrait } from './define_op.ts';
import type { Node } from './graph.ts';
import { allOps, type OpName } from './op_table.ts';
import { type ConvAttrs, plainConv } from './ops/conv_geometry.ts';
import { dnnlConv } from './ops/dnnl_conv.op.ts';
import { dnnlConvTranspose } from './ops/dnnl_conv_transpose.op.ts';
import { dnnlMatmul } from './ops/dnnl_matmul.op.ts';
import { dnnlRequantize } from './ops/dnnl_requantize.op.ts';
import { nnConv, nnConvTranspose } from './ops/nn_conv.op.ts';
import { qnnConv } from './ops/qnn_conv.op.ts';
import { qnnConvTranspose } from './ops/qnn_conv_transpose.op.ts';
import { type Factors, geometryOf, type ProductLayout } from './product_geometry.ts';
import type { ValueId } from './types.ts';
import { isOp, oneOf, viewOf } from './view.ts';

interface Declared extends ProductTrait {
  /** The positions of the factors among the operands. */
  readonly at: Factors<number>;
}

const products: ReadonlyMap<OpName, Declared> = new Map(
  allOps.flatMap(({ name, product, operands }) => {
    if (product === undefined) return [];
    const named = Object.keys(operands);
    const { x, w, zx, zw } = geometryOf(product.kind).operands;
    const zero = (own: string) => (named.includes(own) ? named.indexOf(own) : undefined);
    const [ofX, ofW] = [zero(zx), zero(zw)];
    const at = {
      x: named.indexOf(x),
      w: named.indexOf(w),
      ...(ofX !== undefined && { zx: ofX }),
      ...(ofW !== undefined && { zw: ofW }),
    };
    return [[name, { ...product, at }]] as const;
  }),
);

type AnyNode = Pick<Node, 'op'>;

/** Which product a node is, at any level; undefined for any other operator. */
export const productKind = ({ op }: AnyNode): ProductKind | undefined => products.get(op)?.kind;

export const isProduct = ({ op }: AnyNode): boolean => products.has(op);
/** Products of floats, or of integers without zero points. */
export const isPlainProduct = ({ op }: AnyNode): boolean => products.get(op)?.form === 'plain';
/** Products of integers with zero points as operands. */
export const isQuantizedProduct = ({ op }: AnyNode): boolean => products.get(op)?.form === 'quantized';

/** A product with all steps of one primitive or kernel after the sum, or the last of these steps on their own. */
export const isFused = oneOf(dnnlConv, dnnlConvTranspose, dnnlMatmul, dnnlRequantize);

/** The factors of a product. */
export interface Multiplied extends Factors<ValueId> {
  /** The source zero point where it is an attribute, else 0. */
  readonly sourceZeroPoint: number;
}

/** The factors of a node under the same names for every operator; undefined for any other node. */
export function factorsOf(node: Node): Multiplied | undefined {
  const at = products.get(node.op)?.at;
  if (at === undefined) return undefined;
  const operand = (i: number | undefined): ValueId | undefined =>
    i === undefined ? undefined : (node.operands[i] ?? undefined);
  const [x, w, zx, zw] = [at.x, at.w, at.zx, at.zw].map(operand);
  assert(x && w, `${node.op} has two factors`);
  const sourceZeroPoint = isOp(node, dnnlConv, dnnlConvTranspose, dnnlMatmul) ? node.attrs.sourceZeroPoint : 0;
  return { x, w, ...(zx && { zx }), ...(zw && { zw }), sourceZeroPoint };
}

/** The bias that a product of floats has as an operand. */
export const biasOf = (node: Node): ValueId | undefined =>
  isOp(node, nnConv, nnConvTranspose) ? viewOf<typeof nnConv | typeof nnConvTranspose>(node).bias : undefined;

const convolutions = [nnConv, qnnConv, dnnlConv, nnConvTranspose, qnnConvTranspose, dnnlConvTranspose] as const;

/** The attributes of the convolution that a product is: of a matrix product one without spatial axes. A transposed one has more. */
export const windowOf = (node: Node): ConvAttrs => (isOp(node, ...convolutions) ? node.attrs : plainConv(0));

/** The layout of the weights of a product. */
export function layoutOf(node: Node): ProductLayout {
  const kind = productKind(node);
  assert(kind, `${node.op} is not a product`);
  return { kind, group: windowOf(node).group };
}
