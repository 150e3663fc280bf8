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
import {
  bytesOf,
  type ConvAttrs,
  type DType,
  isByteType,
  isFloat,
  type nnConv,
  numbersOf,
  type qnnConv,
  sizeOf,
  sumByFilter,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { type Attributes, int, ints, type NodeWriter, type Written } from '../node_writer.ts';
import { convAttributes } from './conv_attributes.ts';
import { wideConv } from './conv_wide.ts';
import { moved } from './elements.ts';
import { padded } from './pad.ts';

const offset = (dtype: DType): number => (dtype === 's8' ? 128 : 0);

export function conv(e: NodeEmitter<typeof nnConv>): Written {
  const { x, w, attrs } = e.view;
  const [source, filter] = [x, w].map((id) => e.typeOf(id).dtype);
  const shape = e.known(e.typeOf(w).shape);
  if (isFloat(source)) return e.finish('Conv', e.inputs(), convAttributes(attrs, shape));
  if (!isByteType(source) || !isByteType(filter)) return wideConv(e);
  const isPadded = source === 's8' && attrs.pads.some((pad) => pad > 0);
  const recentred = toU8(e, x);
  const inner = isPadded ? padded(e, recentred, spatialPads(attrs.pads), e.scalar('u8', 128)) : recentred;
  const inside = isPadded ? { ...attrs, pads: attrs.pads.map(() => 0) } : attrs;
  const attributes = convAttributes(inside, shape);
  const unsigned = filter === 's8' ? asUnsigned(e, w) : e.value(w);
  const terms: string[] = [];
  if (unsigned === undefined) {
    const sums = windowSums(e, inner, shape, inside);
    terms.push(e.add('Mul', [sums, e.scalar('s32', 128)]));
  }
  if (source === 's8') terms.push(e.add('Mul', [filterSums(e, w, shape), e.scalar('s32', 128)]));
  return difference(e, ['ConvInteger', [inner, unsigned ?? toU8(e, w)], attributes], terms);
}

export function quantizedConv(e: NodeEmitter<typeof qnnConv>): Written {
  const { x, w, zx, zw, attrs } = e.view;
  const { dtype, shape } = e.typeOf(w);
  const filters = e.known(shape);
  const attributes = convAttributes(attrs, filters);
  const [source, weights, zero] = [toU8(e, x), toU8(e, w), zeroPointAsU8(e, zx, x)];
  const perFilter = zw !== undefined && e.typeOf(zw).shape.some((dim) => dim !== 1);
  if (!perFilter) return e.finish('ConvInteger', [source, weights, zero, zeroPointAsU8(e, zw, w)], attributes);
  const known = e.constantOf(zw);
  if (known === undefined) return e.refuse('zero points of its filters are computed at run time');
  const zeros = numbersOf(known).map((value) => value + offset(dtype));
  const factor = e.constant(
    tensor('s32', zeros, [zeros.length, ...attrs.strides.map(() => 1)]),
    `${e.node.id}.zero_points`,
  );
  const sums = windowSums(e, source, filters, attrs, zero);
  return difference(e, ['ConvInteger', [source, weights, zero], attributes], [e.add('Mul', [sums, factor])]);
}

/** The first node minus the terms. A convolution with ones may also be a window sum of others. */
function difference(
  e: NodeWriter,
  first: readonly [string, readonly string[], Attributes],
  terms: readonly string[],
): Written {
  if (terms.length === 0) return e.finishShared(...first);
  const rest = terms.slice(0, -1).reduce((sum, term) => e.add('Sub', [sum, term]), e.share(...first));
  return e.finish('Sub', [rest, terms[terms.length - 1]]);
}

/** Known s8 weights that are not negative, as u8. */
function asUnsigned(e: NodeWriter, id: ValueId): string | undefined {
  const constant = e.constantOf(id);
  if (constant === undefined || numbersOf(constant).some((weight) => weight < 0)) return undefined;
  const { shape, data } = constant;
  return e.constant({ dtype: 'u8', shape, data: new Uint8Array(bytesOf(data)) }, `${id}.u8`);
}

/** A value of bytes as u8, moved by 128 when it is s8; a constant is moved here. */
function toU8(e: NodeWriter, id: ValueId): string {
  const { dtype } = e.typeOf(id);
  if (dtype === 'u8') return e.value(id);
  const constant = e.constantOf(id);
  if (constant === undefined) return moved(e, e.value(id), 'u8');
  const data = new Uint8Array(bytesOf(constant.data));
  for (let i = 0; i < data.length; i++) data[i] ^= 128;
  return e.constant({ ...constant, dtype: 'u8', data }, `${id}.u8`);
}

/** The zero point of a value as a u8 scalar; s8 without one has 128 of the moved type. */
function zeroPointAsU8(e: NodeWriter, id: ValueId | undefined, of: ValueId): string {
  const { dtype } = e.typeOf(of);
  if (id === undefined) return dtype === 's8' ? e.scalar('u8', 128) : '';
  const constant = e.constantOf(id);
  if (constant !== undefined) return e.scalar('u8', Number(constant.data[0]) + offset(dtype));
  const zero = e.reshaped(id, []);
  return dtype === 's8' ? moved(e, zero, 'u8') : zero;
}

/**
 * The sums of windows: [N, 1, …], whose one channel broadcasts, or for several groups [N, O, …], each group's sums for each of its
 * filters. All convolutions of a source with the same window share them.
 */
function windowSums(
  e: NodeWriter,
  source: string,
  [filters, ...rest]: readonly number[],
  attrs: ConvAttrs,
  zero = '',
): string {
  const { group } = attrs;
  const shape = [group, ...rest];
  const ones = e.constant(tensor('u8', new Uint8Array(sizeOf(shape)).fill(1), shape), `${e.node.id}.ones`);
  const inputs = zero === '' ? [source, ones] : [source, ones, zero];
  const sums = e.share('ConvInteger', inputs, convAttributes(attrs, shape));
  if (group === 1 || group === filters) return sums;
  const groupOf = Array.from({ length: filters }, (_, filter) => Math.floor((filter * group) / filters));
  return e.share('Gather', [sums, e.list(groupOf, 'group_of_filter')], { axis: int(1) });
}

/** Σw as [O, 1, …]. */
function filterSums(e: NodeWriter, id: ValueId, shape: readonly number[]): string {
  const w = e.constantOf(id);
  const form = [shape[0], ...shape.slice(2).map(() => 1)];
  if (w === undefined) {
    const summed = e.cast(e.value(id), 's32');
    return e.add('Reshape', [reducedSum(e, summed, shape.length), e.list(form, 'shape')]);
  }
  const sums = sumByFilter(numbersOf(w), { kind: 'conv', group: 1 }, shape, Number);
  return e.constant(tensor('s32', sums, form), `${e.node.id}.sums`);
}

/** The sum over all axes but the first. */
function reducedSum(e: NodeWriter, x: string, rank: number): string {
  const axes = Array.from({ length: rank - 1 }, (_, i) => i + 1);
  return e.opset < 13 ? e.add('ReduceSum', [x], { axes: ints(axes) }) : e.add('ReduceSum', [x, e.list(axes, 'axes')]);
}

/** The pads of the spatial axes, extended to all axes. */
function spatialPads(pads: readonly number[]): readonly number[] {
  const rank = pads.length / 2;
  return [0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)];
}
