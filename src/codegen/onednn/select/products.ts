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
  type SumChain,
  type Value,
  type ValueId,
} from '../../../ir/index.ts';
import type { Algebra, GraphEditor } from '../../../passes/index.ts';
import { endOf, epilogueOperands, type Requantize } from './epilogue.ts';

/** An 8-bit source, s8 weights without a zero point, and a source zero point that is a known scalar. */
export interface Product {
  readonly node: Node;
  readonly x: Value<ByteType>;
  readonly w: Value<'s8'>;
  readonly sourceZeroPoint: number;
  /** The axis of the result that has the channels. */
  readonly axis: number;
  readonly channels: number;
}

/** The product that computes a value, when a primitive can; else the reason. */
export function productOf(graph: GraphEditor, id: ValueId): Product | string {
  const node = graph.producer(id);
  const factors = node && !isFused(node) ? factorsOf(node) : undefined;
  if (node === undefined || factors === undefined) return 'it is neither a convolution nor a matmul';
  const [x, w, zero] = [graph.value(factors.x), graph.value(factors.w), graph.constant(factors.zx)];
  if (!isOfType(x, ...byteTypes)) return `the source is ${x.type.dtype}`;
  if (!isOfType(w, 's8') || factors.zw) return 'the weights are not symmetric s8';
  if (factors.zx && zero?.data.length !== 1) return 'the source zero point is not a known scalar';
  const { kind } = layoutOf(node);
  const isMatmul = kind === 'matmul';
  if (isMatmul && (x.type.shape.length < 2 || w.type.shape.length < 2)) return 'a vector operand';
  const { shape } = graph.type(id);
  const axis = geometryOf(kind).channelAxis(shape.length);
  const channels = shape[axis];
  if (typeof channels !== 'number') return 'the number of channels is not known';
  if (!isMatmul && !graph.isConstant(w.id)) return 'the weights are computed at run time';
  return { node, x, w, sourceZeroPoint: zero ? Number(zero.data[0]) : 0, axis, channels };
}

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
  const { node, x, w, sourceZeroPoint } = product;
  const end = { ...endOf(r), sourceZeroPoint };
  const { map, multiplier, ...others } = epilogueOperands(a, chain, r);
  const operands = { ...others, ...(multiplier && { multiplier: ofType(multiplier, 'f32') }) };
  const fused = { x, w, ...operands, ...(map && { map }) };
  if (isOp(node, nnConv, qnnConv))
    return a.emit(dnnlConv, fused, { ...node.attrs, ...end, by: depthwise ? 'depthwise' : 'onednn' });
  return isOp(node, nnConvTranspose, qnnConvTranspose)
    ? a.emit(dnnlConvTranspose, fused, { ...node.attrs, ...end })
    : a.emit(dnnlMatmul, { a: x, b: w, ...operands }, end);
}
