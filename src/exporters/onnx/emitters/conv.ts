/**
 * Convolutions.
 *
 * The integer ones become ConvInteger on u8 without zero points, the one form that every ONNX Runtime runs. With
 * x̂ = x + a, ŵ = w + b, a and b being 128 for s8 and 0 for u8:
 *
 *   conv(x, w) = ConvInteger(x̂, ŵ) − b·ConvInteger(x̂, 1) − a·Σw[o]        bit-exact
 *
 * Zero padding reads 0 of x, which is a of x̂: for s8 sources x̂ is padded with 128 first, so that every tap is inside.
 * Where zero points are there already (qnn.conv) they move along, taps outside read them, and nothing is left over;
 * ONNX Runtime takes one weights zero point: others are corrected by their window sums, z[o]·ConvInteger(x̂, 1).
 *
 * ONNX convolves no wider integers and has no integer ConvTranspose. Both are computed in f32 where no partial sum can
 * leave ±2^24, which makes them exact whatever the order of summation, transposed ones with their weights split into
 * 16·high + low where that is needed to stay below.
 */
import {
  type DType,
  dtypes,
  type ITensor,
  isFloat,
  type Shape,
  sizeOf,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import type { ConvAttrs } from '../../../ir/ops/conv_geometry.ts';
import type { DeconvAttrs } from '../../../ir/ops/deconvolve.ts';
import { type Attributes, castTo, int, ints, type NodeEmitter, type Written } from '../node_emitter.ts';
import { moved } from './elements.ts';
import { padded } from './pad.ts';

export const convAttributes = ({ strides, pads, dilations, group }: ConvAttrs, w: Shape): Attributes => ({
  kernel_shape: ints(w.slice(2) as readonly number[]),
  strides: ints(strides),
  pads: ints(pads),
  dilations: ints(dilations),
  group: int(group),
});

const attrsOf = (e: NodeEmitter): ConvAttrs => e.node.attrs as unknown as ConvAttrs;
const isByte = (dtype: DType): dtype is 'u8' | 's8' => dtype === 'u8' || dtype === 's8';
const offset = (dtype: DType): number => (dtype === 's8' ? 128 : 0);

export function conv(e: NodeEmitter): Written {
  const [x, w] = [e.type(0), e.type(1)];
  if (isFloat(x.dtype)) return e.finish('Conv', e.inputs(), convAttributes(attrsOf(e), w.shape));
  if (!isByte(x.dtype) || !isByte(w.dtype))
    return e.refuse(`ONNX has no convolution of ${x.dtype} and ${w.dtype}`, 'correct zero points by another strategy');
  const attrs = attrsOf(e);
  const isPadded = x.dtype === 's8' && attrs.pads.some((pad) => pad > 0);
  const recentred = toU8(e, 0);
  const source = isPadded ? padded(e, recentred, spatialPads(attrs.pads), e.scalar('u8', 128)) : recentred;
  const inside = isPadded ? { ...attrs, pads: attrs.pads.map(() => 0) } : attrs;
  const attributes = convAttributes(inside, w.shape);
  const terms: string[] = [];
  if (w.dtype === 's8') {
    const sums = e.add('ConvInteger', [source, ones(e, w.shape, attrs.group)], attributes);
    terms.push(e.add('Mul', [sums, e.scalar('s32', 128)]));
  }
  if (x.dtype === 's8') terms.push(e.add('Mul', [filterSums(e), e.scalar('s32', 128)]));
  return difference(e, ['ConvInteger', [source, weightsAsU8(e)], attributes], terms);
}

export function quantizedConv(e: NodeEmitter): Written {
  const w = e.type(1);
  const attrs = attrsOf(e);
  const attributes = convAttributes(attrs, w.shape);
  const [source, weights, zx] = [toU8(e, 0), weightsAsU8(e), zeroPointAsU8(e, 2, 0)];
  const zw = e.constantAt(3);
  const perFilter = e.has(3) && e.type(3).shape.some((dim) => dim !== 1);
  if (!perFilter) return e.finish('ConvInteger', [source, weights, zx, zeroPointAsU8(e, 3, 1)], attributes);
  if (zw === undefined) return e.refuse('zero points of its filters are computed at run time');
  const zeros = Int32Array.from(zw.data as Uint8Array, (zero) => zero + offset(w.dtype));
  const factor = e.constant(
    tensor('s32', zeros, [zeros.length, ...attrs.strides.map(() => 1)]),
    `${e.node.id}.zero_points`,
  );
  const sums = e.add('ConvInteger', [source, ones(e, w.shape, attrs.group), zx], attributes);
  return difference(e, ['ConvInteger', [source, weights, zx], attributes], [e.add('Mul', [sums, factor])]);
}

/** The first node minus the terms. */
function difference(
  e: NodeEmitter,
  first: readonly [string, readonly string[], Attributes],
  terms: readonly string[],
): Written {
  if (terms.length === 0) return e.finish(...first);
  const rest = terms.slice(0, -1).reduce((sum, term) => e.add('Sub', [sum, term]), e.add(...first));
  return e.finish('Sub', [rest, terms[terms.length - 1]]);
}

/** A bytes operand as u8, moved by 128 when it is s8; a constant is moved here. */
function toU8(e: NodeEmitter, index: number): string {
  const { dtype } = e.type(index);
  if (dtype === 'u8') return e.input(index);
  const constant = e.constantAt(index);
  return constant === undefined
    ? moved(e, e.input(index), 'u8')
    : e.constant(
        { ...constant, dtype: 'u8', data: Uint8Array.from(constant.data as Int8Array, (v) => v + 128) },
        `${e.node.operands[index]}.u8`,
      );
}

const weightsAsU8 = (e: NodeEmitter): string => toU8(e, 1);

/** The zero point at operand `index` for the operand `of`, as a u8 scalar; s8 without one has 128 of the moved type. */
function zeroPointAsU8(e: NodeEmitter, index: number, of: number): string {
  const { dtype } = e.type(of);
  if (!e.has(index)) return dtype === 's8' ? e.scalar('u8', 128) : '';
  const constant = e.constantAt(index);
  if (constant !== undefined) return e.scalar('u8', Number(constant.data[0]) + offset(dtype));
  const zero = e.reshaped(e.node.operands[index] as ValueId, []);
  return dtype === 's8' ? moved(e, zero, 'u8') : zero;
}

/**
 * Filters of ones whose convolution sums windows: [1, C, kernel…], whose one channel broadcasts, or for several groups
 * as many filters as there are.
 */
function ones(e: NodeEmitter, w: Shape, group: number): string {
  const [filters, ...rest] = w as readonly number[];
  const shape = [group === 1 ? 1 : filters, ...rest];
  return e.constant(tensor('u8', new Uint8Array(sizeOf(shape)).fill(1), shape), `${e.node.id}.ones`);
}

/** Σw as [O, 1, …]. */
function filterSums(e: NodeEmitter): string {
  const w = e.constantAt(1);
  const { shape } = e.type(1);
  const form = [shape[0] as number, ...shape.slice(2).map(() => 1)];
  if (w === undefined) {
    const summed = e.add('Cast', [e.input(1)], castTo('s32'));
    return e.add('Reshape', [reducedSum(e, summed, shape.length), e.list(form, 'shape')]);
  }
  const sums = new Int32Array(form[0]);
  const each = w.data.length / Math.max(1, form[0]);
  for (let i = 0; i < w.data.length; i++) sums[Math.floor(i / each)] += w.data[i] as number;
  return e.constant(tensor('s32', sums, form), `${e.node.id}.sums`);
}

/** The sum over all axes but the first. */
function reducedSum(e: NodeEmitter, x: string, rank: number): string {
  const axes = Array.from({ length: rank - 1 }, (_, i) => i + 1);
  return e.opset < 13 ? e.add('ReduceSum', [x], { axes: ints(axes) }) : e.add('ReduceSum', [x, e.list(axes, 'axes')]);
}

/** Pads of the spatial axes as those of all axes. */
function spatialPads(pads: readonly number[]): readonly number[] {
  const rank = pads.length / 2;
  return [0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)];
}

// ---- transposed

const transposedAttributes = (e: NodeEmitter): Attributes => ({
  ...convAttributes(attrsOf(e), e.type(1).shape),
  output_padding: ints((e.node.attrs as unknown as DeconvAttrs).outputPadding),
});

export function convTranspose(e: NodeEmitter): Written {
  if (isFloat(e.type(0).dtype)) return e.finish('ConvTranspose', e.inputs(), transposedAttributes(e));
  return floatSum(e, undefined, undefined);
}

export function quantizedConvTranspose(e: NodeEmitter): Written {
  return floatSum(e, e.has(2) ? e.constantAt(2) : undefined, e.has(3) ? e.constantAt(3) : undefined);
}

/** The integer sum in f32: exact while Σ|x|·|w| ≤ 2^24 for each result. */
function floatSum(e: NodeEmitter, zx: ITensor | undefined, zw: ITensor | undefined): Written {
  const [x, w] = [e.type(0), e.constantAt(1)];
  if (w === undefined || !isByte(x.dtype) || !isByte(w.dtype))
    return e.refuse('ONNX has no integer ConvTranspose, and the float one is exact only for known 8-bit weights');
  if ((e.has(2) && zx === undefined) || (e.has(3) && zw === undefined))
    return e.refuse('its zero points are computed at run time');
  const zero = Number(zx?.data[0] ?? 0);
  const { min, max } = dtypes[x.dtype];
  const reach = Math.max(max - zero, zero - min);
  const weights = centred(w, zw, attrsOf(e).group);
  const source = e.add('Sub', [e.cast(e.input(0), 'f32'), e.scalar('f32', zero)]);
  const sum = (values: Int32Array, name: string) => {
    if (reach * largestSum(values, w.shape, attrsOf(e).group) > 2 ** 24)
      return e.refuse(
        'ONNX has no integer ConvTranspose, and the float one would round: an accumulator may be beyond 2^24',
      );
    const filter = e.constant(tensor('f32', Float32Array.from(values), w.shape), `${e.node.id}.${name}`);
    return e.cast(e.add('ConvTranspose', [source, filter], transposedAttributes(e)), 's32');
  };
  if (reach * largestSum(weights, w.shape, attrsOf(e).group) <= 2 ** 24)
    return e.finish('Identity', [sum(weights, 'weights')]);
  const high = weights.map((v) => Math.floor(v / 16));
  const low = weights.map((v, i) => v - 16 * high[i]);
  return e.finish('Add', [e.add('Mul', [sum(high, 'high'), e.scalar('s32', 16)]), sum(low, 'low')]);
}

/** w − zw, zw by result channel: channel k of every group's O/group has that of channel group·(O/group) + k. */
function centred(w: ITensor, zw: ITensor | undefined, group: number): Int32Array {
  const [channels, perGroup, ...kernel] = w.shape;
  const taps = sizeOf(kernel);
  return Int32Array.from(w.data as Int8Array, (value, i) => {
    const k = Math.floor(i / taps) % perGroup;
    const c = Math.floor(i / taps / perGroup);
    const o = Math.floor(c / (channels / group)) * perGroup + k;
    return value - Number(zw?.data[zw.data.length === 1 ? 0 : o] ?? 0);
  });
}

/** The largest Σ|w| that one result can see: over the channels of a group and all taps. */
function largestSum(weights: Int32Array, [channels, perGroup, ...kernel]: readonly number[], group: number): number {
  const taps = sizeOf(kernel);
  const sums = new Float64Array(group * perGroup);
  weights.forEach((value, i) => {
    const c = Math.floor(i / taps / perGroup);
    sums[Math.floor(c / (channels / group)) * perGroup + (Math.floor(i / taps) % perGroup)] += Math.abs(value);
  });
  return sums.reduce((a, b) => Math.max(a, b), 0);
}
