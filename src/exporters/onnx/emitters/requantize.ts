/**
 * qnn.requantize, alone and together with the product in front of it.
 *
 * A product, per-channel constants added to it, and a requantize in the recipe of ONNX Runtime are one QLinearConv or
 * QLinearMatMul whose scales are chosen such that no rounding is added:
 *
 *   x_scale = 1, w_scale = m, y_scale = 1:   fl(fl(1·m)/1) = m         bit-exact
 *
 * ONNX Runtime writes the element type that x has; where y has the other one, it is computed moved by 128 (exact).
 * QLinearMatMul has no bias: with com.microsoft at hand QGemm takes it, otherwise the sum is requantized in steps.
 *
 * Alone, fl(fl(A)·m) is computed by Cast and Mul, and rne(v) + zy with saturation by QuantizeLinear with scale 1.
 * Narrower ranges than the type's are clipped before rounding: bounds are integers, and rounding is monotone.
 * Other recipes are spelled out, bit-exact as well: in f64, the product of `fixed` in s64.
 */
import {
  type ByteType,
  dtypes,
  factorsOf,
  type ITensor,
  isByteType,
  numbersOf,
  otherByteType,
  type ProductKind,
  productKind,
  type qnnRequantize,
  type SumReader,
  shiftTo,
  sumChain,
  tensor,
  type ValueId,
  windowOf,
} from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { type Attributes, castTo, type Written } from '../node_writer.ts';
import { convAttributes } from './conv_attributes.ts';
import { clipped, moved, rounded, saturated } from './elements.ts';
import { factorsInFixedPoint, fixedPoint } from './fixed_point.ts';

type Requantize = NodeEmitter<typeof qnnRequantize>;

export function requantize(e: Requantize): Written {
  const withProduct = isOrtRecipe(e) ? (qlinearConv(e) ?? qlinearMatmul(e)) : undefined;
  return withProduct ?? (e.view.attrs.arithmetic === 'fixed' ? fixed(e) : inSteps(e));
}

function isOrtRecipe({ view: { attrs } }: Requantize): boolean {
  return attrs.arithmetic === 'f32' && attrs.rounding === 'half-even' && attrs.zeroPointAt === 'after';
}

// ---- with the product in front

/**
 * The product behind a chain of added and subtracted per-channel constants, and the sum of these constants, if any. One that has no
 * zero points is like one whose zero points are absent.
 */
function productOf(e: Requantize, kind: ProductKind, axis: number) {
  const reader: SumReader = {
    producer: (id) => e.producer(id),
    constant: (id) => e.constantOf(id ?? undefined),
    type: (id) => e.typeOf(id),
    // what others read too is written for them
    isPrivate: () => true,
  };
  const { sum, bias, map, row } = sumChain(reader, e.view.x, axis);
  const node = e.producer(sum);
  if (map || row || node === undefined || productKind(node) !== kind) return undefined;
  const factors = e.typeOf(sum).dtype === 's32' ? factorsOf(node) : undefined;
  return factors && { ...factors, node, bias };
}

/** The multiplier as w_scale: one number, or one for each channel; undefined where it is neither. */
function weightsScale(e: Requantize, channels: number, axis: number): string | undefined {
  const { multiplier: id, attrs } = e.view;
  const { shape } = e.typeOf(id);
  const rank = e.resultType.shape.length;
  if (shape.every((dim) => dim === 1)) return e.reshaped(id, []);
  if (shape.length === 1) return attrs.axis === axis && shape[0] === channels ? e.value(id) : undefined;
  const perChannel = shape.length === rank && shape.every((dim, i) => dim === (i === axis ? channels : 1));
  return perChannel ? e.reshaped(id, [channels]) : undefined;
}

/** ONNX Runtime runs u8 · (u8 or s8) -> u8 and s8 · s8 -> s8. */
const isRun = (x: string, w: string): boolean => x === 'u8' || w === 's8';

function qlinearConv(e: Requantize): Written | undefined {
  const channels = e.resultType.shape[1];
  if (typeof channels !== 'number') return undefined;
  const found = productOf(e, 'conv', 1);
  if (found === undefined) return undefined;
  const { x, w, zx, zw, bias, node } = found;
  const types = [x, w].map((id) => e.typeOf(id).dtype);
  if (!types.every(isByteType) || !isRun(types[0], types[1])) return undefined;
  const weightsZero = zw ? sharedZeroPoint(e, zw) : e.scalar(types[1], 0);
  const scale = weightsZero && weightsScale(e, channels, 1);
  if (scale === undefined || weightsZero === undefined) return undefined;
  const inputs = [
    e.value(x),
    e.scalar('f32', 1),
    zx ? e.reshaped(zx, []) : e.scalar(types[0], 0),
    e.value(w),
    scale,
    weightsZero,
  ];
  const biasName = bias === undefined ? '' : e.constant(bias, `${node.id}.bias`);
  const attributes = convAttributes(windowOf(node), e.known(e.typeOf(w).shape));
  return writeMoved(e, types[0], (zy) => [
    'QLinearConv',
    [...inputs, e.scalar('f32', 1), zy, biasName],
    attributes,
    '',
  ]);
}

/** ONNX Runtime wants one zero point for all filters. */
function sharedZeroPoint(e: Requantize, id: ValueId): string | undefined {
  const constant = e.constantOf(id);
  if (e.typeOf(id).shape.length === 0) return e.value(id);
  if (constant === undefined || new Set(numbersOf(constant)).size !== 1) return undefined;
  return e.scalar(constant.dtype, Number(constant.data[0]));
}

function qlinearMatmul(e: Requantize): Written | undefined {
  const { shape } = e.resultType;
  const columns = shape.at(-1);
  if (typeof columns !== 'number' || shape.length < 2) return undefined;
  const axis = shape.length - 1;
  const found = productOf(e, 'matmul', axis);
  if (found === undefined) return undefined;
  const { x: a, w: b, zx: za, zw: zb, bias, node } = found;
  const [left, right] = [e.typeOf(a), e.typeOf(b)];
  const types = [left.dtype, right.dtype];
  if (!types.every(isByteType) || !isRun(types[0], types[1])) return undefined;
  if (left.shape.length < 2 || right.shape.length < 2) return undefined;
  if ([za, zb].some((id) => id && e.typeOf(id).shape.some((dim) => dim !== 1))) return undefined;
  const zero = zb ? Number(e.constantOf(zb)?.data[0]) : 0;
  const isGemm = e.microsoft && left.shape.length === 2 && right.shape.length === 2 && !Number.isNaN(zero);
  if (bias !== undefined && !isGemm) return undefined;
  // ONNX Runtime takes scales by column for a matrix alone
  const isSplit = e.typeOf(e.view.multiplier).shape.some((dim) => dim !== 1);
  if (isSplit && right.shape.length !== 2) return undefined;
  const scale = weightsScale(e, columns, axis);
  if (scale === undefined) return undefined;
  const [zeroA, zeroB] = [za, zb].map((id, i) => (id ? e.reshaped(id, []) : e.scalar(types[i], 0)));
  const sides = [e.value(a), e.scalar('f32', 1), zeroA, e.value(b), scale];
  if (bias === undefined) {
    return writeMoved(e, types[0], (zy) => ['QLinearMatMul', [...sides, zeroB, e.scalar('f32', 1), zy], {}, '']);
  }
  // QGemm wants as many zero points as scales
  const zeroOfB = isSplit
    ? e.constant(tensor(types[1], Array(columns).fill(zero), [columns]), `${node.id}.zero_point`)
    : zeroB;
  const biasName = e.constant(bias, `${node.id}.bias`);
  return writeMoved(e, types[0], (zy) => [
    'QGemm',
    [...sides, zeroOfB, biasName, e.scalar('f32', 1), zy],
    {},
    'com.microsoft',
  ]);
}

type NodeParts = readonly [opType: string, inputs: readonly string[], attributes: Attributes, domain: string];

/** Writes a node that gives the type `own`, then moves to the type of the result and clips. */
function writeMoved(e: Requantize, own: ByteType, node: (zy: string) => NodeParts): Written {
  const { dtype } = e.resultType;
  const { low, high, isNarrow } = rangeOf(e);
  const multiplier = e.constantOf(e.view.multiplier);
  // NaN becomes the lowest of the type in QuantizeLinear, and the lowest of the range here
  if (isNarrow && multiplier && !areFinite(multiplier))
    e.refuse('a multiplier is not a finite number', 'see to the scales of this layer');
  if (own === dtype && !isNarrow) return e.finish(...node(zeroPoint(e)));
  const bounded = (x: string) => (isNarrow ? clipped(e, x, dtype, low, high) : x);
  const name = own === dtype ? e.add(...node(zeroPoint(e))) : undefined;
  if (name !== undefined) return e.finish('Identity', [bounded(name)]);
  const constant = e.constantOf(e.view.zy);
  const zy = constant ? e.scalar(own, Number(constant.data[0]) + shiftTo(own)) : moved(e, zeroPoint(e), own);
  return e.finish('Identity', [bounded(moved(e, e.add(...node(zy)), otherByteType(own)))]);
}

const zeroPoint = (e: Requantize): string => e.reshaped(e.view.zy, []);

/** The range of the results; `isNarrow` when it is narrower than the range of their type. */
function rangeOf(e: Requantize) {
  const { min, max } = dtypes[e.resultType.dtype];
  const { attrs } = e.view;
  const [low, high] = [Math.max(min, attrs.low), Math.min(max, attrs.high)];
  return { low, high, isNarrow: low > min || high < max };
}

const areFinite = (constant: ITensor): boolean => numbersOf(constant).every(Number.isFinite);

// ---- alone

/** v = x·m, by the float recipes, in the type of the arithmetic. */
function scaled(e: Requantize): { v: string; dtype: 'f32' | 'f64' } {
  const { x, multiplier, second, attrs } = e.view;
  const dtype = attrs.arithmetic === 'f64' ? 'f64' : 'f32';
  const own = e.typeOf(x);
  const real = own.dtype === dtype ? e.value(x) : e.cast(e.value(x), dtype);
  const factor = (id: ValueId) => e.alongAxis(id, attrs.axis, own.shape.length);
  const once = e.add('Mul', [real, factor(multiplier)]);
  return { v: second ? e.add('Mul', [once, factor(second)]) : once, dtype };
}

function inSteps(e: Requantize): Written {
  const { dtype } = e.resultType;
  const { attrs } = e.view;
  const { v, dtype: arithmetic } = scaled(e);
  const { low, high, isNarrow } = rangeOf(e);
  const limited = mayBeNaN(e) ? saturated : clipped;
  const zero = e.constantOf(e.view.zy);
  if (isOrtRecipe(e) && (!isNarrow || zero !== undefined)) {
    const zy = Number(zero?.data[0]);
    const inside = isNarrow ? limited(e, v, 'f32', low - zy, high - zy) : v;
    return e.finish('QuantizeLinear', [inside, e.scalar('f32', 1), zeroPoint(e)]);
  }
  // in f64 every intermediate of the other recipes is exact; the zero point is added where the recipe adds it
  const before = attrs.zeroPointAt === 'before';
  const added = before ? e.add('Add', [v, e.cast(zeroPoint(e), arithmetic)]) : v;
  const wide = arithmetic === 'f64' ? added : e.cast(added, 'f64');
  const whole = rounded(e, wide, attrs.rounding);
  const sum = before ? whole : e.add('Add', [whole, e.cast(zeroPoint(e), 'f64')]);
  return e.finish('Cast', [limited(e, sum, 'f64', low, high)], castTo(dtype));
}

/** True when the scaled sum may be NaN: x is a float, or a multiplier is computed or not finite. */
function mayBeNaN(e: Requantize): boolean {
  const { x, multiplier, second } = e.view;
  const factors = second ? [multiplier, second] : [multiplier];
  const constants = factors.map((id) => e.constantOf(id));
  return e.typeOf(x).dtype !== 's32' || !constants.every((constant) => constant && areFinite(constant));
}

/** The two roundings of gemmlowp on a sum. */
function fixed(e: Requantize): Written {
  const quotient = fixedPoint(e, factorsInFixedPoint(e));
  const value = e.add('Add', [rounded(e, quotient, 'half-away'), e.cast(zeroPoint(e), 'f64')]);
  const { low, high: top } = rangeOf(e);
  return e.finish('Cast', [clipped(e, value, 'f64', low, top)], castTo(e.resultType.dtype));
}
