/** The requantization that a node performs, read from its operands and attributes. */
import {
  factorsFor,
  modeOf,
  type Requantization,
  type RequantizationFactors,
  type RequantizeMode,
} from '../numerics/index.ts';
import { type ByteType, byteTypes, dtypes, type ITensor, tensorOfType } from '../tensors/index.ts';
import type { Node } from './graph.ts';
import { dnnlConv } from './ops/dnnl_conv.op.ts';
import { dnnlConvTranspose } from './ops/dnnl_conv_transpose.op.ts';
import { dnnlMatmul } from './ops/dnnl_matmul.op.ts';
import { dnnlRequantize } from './ops/dnnl_requantize.op.ts';
import { qnnRequantize } from './ops/qnn_requantize.op.ts';
import { productKind } from './product.ts';
import { geometryOf } from './product_geometry.ts';
import { type GraphReader, roundingTail } from './rounding_tail.ts';
import type { ValueId } from './types.ts';
import { isOp, type NodeOf, type View, view, viewOf } from './view.ts';

export interface RequantizationOfNode extends Requantization {
  /** The axis of the result along which channels lie. */
  readonly axis: number;
  readonly to: ByteType;
}

/** That of a qnn.requantize, and the s32 sum that it rounds. */
export interface RequantizationOfSum extends RequantizationOfNode {
  readonly sum: ValueId;
  /** The floats in between, the requantize's operand first; none where it rounds the sum itself. */
  readonly between: readonly ValueId[];
}

/** The requantization of a node, also of a fused one; undefined when it does none, or with parameters that only the run knows. */
export function requantizationOf(graph: GraphReader, node: Node): RequantizationOfNode | undefined {
  const requantize = view(qnnRequantize, node);
  if (requantize) {
    const found = requantizationOfSum(graph, requantize);
    return typeof found === 'string' ? undefined : found;
  }
  return isOp(node, dnnlConv, dnnlConvTranspose, dnnlMatmul, dnnlRequantize) ? ofFused(graph, node) : undefined;
}

/** The requantization of an s32 sum, or the reason why it is none. */
export function requantizationOfSum(
  graph: GraphReader,
  requantize: View<typeof qnnRequantize>,
): RequantizationOfSum | string {
  const { attrs, node } = requantize;
  const parameters = [requantize.multiplier, requantize.second, requantize.zy].map((id) => graph.constant(id));
  const [multiplier, second, zero] = parameters;
  if (!multiplier || !zero || (requantize.second && !second)) return 'its parameters are computed at run time';
  if (multiplier.shape.length > 1) return 'the multiplier varies along several axes';
  const tail = roundingTail(graph, node);
  if (tail === undefined) return 'it rounds floats that are not a sum with a scale and an offset for each channel';
  const { sum, between, scale, offset } = tail;
  if (attrs.arithmetic === 'f32-two-step' && (scale || offset)) return whyNotFloats(attrs.arithmetic);
  const factors = {
    ...(scale && { scale }),
    ...(offset && { offset }),
    ...factorsFor(attrs.arithmetic, parameter(multiplier), second && tensorOfType(second, 'f32', 's32')),
  };
  const rank = graph.type(requantize.x).shape.length;
  const axis = (attrs.axis + rank) % Math.max(rank, 1);
  const zy = tensorOfType(zero, ...byteTypes);
  return { ...completed(factors, attrs, zy.dtype, zy.data[0]), axis, sum, between };
}

/** The reason why floats in front of a requantization in another arithmetic than f32 are not part of it. */
export const whyNotFloats = (arithmetic: string): string => `it rounds floats, in the arithmetic ${arithmetic}`;

type Fused = typeof dnnlConv | typeof dnnlConvTranspose | typeof dnnlMatmul | typeof dnnlRequantize;

function ofFused(graph: GraphReader, node: NodeOf<Fused>): RequantizationOfNode | undefined {
  const { multiplier, scale, offset, shift: shifts } = viewOf<typeof dnnlRequantize>(node);
  const { attrs } = node;
  const known = graph.constant(multiplier);
  if (known === undefined || known.shape.length > 1 || attrs.to === 's32') return undefined;
  const float = (id: ValueId | undefined) => ofType(graph.constant(id), 'f32');
  const shift = ofType(graph.constant(shifts), 's32');
  const factors = { multiplier: parameter(known), shift, scale: float(scale), offset: float(offset) };
  const { shape } = graph.type(node.results[0]);
  const kind = productKind(node);
  return {
    ...completed(factors, { rounding: 'half-even', ...attrs }, attrs.to, attrs.zeroPoint),
    axis: kind ? geometryOf(kind).channelAxis(shape.length) : Number(node.attrs.axis),
  };
}

const parameter = (t: ITensor): RequantizationFactors['multiplier'] => tensorOfType(t, 'f32', 'f64', 's32');

const ofType = <D extends 'f32' | 's32'>(t: ITensor | undefined, dtype: D): ITensor<D> | undefined =>
  t && tensorOfType(t, dtype);

function completed(
  factors: RequantizationFactors,
  {
    rounding,
    zeroPointAt,
    low,
    high,
  }: Omit<RequantizeMode, 'arithmetic'> & { readonly low: number; readonly high: number },
  to: ByteType,
  zeroPoint: number,
): Omit<RequantizationOfNode, 'axis'> {
  const { min, max } = dtypes[to];
  const range = { low: Math.max(low, min), high: Math.min(high, max) };
  return { ...factors, mode: modeOf(factors, { rounding, zeroPointAt }), zeroPoint, ...range, to };
}
