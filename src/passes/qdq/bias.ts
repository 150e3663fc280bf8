/**
 * A bias in accumulator units, b / (sx·sw[o]), one integer per channel:
 *
 *   dequantize(int32 constant; sb)   those integers, when sb = sx·sw[o] up to the rounding of a binary32 scale
 *   float constant                   rne(b / (sx·sw[o])), as the profile divides: moves the bias by at most sx·sw[o]/2
 */

import { atChannel, isOfType, isStatic, type Shape, sizeOf, tensor, type Value } from '../../ir/index.ts';
import { biasInteger, type RequantizeProfile } from '../../numerics/index.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import type { Refuse } from '../rewrite/plan.ts';
import { dequantizeOf, originOf } from './parameters.ts';

/** Quantizers compute sx·sw in binary32 or round it to binary32, once or twice. */
const SCALE_TOLERANCE = 2 ** -22;

/** The channels of the result that the bias is added to. */
export interface Channels {
  readonly rank: number;
  readonly axis: number;
  readonly count: number | undefined;
  /** sx·sw[o] in binary64, one or one per channel. */
  readonly units: Float64Array;
}

/**
 * `integers`: one per channel, or one for all; undefined for a quantized bias from run time. `quantized`: the quantized
 * bias itself, if any.
 */
export type Bias =
  | { readonly integers: Int32Array; readonly quantized?: Value<'s32'> }
  | { readonly integers: undefined; readonly quantized: Value<'s32'> };

/** `place`: an operand of the convolution itself, [C], or added to its result, as numpy broadcasts. */
export function integerBias(
  graph: GraphEditor,
  v: Value,
  place: 'operand' | 'added',
  channels: Channels,
  refuse: Refuse,
): Bias {
  if (place === 'added' && !isPerChannel(v.type.shape, channels))
    refuse(`the bias of shape [${v.type.shape.join(', ')}] is not one number per channel`, v);
  const dequantize = dequantizeOf(graph, v);
  if (dequantize === undefined) {
    const real = isOfType(v, 'f32') ? graph.tensor(v)?.data : undefined;
    if (real === undefined) return refuse(`the bias is not a constant: ${originOf(graph, v)}`, v);
    return { integers: roundedBias(real, channels, graph.base.profile, v, refuse) };
  }
  const { x, scale, zp } = dequantize;
  if (!isOfType(x, 's32')) return refuse(`the bias is quantized to ${x.type.dtype}, not to s32`, x);
  const zeroPoints = graph.tensor(zp)?.data;
  if (zp && !(zeroPoints && areZero(zeroPoints))) refuse('the bias has a zero point', zp);
  const integers = graph.tensor(x)?.data;
  const scales = graph.tensor(scale)?.data;
  if (scales === undefined) return refuse('the scale of the bias is computed at run time', scale);
  // zero times a scale that is not finite is NaN
  if (integers && areZero(integers) && scales.every(Number.isFinite)) return { integers };
  checkScales(scales, channels, scale, refuse);
  return { integers, quantized: x };
}

/**
 * A constant float bias behind a matrix product in units of sa·sb, where ONNX Runtime adds it in float, as the standard has it;
 * undefined where ONNX Runtime rounds it to integers, and where it consists of such. It makes a Gemm of MatMul and Add when the
 * bias is one row, and the sizes are known or the product has two dimensions; of a Gemm it rounds the bias when that has one dimension.
 */
export function floatOffset(
  graph: GraphEditor,
  v: Value,
  y: Shape,
  { units, count }: Channels,
): Float32Array | undefined {
  const { profile = 'ort' } = graph.base;
  const real = isOfType(v, 'f32') && dequantizeOf(graph, v) === undefined ? graph.tensor(v)?.data : undefined;
  if (profile !== 'ort' || real === undefined) return undefined;
  const isRow = v.type.shape.length === 1 && v.type.shape[0] === count;
  if (isRow && (y.length <= 2 || isStatic(y))) return undefined;
  const offsets = Float32Array.from(
    { length: Math.max(real.length, units.length) },
    (_, o) => atChannel(real, o) / atChannel(units, o),
  );
  return offsets.every(Number.isInteger) ? undefined : offsets;
}

/** True when every one of the numbers is 0. */
export function areZero(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) return false;
  return true;
}

function checkScales(scales: Float32Array, { units, count }: Channels, at: Value, refuse: Refuse): void {
  const length = Math.max(scales.length, units.length);
  if (scales.length > 1 && scales.length !== count)
    refuse(`the bias has ${scales.length} scales, the result ${count} channels`, at);
  for (let o = 0; o < length; o++) {
    const sb = atChannel(scales, o);
    const unit = atChannel(units, o);
    if (Math.abs(sb / unit - 1) <= SCALE_TOLERANCE) continue;
    const which = units.length === 1 ? 'sx·sw' : `sx·sw[${o}]`;
    refuse(
      `the bias scale is ${sb} but ${which} is ${Math.fround(unit)}`,
      at,
      'quantize the bias with the scale sx·sw',
    );
  }
}

function roundedBias(
  real: Float32Array,
  { units, count }: Channels,
  profile: RequantizeProfile | undefined,
  at: Value,
  refuse: Refuse,
): Int32Array {
  const length = Math.max(real.length, units.length);
  if (units.length > 1 && length !== count) refuse(`the bias has ${real.length} elements for ${count} channels`, at);
  return Int32Array.from({ length }, (_, o) => {
    const b = biasInteger(atChannel(real, o), atChannel(units, o), profile);
    if (!(b >= -(2 ** 31) && b < 2 ** 31))
      refuse(`the bias ${real[o]} is ${b} in units of sx·sw, which does not fit int32`, at);
    return b;
  });
}

/** True when a shape, aligned to the right of the result, has size 1 everywhere, or everywhere but at the channels. */
function isPerChannel(shape: Shape, { rank, axis, count }: Channels): boolean {
  const at = axis - (rank - shape.length);
  return shape.length <= rank && shape.every((dim, i) => dim === 1 || (i === at && dim === count));
}

/** The bias in the shape that adds to the result: [C, 1, …]. */
export function emitBias(a: Algebra, bias: Bias, { rank, axis }: Channels): Value<'s32'> {
  const shapeOf = (length: number): readonly number[] =>
    length === 1 ? [] : [length, ...Array(rank - 1 - axis).fill(1)];
  if (bias.integers === undefined)
    return a.reshape(bias.quantized, shapeOf(sizeOf(bias.quantized.type.shape.map(Number))));
  const shape = shapeOf(bias.integers.length);
  return bias.quantized ? a.reshape(bias.quantized, shape) : a.constant(tensor('s32', bias.integers, shape));
}
