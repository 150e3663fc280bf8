/** Which convolutions and matmuls a primitive computes, and how they are emitted. */
import {
  isFusedProduct,
  type Node,
  type ProductKind,
  productKind,
  type Value,
  type ValueId,
} from '../../../ir/index.ts';
import type { ConvAttrs } from '../../../ir/ops/conv_geometry.ts';
import type { DeconvAttrs } from '../../../ir/ops/deconvolve.ts';
import { dnnlConv } from '../../../ir/ops/dnnl_conv.op.ts';
import { dnnlConvTranspose } from '../../../ir/ops/dnnl_conv_transpose.op.ts';
import { dnnlMatmul } from '../../../ir/ops/dnnl_matmul.op.ts';
import type { Algebra } from '../../../passes/rewrite/algebra.ts';
import type { GraphEditor } from '../../../passes/rewrite/editor.ts';
import { endOf, epilogueOperands, type Requantize } from './epilogue.ts';
import type { SumChain } from './sum_chain.ts';

/** An 8-bit source, s8 weights without a zero point, a source zero point that is a known scalar. */
export interface Product {
  readonly node: Node;
  readonly kind: ProductKind;
  readonly x: Value<'u8' | 's8'>;
  readonly w: Value<'s8'>;
  readonly sourceZeroPoint: number;
  /** The axis of the result that has the channels. */
  readonly axis: number;
  readonly channels: number;
}

/** The product that computes `value`, when a primitive can; else the reason. */
export function productOf(graph: GraphEditor, value: Value): Product | string {
  const node = graph.producer(value.id);
  const kind = node && productKind(node);
  if (node === undefined || kind === undefined || isFusedProduct(node))
    return 'it is neither a convolution nor a matmul';
  const [xId, wId, zx, zw] = node.operands as (ValueId | undefined)[];
  const [x, w] = [graph.value(xId as ValueId), graph.value(wId as ValueId)];
  if (x.type.dtype !== 'u8' && x.type.dtype !== 's8') return `the source is ${x.type.dtype}`;
  if (w.type.dtype !== 's8' || zw) return 'the weights are not symmetric s8';
  const zero = zx && graph.constant(zx);
  if (zx && (zero === undefined || zero.data.length !== 1)) return 'the source zero point is not a known scalar';
  const rank = value.type.shape.length;
  if (kind === 'matmul' && (x.type.shape.length < 2 || w.type.shape.length < 2)) return 'a vector operand';
  const axis = kind === 'matmul' ? rank - 1 : 1;
  const channels = value.type.shape[axis];
  if (typeof channels !== 'number') return 'the number of channels is not known';
  if (kind !== 'matmul' && !graph.isConstant(w.id)) return 'the weights are computed at run time';
  return {
    node,
    kind,
    x: x as Product['x'],
    w: w as Product['w'],
    sourceZeroPoint: zero ? Number(zero.data[0]) : 0,
    axis,
    channels,
  };
}

/** Our depthwise kernel: 2-D, one input channel per group. It adds in int32 and reads padding as the zero point. */
export const servedByDepthwise = ({ kind, node, w }: Product): boolean =>
  kind === 'conv' && (node.attrs.group as number) > 1 && w.type.shape.length === 4 && w.type.shape[1] === 1;

export function emitProduct(
  a: Algebra,
  product: Product,
  chain: Pick<SumChain, 'bias' | 'map'>,
  r: Requantize | undefined,
  depthwise: boolean,
): Value {
  const { x, w, node, sourceZeroPoint } = product;
  const end = endOf(r);
  const { map, ...given } = epilogueOperands(a, chain, r);
  const operands = given as typeof given & { readonly multiplier?: Value<'f32'> };
  if (product.kind === 'matmul') return a.emit(dnnlMatmul, { a: x, b: w, ...operands }, { ...end, sourceZeroPoint });
  const fused = { x, w, ...operands, ...(map && { map }) };
  if (product.kind === 'conv_transpose') {
    const attrs = node.attrs as unknown as DeconvAttrs;
    return a.emit(dnnlConvTranspose, fused, { ...attrs, ...end, sourceZeroPoint });
  }
  const attrs = node.attrs as unknown as ConvAttrs;
  return a.emit(dnnlConv, fused, { ...attrs, ...end, sourceZeroPoint, by: depthwise ? 'depthwise' : 'onednn' });
}
