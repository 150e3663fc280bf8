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
 */
import { bytesOf, type DType, isFloat, type Shape, sizeOf, tensor, type ValueId } from '../../../ir/index.ts';
import type { ConvAttrs } from '../../../ir/ops/conv_geometry.ts';
import { type Attributes, castTo, ints, type NodeEmitter, type Written } from '../node_emitter.ts';
import { convAttributes } from './conv_attributes.ts';
import { wideConv } from './conv_wide.ts';
import { moved } from './elements.ts';
import { padded } from './pad.ts';

const attrsOf = (e: NodeEmitter): ConvAttrs => e.node.attrs as unknown as ConvAttrs;
const isByte = (dtype: DType): dtype is 'u8' | 's8' => dtype === 'u8' || dtype === 's8';
const offset = (dtype: DType): number => (dtype === 's8' ? 128 : 0);

export function conv(e: NodeEmitter): Written {
  const [x, w] = [e.type(0), e.type(1)];
  if (isFloat(x.dtype)) return e.finish('Conv', e.inputs(), convAttributes(attrsOf(e), w.shape));
  if (!isByte(x.dtype) || !isByte(w.dtype)) return wideConv(e);
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
  if (constant === undefined) return moved(e, e.input(index), 'u8');
  const data = new Uint8Array(bytesOf(constant.data));
  for (let i = 0; i < data.length; i++) data[i] ^= 128;
  return e.constant({ ...constant, dtype: 'u8', data }, `${e.node.operands[index]}.u8`);
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
