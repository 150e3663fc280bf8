/** Which convolutions and matmuls a primitive computes, and how they are emitted. */
import {
  dnnlConv,
  dnnlConvTranspose,
  dnnlMatmul,
  isOfType,
  type Node,
  nnConv,
  nnConvTranspose,
  nnMatmul,
  ofType,
  qnnConv,
  qnnConvTranspose,
  qnnMatmul,
  type Value,
} from '../../../ir/index.ts';
import type { ConvAttrs } from '../../../ir/ops/conv_geometry.ts';
import type { DeconvAttrs } from '../../../ir/ops/deconvolve.ts';
import type { Algebra } from '../../../passes/rewrite/algebra.ts';
import type { GraphEditor } from '../../../passes/rewrite/editor.ts';
import { endOf, epilogueOperands, type Requantize } from './epilogue.ts';
import type { SumChain } from './sum_chain.ts';

type Kind =
  | { readonly kind: 'conv'; readonly attrs: ConvAttrs }
  | { readonly kind: 'conv_transpose'; readonly attrs: DeconvAttrs }
  | { readonly kind: 'matmul' };

/** What a node multiplies, with zero points or without; x and w are the left and the right side of a matmul. */
interface Factors {
  readonly x: Value;
  readonly w: Value;
  readonly zx?: Value;
  readonly zw?: Value;
}

/** An 8-bit source, s8 weights without a zero point, a source zero point that is a known scalar. */
export interface Product {
  readonly given: Kind;
  readonly x: Value<'u8' | 's8'>;
  readonly w: Value<'s8'>;
  readonly sourceZeroPoint: number;
  /** The axis of the result that has the channels. */
  readonly axis: number;
  readonly channels: number;
}

/** The factors of a product that is not fused yet. */
function factorsOf(graph: GraphEditor, node: Node | undefined): readonly [Kind, Factors] | undefined {
  const conv = graph.view(qnnConv, node) ?? graph.view(nnConv, node);
  if (conv) return [{ kind: 'conv', attrs: conv.attrs }, conv];
  const transposed = graph.view(qnnConvTranspose, node) ?? graph.view(nnConvTranspose, node);
  if (transposed) return [{ kind: 'conv_transpose', attrs: transposed.attrs }, transposed];
  const quantized = graph.view(qnnMatmul, node);
  if (quantized) {
    const { a, b, za, zb } = quantized;
    return [{ kind: 'matmul' }, { x: a, w: b, ...(za && { zx: za }), ...(zb && { zw: zb }) }];
  }
  const matmul = graph.view(nnMatmul, node);
  return matmul && [{ kind: 'matmul' }, { x: matmul.a, w: matmul.b }];
}

/** The product that computes `value`, when a primitive can; else the reason. */
export function productOf(graph: GraphEditor, value: Value): Product | string {
  const found = factorsOf(graph, graph.producer(value.id));
  if (found === undefined) return 'it is neither a convolution nor a matmul';
  const [given, { x, w, zx, zw }] = found;
  if (!isOfType(x, 'u8', 's8')) return `the source is ${x.type.dtype}`;
  if (!isOfType(w, 's8') || zw) return 'the weights are not symmetric s8';
  const zero = graph.tensor(zx);
  if (zx && (zero === undefined || zero.data.length !== 1)) return 'the source zero point is not a known scalar';
  const rank = value.type.shape.length;
  const isMatmul = given.kind === 'matmul';
  if (isMatmul && (x.type.shape.length < 2 || w.type.shape.length < 2)) return 'a vector operand';
  const axis = isMatmul ? rank - 1 : 1;
  const channels = value.type.shape[axis];
  if (typeof channels !== 'number') return 'the number of channels is not known';
  if (!isMatmul && !graph.isConstant(w.id)) return 'the weights are computed at run time';
  return { given, x, w, sourceZeroPoint: zero ? Number(zero.data[0]) : 0, axis, channels };
}

/** Our depthwise kernel: 2-D, one input channel per group. It adds in int32 and reads padding as the zero point. */
export const servedByDepthwise = ({ given, w }: Product): boolean =>
  given.kind === 'conv' && given.attrs.group > 1 && w.type.shape.length === 4 && w.type.shape[1] === 1;

export function emitProduct(
  a: Algebra,
  product: Product,
  chain: Pick<SumChain, 'bias' | 'map'>,
  r: Requantize | undefined,
  depthwise: boolean,
): Value {
  const { given, x, w, sourceZeroPoint } = product;
  const end = { ...endOf(r), sourceZeroPoint };
  const { map, multiplier, ...others } = epilogueOperands(a, chain, r);
  const operands = { ...others, ...(multiplier && { multiplier: ofType(multiplier, 'f32') }) };
  if (given.kind === 'matmul') return a.emit(dnnlMatmul, { a: x, b: w, ...operands }, end);
  const fused = { x, w, ...operands, ...(map && { map }) };
  if (given.kind === 'conv_transpose') return a.emit(dnnlConvTranspose, fused, { ...given.attrs, ...end });
  return a.emit(dnnlConv, fused, { ...given.attrs, ...end, by: depthwise ? 'depthwise' : 'onednn' });
}
