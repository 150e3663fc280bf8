/** Dequantize and quantize nodes as the grouping rules see them: 8-bit integers with constant parameters. */

import {
  type ByteType,
  byteTypes,
  dtypes,
  isByteType,
  isOfType,
  isOp,
  isPerTensor,
  type Node,
  nnCast,
  opOf,
  qnnDequantize,
  type qnnQuantize,
  type Value,
  type ValueId,
  type ValueView,
} from '../../ir/index.ts';
import { quantize, quantizeByReciprocal, reciprocal32 } from '../../numerics/index.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import type { Refusals, Refuse } from '../rewrite/plan.ts';
import type { Match } from '../rewrite/rule.ts';

export type QuantizeMatch = Match<typeof qnnQuantize.operands, typeof qnnQuantize.attrs>;

/** dequantize(x; scale, zp): positive finite scales, one per tensor or one along `axis`. */
export interface Dequantized {
  readonly node: Node;
  readonly x: Value<ByteType>;
  readonly scale: Value<'f32'>;
  readonly zp: Value<ByteType> | undefined;
  readonly scales: Float32Array;
  /** As many as scales, or one. */
  readonly zeroPoints: ArrayLike<number>;
  readonly axis: number;
  readonly perTensor: boolean;
}

/** A zero point of bytes, or none: zero points have the type of their tensor. */
export const isByteOrAbsent = (value: Value | undefined): value is Value<ByteType> | undefined =>
  value === undefined || isByteValue(value);
export const isByteValue = (value: Value): value is Value<ByteType> => isOfType(value, ...byteTypes);

/** The dequantize that computes `v`, undefined when something else does. */
export const dequantizeOf = (graph: GraphEditor, v: Value): ValueView<typeof qnnDequantize> | undefined =>
  graph.view(qnnDequantize, graph.producer(v.id));

/** `role` is how the value is called in reasons: 'the input', 'the weights'. */
export function dequantized(graph: GraphEditor, v: Value, role: string, refuse: Refuse): Dequantized {
  const { node, x, scale, zp, attrs } = dequantizeOf(graph, v) ?? notDequantized(graph, v, role, refuse);
  if (!isByteValue(x) || !isByteOrAbsent(zp))
    return refuse(
      `${role} is of ${x.type.dtype}, only 8-bit integers are grouped`,
      x,
      'ONNX has no integer products of wider types: they are computed in float, in onnxruntime as well',
    );
  const scales = scalesOf(graph, scale, role, refuse);
  const zeroPoints = zp === undefined ? [0] : graph.tensor(zp)?.data;
  return {
    node,
    x,
    scale,
    zp,
    scales,
    zeroPoints: zeroPoints ?? refuse(`the zero point of ${role} is computed at run time`, zp),
    axis: attrs.axis,
    perTensor: isPerTensor(scale.type.shape),
  };
}

/** The same with one scale and zero point for the whole tensor. */
export function perTensor(graph: GraphEditor, v: Value, role: string, refuse: Refuse): Dequantized {
  const found = dequantized(graph, v, role, refuse);
  if (!found.perTensor)
    refuse(`${role} has ${found.scales.length} scales along axis ${found.axis}, only weights may`, found.scale);
  return found;
}

/** The least normal binary32 number: below it floats lose digits. */
export const NORMAL = 2 ** -126;
/**
 * A sum of 2^31 units of this scale is finite in binary32; beyond it, floats become infinite, and NaN, where integers
 * saturate.
 */
export const LARGEST_SCALE = 2 ** 96;

/**
 * ONNX Runtime adds the zero points, times the ratio of the scales, to the zero point of the result in binary32. Beside
 * 2^15·255, binary32 still holds half a unit.
 */
export const LARGEST_RATIO = 2 ** 15;

function notDequantized(graph: GraphEditor, v: Value, role: string, refuse: Refuse): never {
  let node = graph.producer(v.id);
  let narrow: string | undefined;
  while (node && (isOp(node, nnCast) || opOf(node).traits.includes('movement'))) {
    const { dtype } = graph.type(node.results[0]);
    if (dtype !== 'f32') narrow = dtype;
    const [from] = node.operands;
    node = from ? graph.producer(from) : undefined;
  }
  if (isOp(node, qnnDequantize) && narrow !== undefined)
    refuse(
      `${role} is rounded to ${narrow} behind its dequantize, which a sum of integers is not`,
      v,
      'keep scales in float32, so that dequantized values are float32',
    );
  return refuse(
    `${role} is not dequantized: ${originOf(graph, v)}`,
    v,
    'an integer product needs both sides quantized',
  );
}

function scalesOf(graph: GraphEditor, scale: Value<'f32'>, role: string, refuse: Refuse): Float32Array {
  const constant = graph.tensor(scale);
  if (constant === undefined) return refuse(`the scale of ${role} is computed at run time`, scale);
  const { data } = constant;
  for (let i = 0; i < data.length; i++)
    if (!(data[i] > 0 && data[i] < Infinity))
      refuse(`a scale of ${role} is ${data[i]}, it has to be positive and finite`, scale);
  for (let i = 0; i < data.length; i++)
    if (data[i] < NORMAL || data[i] > LARGEST_SCALE)
      refuse(`a scale of ${role} is ${data[i]}: below 2^-126 floats vanish, above 2^96 their sums overflow`, scale);
  return data;
}

/** quantize(·; scale, zp) per tensor. */
export interface Output {
  readonly dtype: ByteType;
  readonly scale: Value<'f32'>;
  readonly zp: Value<ByteType> | undefined;
  readonly s: number;
  readonly zeroPoint: number;
  readonly arithmetic: 'divide' | 'reciprocal';
  readonly min: number;
  readonly max: number;
}

export function outputOf({ graph, scale, zp, attrs }: QuantizeMatch, { refuse }: Refusals): Output {
  const { dtype, arithmetic } = attrs;
  if (!isByteType(dtype) || !isByteOrAbsent(zp))
    return refuse(`the result is of ${dtype}, only 8-bit integers are grouped`);
  if (!isPerTensor(scale.type.shape))
    refuse(`the result has a scale for each index of axis ${attrs.axis}, only weights may`, scale);
  const [s] = scalesOf(graph, scale, 'the result', refuse);
  const zeroPoint = zp === undefined ? 0 : graph.tensor(zp)?.data[0];
  if (zeroPoint === undefined) return refuse('the zero point of the result is computed at run time', zp);
  const { min, max } = dtypes[dtype];
  return { dtype, scale, zp, s, zeroPoint, arithmetic, min, max };
}

/** The integer that a real number becomes. */
export const quantized = ({ s, zeroPoint, arithmetic, min, max }: Output, real: number): number =>
  arithmetic === 'divide'
    ? quantize(real, s, zeroPoint, min, max)
    : quantizeByReciprocal(real, reciprocal32(s), zeroPoint, min, max);

/** A parameter as a scalar of shape []; an absent zero point is 0. */
export const scalarScale = (a: Algebra, scale: Value<'f32'>): Value<'f32'> => asScalar(a, scale);
export const scalarZeroPoint = (a: Algebra, zp: Value<ByteType> | undefined, dtype: ByteType): Value<ByteType> =>
  zp === undefined ? a.b.scalar(dtype, 0) : asScalar(a, zp);

const asScalar = <D extends ByteType | 'f32'>(a: Algebra, value: Value<D>): Value<D> =>
  value.type.shape.length === 0 ? value : a.reshape(value, []);

/** Names the value that was found in the place of a dequantize: an input, a constant, or another operator. */
export function originOf(graph: GraphEditor, v: Value): string {
  const producer = graph.producer(v.id);
  if (producer) return `%${v.id} is computed by ${producer.op}`;
  return `%${v.id} is ${graph.isConstant(v.id) ? 'a float constant' : 'an input of the graph'}`;
}

/** Refuses when somebody besides the group reads one of its inner values. */
export function requirePrivate(graph: GraphEditor, inner: readonly ValueId[], refuse: Refuse): void {
  for (const id of inner) {
    if (graph.isPrivate(id)) continue;
    const value = graph.value(id);
    if (graph.isOutput(id)) refuse(`%${id} in the middle of the group is an output of the graph`, value);
    refuse(`%${id} in the middle of the group has ${graph.consumers(id).length} readers`, value);
  }
}

/** dequantize(y) with the parameters of another. */
export const dequantizedAs = (a: Algebra, { scale, zp }: Dequantized, x: Value<ByteType>, axis: number): Value =>
  a.emit(qnnDequantize, { x, scale, ...(zp && { zp }) }, { axis });
