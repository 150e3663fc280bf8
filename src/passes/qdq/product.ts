/**
 * Convolution, transposed convolution and matrix product of dequantized operands:
 *
 *   sx·(x − zx) ∗ sw[o]·(w − zw[o]) + b[o]  =  sx·sw[o] · ((x − zx) ∗ (w − zw[o]) + b[o]/(sx·sw[o]))
 *
 * The bracket is an int32 sum when the bias is one; what is left is a requantization, or a product with a float.
 */

import {
  atChannel,
  type ByteType,
  dtypes,
  type ITensor,
  isStatic,
  type Node,
  nnAdd,
  nnCast,
  nnExpand,
  nnMatmul,
  nnMul,
  ofType,
  qnnRequantize,
  sizeOf,
  tensor,
  type Value,
} from '../../ir/index.ts';
import {
  multiplier32,
  productScale,
  type RequantizeFactors,
  type RequantizeProfile,
  requantizeFactors,
  requantizeModes,
} from '../../numerics/index.ts';
import type { Operands } from '../corrections/operands.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { attempt, type Refusals, type Refuse } from '../rewrite/plan.ts';
import { belowClamps, type Clamped, clampsOf, rangeAttrs } from './activation.ts';
import { areZero, type Bias, type Channels, emitBias, floatOffset, integerBias } from './bias.ts';
import { type Source, sourceOf } from './moved.ts';
import {
  type Dequantized,
  dequantizeOf,
  LARGEST_SCALE,
  NORMAL,
  type Output,
  outputOf,
  type QuantizeMatch,
  requirePrivate,
  scalarZeroPoint,
} from './parameters.ts';
import type { ProductForm } from './product_form.ts';

const INT32 = 2 ** 31 - 1;

export interface DequantizedProduct {
  readonly form: ProductForm;
  readonly node: Node;
  readonly x: Source;
  readonly w: Source;
  /** The number of result channels for each channel of the input, when these have scales of their own; else 1. */
  readonly depth: number;
  /** Scales of the result channels: one for each, or one for all. */
  readonly sx: Float32Array;
  readonly sw: Float32Array;
  readonly channels: Channels;
}

/** The product at `node`, whose operands are dequantized 8-bit integers. */
export function productAt(graph: GraphEditor, form: ProductForm, node: Node, refuse: Refuse): DequantizedProduct {
  const factors = form.factors(graph, node);
  const x = sourceOf(graph, factors.x, form.roles[0], refuse);
  const w = sourceOf(graph, factors.w, form.roles[1], refuse);
  if (!w.perTensor && (w.scale.type.shape.length !== 1 || w.axis !== form.weightsAxis(w.shape)))
    refuse(`${form.roles[1]} has scales along axis ${w.axis}, it has to be ${form.channels}`, w.scale);
  if (form.knownWeights && !w.known) refuse(`${form.roles[1]} is computed at run time: ${form.knownWeights}`, w.x);
  const y = graph.type(node.results[0]).shape;
  const axis = form.channelAxis(y);
  const sw = w.perTensor ? w.scales : repeated(w.scales, form.repeats(node));
  const depth = x.perTensor ? 1 : channelsOf(form, node, x, w, refuse);
  const sx = spread(x.scales, depth);
  const length = Math.max(sx.length, sw.length);
  const units = new Float64Array(length);
  for (let o = 0; o < length; o++) {
    const a = atChannel(sx, o);
    const b = atChannel(sw, o);
    const scale = productScale(a, b);
    if (!(scale >= NORMAL)) refuse(`sx·sw = ${a}·${b} is not a normal binary32 number`, w.scale);
    if (scale > LARGEST_SCALE) refuse(`sx·sw = ${a}·${b} is above 2^96, where float sums overflow`, w.scale);
    units[o] = a * b;
  }
  const count = y[axis];
  if (length > 1 && length !== count)
    refuse(`there are ${length} scales for ${count} channels`, w.scale, 'give inputShapes');
  const channels = { rank: y.length, axis, count: typeof count === 'number' ? count : undefined, units };
  return { form, node, x, w, depth, sx, sw, channels };
}

/**
 * Counts the result channels for each channel of the input. When no sum crosses channels, a scale of an input channel
 * is one of the result: sx[c]·sw[o].
 */
function channelsOf(form: ProductForm, node: Node, x: Source, w: Source, refuse: Refuse): number {
  const depth = form.depthwise(node, x.shape, w.shape);
  if (depth === undefined || x.axis !== 1 || x.scale.type.shape.length !== 1)
    return refuse(
      `${form.roles[0]} has ${x.scales.length} scales along axis ${x.axis}, only weights may${form.op === nnMatmul ? '' : ', and the input of a depthwise convolution'}`,
      x.scale,
    );
  if (!isUniform(x.zeroPoints) && !isStatic(x.shape.slice(1)))
    refuse(`${form.roles[0]} has zero points by channel and a size that only the run knows`, x.zp, 'give inputShapes');
  return depth;
}

const repeated = (values: Float32Array, times: number): Float32Array => {
  if (times === 1) return values;
  const all = new Float32Array(values.length * times);
  for (let i = 0; i < times; i++) all.set(values, i * values.length);
  return all;
};

/** Each value so many times, one after the other. */
const spread = (values: ArrayLike<number>, times: number): Float32Array => {
  if (times === 1 && values instanceof Float32Array) return values;
  const all = new Float32Array(values.length * times);
  for (let i = 0; i < values.length; i++) all.fill(values[i], i * times, (i + 1) * times);
  return all;
};

/**
 * Refuses a sum that may leave int32: the float it stands for would not wrap.
 * Lengths that only the run knows are taken to be no more than the 33,025 terms that always fit.
 */
function requireInt32({ form, x, w }: DequantizedProduct, bias: Bias | undefined, refuse: Refuse): void {
  const terms = form.terms(x.shape, w.shape);
  if (terms === undefined) return;
  const largest = (bias?.integers ?? new Int32Array()).reduce((most, b) => Math.max(most, Math.abs(b)), 0);
  const reach = reachOf(x);
  if (terms * reach * reachOf(w) + largest <= INT32) return;
  const weights = w.known?.();
  const total = weights && sumOfMagnitudes(weights, form.weightsAxis(w.shape), w.zeroPoints);
  if (total === undefined || total * reach + largest > INT32)
    refuse(`the sum of ${terms} products and a bias of up to ${largest} may leave int32`, w.x);
}

/** The largest Σ|w − zw| of a channel. */
function sumOfMagnitudes({ data, shape }: ITensor<ByteType>, axis: number, zeroPoints: ArrayLike<number>): number {
  const inner = sizeOf(shape.slice(axis + 1));
  const sums = new Float64Array(axis < 0 ? 1 : shape[axis]);
  for (let i = 0; i < data.length; i++) {
    const o = Math.floor(i / inner) % sums.length;
    sums[o] += Math.abs(data[i] - atChannel(zeroPoints, o));
  }
  return sums.reduce((a, b) => Math.max(a, b), 0);
}

/** max |x − zx| over all integers of the type. */
function reachOf({ x, zeroPoints }: Dequantized): number {
  const { min, max } = dtypes[x.type.dtype];
  let reach = 0;
  for (let i = 0; i < zeroPoints.length; i++) reach = Math.max(reach, max - zeroPoints[i], zeroPoints[i] - min);
  return reach;
}

// ---- quantized result ------------------------------------------------------------------------------------------------

export interface Requantized extends DequantizedProduct {
  readonly y: Output;
  readonly bias: Bias | undefined;
  /** A float bias that is added to the sum in units of sx·sw, in the place of `bias`. */
  readonly offset: Float32Array | undefined;
  readonly clamped: Clamped;
  readonly profile: RequantizeProfile;
}

/** quantize ← (relu | clip)* ← (add bias)? ← product */
export function requantizedProduct(form: ProductForm, match: QuantizeMatch, refusals: Refusals): Requantized {
  const { graph, x: v } = match;
  const { refuse, unrelated } = refusals;
  const last = belowClamps(graph, v);
  const below = findProduct(graph, form, last);
  if (below === undefined) {
    const factor = factorOf(graph, form, last);
    if (factor) refuse(`%${factor.id} multiplies the result of ${form.op.name}`, factor, 'Gemm with alpha = 1');
    return unrelated(`no ${form.op.name} computes %${v.id}`);
  }
  const y = outputOf(match, refusals);
  const clamped = clampsOf(graph, v, y);
  const product = productAt(graph, form, below.node, refuse);
  const { bias: operand } = form.factors(graph, below.node);
  if (operand && below.added) refuse(`${form.op.name} has a bias, and another one is added`, below.added);
  const added = operand ?? below.added;
  const place = operand ? 'operand' : 'added';
  const rounded = added && integerBias(graph, added, place, product.channels, refuse);
  const offset =
    below.added && floatOffset(graph, below.added, graph.type(below.node.results[0]).shape, product.channels);
  const bias = offset ? undefined : rounded;
  requirePrivate(graph, [...clamped.inner, below.node.results[0]], refuse);
  requireInt32(product, bias, refuse);
  const { sx, sw } = product;
  for (let o = 0; o < product.channels.units.length; o++)
    if (multiplier32(atChannel(sx, o), atChannel(sw, o), y.s) === Infinity)
      refuse('sx·sw/sy is beyond binary32', match.scale);
  return { ...product, y, bias, offset, clamped, profile: graph.base.profile ?? 'ort' };
}

/** The product itself, or the product below an addition; `added` is the other summand. */
function findProduct(
  graph: GraphEditor,
  { op }: ProductForm,
  last: Node | undefined,
): { node: Node; added?: Value } | undefined {
  if (last?.op === op.name) return { node: last };
  const sum = graph.view(nnAdd, last);
  if (sum === undefined) return undefined;
  for (const [product, added] of [
    [sum.a, sum.b],
    [sum.b, sum.a],
  ]) {
    const node = graph.producer(product.id);
    if (node?.op === op.name && (graph.isConstant(added.id) || dequantizeOf(graph, added))) return { node, added };
  }
  return undefined;
}

/** The factor of the product, with or without an addition behind it: alpha of Gemm. */
function factorOf(graph: GraphEditor, { op }: ProductForm, last: Node | undefined): Value | undefined {
  const sum = graph.view(nnAdd, last);
  const candidates = sum ? [sum.a, sum.b].map(({ id }) => graph.producer(id)) : [last];
  for (const node of candidates) {
    const scaled = graph.view(nnMul, node);
    if (scaled === undefined) continue;
    if (graph.producer(scaled.a.id)?.op === op.name) return scaled.b;
    if (graph.producer(scaled.b.id)?.op === op.name) return scaled.a;
  }
  return undefined;
}

/** The sum in int32, with its bias. */
function emitSum(a: Algebra, product: DequantizedProduct, bias: Bias | undefined): Value<'s32'> {
  const { form, node, x, w, channels } = product;
  a.b.loc = node.loc;
  const [zx, zw] = [sourceZeroPoint(a, x), zeroPointOperand(a, w, form.repeats(node))];
  const weights = { w: w.integers(a), ...(zw && { zw }) };
  const sum = form.emit(a, { x: x.integers(a), ...weights, ...(zx && { zx }) }, node);
  const centred = isUniform(x.zeroPoints) ? sum : a.sub(sum, emitShift(a, product, weights));
  return bias ? a.add(centred, emitBias(a, bias, channels)) : centred;
}

/**
 * Corrects zero points by channel of a depthwise product, after all channels used the first one: (zx[c] −
 * zx[0])·conv(1, w − zw). Taps outside of the input contribute nothing to either.
 */
function emitShift(
  a: Algebra,
  { form, node, x, depth, channels }: DequantizedProduct,
  weights: Pick<Operands, 'w' | 'zw'>,
): Value<'s32'> {
  const ones = a.emit(nnExpand, { x: a.b.scalar('u8', 1) }, { shape: [1, ...x.shape.slice(1)] });
  const taps = form.emit(a, { x: ones, ...weights }, node);
  const zeros = Array.from(x.zeroPoints, (z) => z - x.zeroPoints[0]);
  const tail = Array<number>(channels.rank - 1 - channels.axis).fill(1);
  return a.mul(taps, a.s32(spread(zeros, depth), [zeros.length * depth, ...tail]));
}

function isUniform(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return true;
}

/**
 * The source zero point as an operand: the first one when there are several, since emitShift corrects the differences.
 */
const sourceZeroPoint = (a: Algebra, x: Dequantized): Value<ByteType> | undefined =>
  x.perTensor || x.zeroPoints[0] === 0
    ? zeroPointOperand(a, { ...x, zeroPoints: [x.zeroPoints[0]] }, 1)
    : a.b.scalar(x.x.type.dtype, x.zeroPoints[0]);

/** A zero point as an operand; zeros are left out. */
function zeroPointOperand(
  a: Algebra,
  { x, zp, zeroPoints, perTensor: one }: Dequantized,
  repeats: number,
): Value<ByteType> | undefined {
  if (zp === undefined || areZero(zeroPoints)) return undefined;
  if (one) return scalarZeroPoint(a, zp, x.type.dtype);
  return repeats === 1 ? zp : a.constant(tensor(x.type.dtype, repeated(Float32Array.from(zeroPoints), repeats)));
}

const perChannelShape = (length: number): readonly number[] => (length === 1 ? [] : [length]);

export function emitRequantized(plan: Requantized, a: Algebra): Value {
  const { y, bias, offset, clamped, channels, profile } = plan;
  const integers = emitSum(a, plan, bias);
  const sum = offset
    ? a.emit(nnAdd, { a: a.emit(nnCast, { x: integers }, { to: 'f32' }), b: emitOffset(a, offset, channels) })
    : integers;
  const { dtype, ...factors } = factorsOf(plan);
  const constant = (values: readonly number[]): Value<typeof dtype> =>
    a.constant(tensor(dtype, values, perChannelShape(values.length)));
  const parameters = {
    multiplier: constant(factors.multiplier),
    zy: scalarZeroPoint(a, y.zp, y.dtype),
    ...(factors.second && { second: ofType(constant(factors.second), 'f32', 's32') }),
  };
  const attrs = { axis: channels.axis, ...requantizeModes[profile], ...rangeAttrs(clamped, y) };
  return a.emit(qnnRequantize, { x: sum, ...parameters }, attrs);
}

function emitOffset(a: Algebra, offset: Float32Array, { rank, axis }: Channels): Value<'f32'> {
  const shape = offset.length === 1 ? [] : [offset.length, ...Array<number>(rank - 1 - axis).fill(1)];
  return a.constant(tensor('f32', offset, shape));
}

/** sx·sw/sy of every result channel as the profile holds them. */
function factorsOf({ sx, sw, y, profile }: Requantized): RequantizeFactors {
  if (sx.length === 1) return requantizeFactors(profile, sx[0], sw, y.s);
  const each = Array.from(sx, (s, o) => requantizeFactors(profile, s, [atChannel(sw, o)], y.s));
  const [{ dtype, second }] = each;
  return {
    dtype,
    multiplier: each.flatMap(({ multiplier }) => multiplier),
    ...(second && { second: each.flatMap((factors) => factors.second ?? []) }),
  };
}

// ---- float result ----------------------------------------------------------------------------------------------------

export interface Scaled extends DequantizedProduct {
  readonly integers: Bias | undefined;
  /** A bias that integers cannot express: added to the float result. */
  readonly real: Value<'f32' | 'f64'> | undefined;
}

export function scaledProduct(form: ProductForm, node: Node, graph: GraphEditor, { refuse }: Refusals): Scaled {
  const product = productAt(graph, form, node, refuse);
  const { bias } = form.factors(graph, node);
  const exact =
    bias &&
    dequantizeOf(graph, bias) &&
    attempt((to) => integerBias(graph, bias, 'operand', product.channels, to.refuse));
  const integers = exact && 'found' in exact ? exact.found : undefined;
  requireInt32(product, integers, refuse);
  return { ...product, integers, real: integers ? undefined : bias };
}

export function emitScaled(plan: Scaled, a: Algebra): Value {
  const { sx, sw, integers, real, channels } = plan;
  const sum = a.emit(nnCast, { x: emitSum(a, plan, integers) }, { to: 'f32' });
  const tail = Array(channels.rank - 1 - channels.axis).fill(1);
  const factors = Array.from(channels.units, (_, o) => productScale(atChannel(sx, o), atChannel(sw, o)));
  const shape = factors.length === 1 ? [] : [factors.length, ...tail];
  const scaled = a.emit(nnMul, { a: sum, b: a.constant(tensor('f32', factors, shape)) });
  return real ? a.emit(nnAdd, { a: scaled, b: a.reshape(real, [...real.type.shape, ...tail]) }) : scaled;
}
