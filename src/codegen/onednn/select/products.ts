/** Which convolutions and matmuls a primitive computes, and how they are emitted. */
import {
  type ByteType,
  byteTypes,
  dnnlConv,
  dnnlConvTranspose,
  dnnlMatmul,
  factorsOf,
  geometryOf,
  isFused,
  isOfType,
  isOp,
  layoutOf,
  type Node,
  nnConv,
  nnConvTranspose,
  ofType,
  qnnConv,
  qnnConvTranspose,
  qnnMatmul,
  type SumChain,
  type Value,
  type ValueId,
} from '../../../ir/index.ts';
import type { Algebra, GraphEditor } from '../../../passes/index.ts';
import { endOf, epilogueOperands, type Requantize } from './epilogue.ts';

/** An 8-bit source, weights, and a source zero point that is a known scalar. */
export interface Product {
  readonly node: Node;
  readonly x: Value<ByteType>;
  /** s8 without a zero point, but for convolutions of known weights, and products with one known matrix. */
  readonly w: Value<ByteType>;
  readonly zw?: Value<ByteType>;
  readonly sourceZeroPoint: number;
  /** The axis of the result that has the channels. */
  readonly axis: number;
}

/** The product that computes a value, when a primitive or a kernel can; else the reason. */
export function productOf(graph: GraphEditor, id: ValueId): Product | string {
  const node = graph.producer(id);
  const factors = node && !isFused(node) ? factorsOf(node) : undefined;
  if (node === undefined || factors === undefined) return 'it is neither a convolution nor a matmul';
  const [x, w, zero] = [graph.value(factors.x), graph.value(factors.w), graph.constant(factors.zx)];
  if (!isOfType(x, ...byteTypes)) return `the source is ${x.type.dtype}`;
  const zw = factors.zw && graph.value(factors.zw);
  if (!isOfType(w, ...byteTypes) || (zw && !isOfType(zw, ...byteTypes))) return `the weights are ${w.type.dtype}`;
  if (!isSymmetric({ w, zw }) && !servesWeights(graph, node, w, zw)) return 'the weights are not symmetric s8';
  if (factors.zx && zero?.data.length !== 1) return 'the source zero point is not a known scalar';
  const { kind } = layoutOf(node);
  const isMatmul = kind === 'matmul';
  if (isMatmul && (x.type.shape.length < 2 || w.type.shape.length < 2)) return 'a vector operand';
  const axis = geometryOf(kind).channelAxis(graph.type(id).shape.length);
  if (!isMatmul && !graph.isConstant(w.id)) return 'the weights are computed at run time';
  return { node, x, w, ...(zw && { zw }), sourceZeroPoint: zero ? Number(zero.data[0]) : 0, axis };
}

/** True for weights that our convolution kernel takes as they are. */
function servesWeights(graph: GraphEditor, node: Node, w: Value, zw: Value | undefined): boolean {
  if (!graph.isConstant(w.id) || (zw && !graph.isConstant(zw.id))) return false;
  const [size, columns] = [graph.constant(zw?.id)?.data.length ?? 1, w.type.shape.at(-1)];
  return (
    isOp(node, qnnConv) || (isOp(node, qnnMatmul) && w.type.shape.length === 2 && (size === 1 || size === columns))
  );
}

/** True for weights that primitives take. */
export const isSymmetric = ({ w, zw }: Pick<Product, 'w' | 'zw'>): boolean => !zw && w.type.dtype === 's8';

/** Our depthwise kernel: 2-D, one input channel per group. It adds in int32 and reads padding as the zero point. */
export const servedByDepthwise = ({ node, w }: Product): boolean =>
  isOp(node, nnConv, qnnConv) && node.attrs.group > 1 && w.type.shape.length === 4 && w.type.shape[1] === 1;

export function emitProduct(
  a: Algebra,
  product: Product,
  chain: Pick<SumChain, 'bias' | 'map'>,
  r: Requantize | undefined,
  depthwise: boolean,
): Value {
  const { node, x, w, zw, sourceZeroPoint } = product;
  const end = { ...endOf(r), sourceZeroPoint };
  const { map, multiplier, ...others } = epilogueOperands(a, chain, r);
  const operands = { ...others, ...(multiplier && { multiplier: ofType(multiplier, 'f32') }) };
  const fused = { x, ...operands, ...(map && { map }) };
  if (isOp(node, nnConv, qnnConv)) {
    const by = depthwise ? 'depthwise' : 'onednn';
    return a.emit(dnnlConv, { ...fused, w, ...(zw && { zw }) }, { ...node.attrs, ...end, by });
  }
  if (isOp(node, nnConvTranspose, qnnConvTranspose))
    return a.emit(dnnlConvTranspose, { ...fused, w: ofType(w, 's8') }, { ...node.attrs, ...end });
  const zero = zw && a.tensor(zw);
  const zb = zero && { zb: a.constant({ ...zero, shape: zero.data.length === 1 ? [] : [zero.data.length] }) };
  return a.emit(dnnlMatmul, { a: x, b: w, ...zb, ...operands }, end);
}
