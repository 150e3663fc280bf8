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
  dtypes,
  type ITensor,
  isOp,
  type Node,
  nnAdd,
  nnConv,
  nnMatmul,
  nnSub,
  type ProductKind,
  productKind,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import type { ConvAttrs } from '../../../ir/ops/conv_geometry.ts';
import { shiftsOf } from '../../../numerics/index.ts';
import { castTo, type NodeEmitter, type Written } from '../node_emitter.ts';
import { convAttributes } from './conv_attributes.ts';
import { clipped, moved, rounded, saturated } from './elements.ts';

export function requantize(e: NodeEmitter): Written {
  const withProduct = isOrtRecipe(e) ? (qlinearConv(e) ?? qlinearMatmul(e)) : undefined;
  return withProduct ?? (e.attr('arithmetic') === 'fixed' ? fixed(e) : inSteps(e));
}

const isOrtRecipe = (e: NodeEmitter): boolean =>
  e.attr('arithmetic') === 'f32' && e.attr('rounding') === 'half-even' && e.attr('zeroPoint') === 'after';

// ---- with the product in front

interface Product {
  readonly node: Node;
  /** What is added to channel c, or nothing. */
  readonly bias: Int32Array | undefined;
}

/** The product behind a chain of added and subtracted per-channel constants. */
function productOf(e: NodeEmitter, kind: ProductKind, channels: number, axis: number): Product | undefined {
  let bias: Int32Array | undefined;
  for (let id = e.node.operands[0] as ValueId; ; ) {
    const node = e.producer(id);
    if (node === undefined) return undefined;
    const { dtype, shape } = e.typeOf(id);
    const rank = shape.length;
    if (productKind(node) === kind) return dtype === 's32' && shape[axis] === channels ? { node, bias } : undefined;
    const [left, right] = node.operands as readonly ValueId[];
    const sides = isOp(node, nnAdd)
      ? [
          [left, right],
          [right, left],
        ]
      : isOp(node, nnSub)
        ? [[left, right]]
        : [];
    const side = sides.find(([, constant]) => {
      const t = e.constantOf(constant);
      return t !== undefined && isPerChannel(t, channels, axis, rank);
    });
    if (side === undefined || e.typeOf(side[0]).shape.length !== rank) return undefined;
    const added = e.constantOf(side[1])!.data as Int32Array;
    bias ??= new Int32Array(channels);
    for (let c = 0; c < channels; c++) {
      const value = added[added.length === 1 ? 0 : c];
      bias[c] += isOp(node, nnSub) ? -value : value; // modulo 2^32
    }
    id = side[0];
  }
}

/** Whether a constant that broadcasts to the given rank differs along one axis at most. */
function isPerChannel({ dtype, shape }: ITensor, channels: number, axis: number, rank: number): boolean {
  if (dtype !== 's32' || shape.length > rank) return false;
  const full = [...Array(rank - shape.length).fill(1), ...shape];
  return full.every((size, i) => size === 1 || (i === axis && size === channels));
}

/** The multiplier as w_scale: one number, or one for each channel; undefined where it is neither. */
function weightsScale(e: NodeEmitter, channels: number, axis: number): string | undefined {
  const id = e.node.operands[1] as ValueId;
  const { shape } = e.typeOf(id);
  const rank = e.resultType.shape.length;
  if (shape.every((dim) => dim === 1)) return e.reshaped(id, []);
  if (shape.length === 1) return e.attr('axis') === axis && shape[0] === channels ? e.value(id) : undefined;
  const perChannel = shape.length === rank && shape.every((dim, i) => dim === (i === axis ? channels : 1));
  return perChannel ? e.reshaped(id, [channels]) : undefined;
}

/** ONNX Runtime runs u8 · (u8 or s8) -> u8 and s8 · s8 -> s8. */
const isRun = (x: string, w: string): boolean => x === 'u8' || w === 's8';

function qlinearConv(e: NodeEmitter): Written | undefined {
  const channels = e.resultType.shape[1];
  if (typeof channels !== 'number') return undefined;
  const product = productOf(e, 'conv', channels, 1);
  if (product === undefined) return undefined;
  const { node, bias } = product;
  const [x, w, zx, zw] = node.operands as readonly ValueId[];
  const isPlain = isOp(node, nnConv);
  const types = [x, w].map((id) => e.typeOf(id).dtype);
  if (!types.every((dtype) => dtype === 'u8' || dtype === 's8') || !isRun(types[0], types[1])) return undefined;
  const weightsZero = isPlain || !zw ? e.scalar(types[1], 0) : sharedZeroPoint(e, zw);
  const scale = weightsZero && weightsScale(e, channels, 1);
  if (scale === undefined || weightsZero === undefined) return undefined;
  const inputs = [
    e.value(x),
    e.scalar('f32', 1),
    isPlain || !zx ? e.scalar(types[0], 0) : e.reshaped(zx, []),
    e.value(w),
    scale,
    weightsZero,
  ];
  const biasName = bias === undefined ? '' : e.constant(tensor('s32', bias), `${node.id}.bias`);
  const attributes = convAttributes(node.attrs as unknown as ConvAttrs, e.typeOf(w).shape);
  return writeMoved(e, types[0], (zy) => [
    'QLinearConv',
    [...inputs, e.scalar('f32', 1), zy, biasName],
    attributes,
    '',
  ]);
}

/** ONNX Runtime wants one zero point for all filters. */
function sharedZeroPoint(e: NodeEmitter, id: ValueId): string | undefined {
  const constant = e.constantOf(id);
  if (e.typeOf(id).shape.length === 0) return e.value(id);
  if (constant === undefined || new Set(constant.data as Uint8Array).size !== 1) return undefined;
  return e.scalar(constant.dtype, Number(constant.data[0]));
}

function qlinearMatmul(e: NodeEmitter): Written | undefined {
  const { shape } = e.resultType;
  const columns = shape.at(-1);
  if (typeof columns !== 'number' || shape.length < 2) return undefined;
  const axis = shape.length - 1;
  const product = productOf(e, 'matmul', columns, axis);
  if (product === undefined) return undefined;
  const { node, bias } = product;
  const [a, b, za, zb] = node.operands as readonly ValueId[];
  const [left, right] = [e.typeOf(a), e.typeOf(b)];
  if (![left, right].every(({ dtype }) => dtype === 'u8' || dtype === 's8') || !isRun(left.dtype, right.dtype))
    return undefined;
  if (left.shape.length < 2 || right.shape.length < 2) return undefined;
  const isPlain = isOp(node, nnMatmul);
  const zeros = [za, zb].map((id) => (isPlain || !id ? undefined : id));
  if (zeros.some((id) => id !== undefined && e.typeOf(id).shape.some((dim) => dim !== 1))) return undefined;
  const zero = zeros[1] ? Number(e.constantOf(zeros[1])?.data[0]) : 0;
  const isGemm = e.microsoft && left.shape.length === 2 && right.shape.length === 2 && !Number.isNaN(zero);
  if (bias !== undefined && !isGemm) return undefined;
  // ONNX Runtime takes scales by column for a matrix alone
  const isSplit = e.typeOf(e.node.operands[1] as ValueId).shape.some((dim) => dim !== 1);
  if (isSplit && right.shape.length !== 2) return undefined;
  const scale = weightsScale(e, columns, axis);
  if (scale === undefined) return undefined;
  const [zeroA, zeroB] = zeros.map((id, i) => (id ? e.reshaped(id, []) : e.scalar([left, right][i].dtype, 0)));
  const sides = [e.value(a), e.scalar('f32', 1), zeroA, e.value(b), scale];
  if (bias === undefined) {
    return writeMoved(e, left.dtype, (zy) => ['QLinearMatMul', [...sides, zeroB, e.scalar('f32', 1), zy], {}, '']);
  }
  // QGemm wants as many zero points as scales
  const zeroOfB = isSplit
    ? e.constant(tensor(right.dtype, Array(columns).fill(zero), [columns]), `${node.id}.zero_point`)
    : zeroB;
  const biasName = e.constant(tensor('s32', bias), `${node.id}.bias`);
  return writeMoved(e, left.dtype, (zy) => [
    'QGemm',
    [...sides, zeroOfB, biasName, e.scalar('f32', 1), zy],
    {},
    'com.microsoft',
  ]);
}

type NodeParts = readonly [
  opType: string,
  inputs: readonly string[],
  attributes: Parameters<NodeEmitter['add']>[2],
  domain: string,
];

/** Writes a node that gives the type `own`, then moves to the type of the result and clips. */
function writeMoved(e: NodeEmitter, own: string, node: (zy: string) => NodeParts): Written {
  const { dtype } = e.resultType;
  const [low, high] = range(e);
  const isNarrow = low > dtypes[dtype].min || high < dtypes[dtype].max;
  // NaN becomes the lowest of the type in QuantizeLinear, and the lowest of the range here
  if ((isNarrow || !isOrtRecipe(e)) && Array.from(e.constantAt(1)?.data ?? [], Number).some((m) => !Number.isFinite(m)))
    e.refuse('a multiplier is not a finite number', 'see to the scales of this layer');
  if (own === dtype && !isNarrow) return e.finish(...node(zeroPoint(e)));
  const bounded = (x: string) => (isNarrow ? clipped(e, x, dtype, low, high) : x);
  const name = own === dtype ? e.add(...node(zeroPoint(e))) : undefined;
  if (name !== undefined) return e.finish('Identity', [bounded(name)]);
  const constant = e.constantAt(2);
  const shift = own === 'u8' ? 128 : -128;
  const zy =
    constant === undefined
      ? moved(e, zeroPoint(e), own as 'u8' | 's8')
      : e.scalar(own as 'u8' | 's8', Number(constant.data[0]) + shift);
  return e.finish('Identity', [bounded(moved(e, e.add(...node(zy)), dtype as 'u8' | 's8'))]);
}

const zeroPoint = (e: NodeEmitter): string => e.reshaped(e.node.operands[2] as ValueId, []);

/** The range of the results. */
function range(e: NodeEmitter): readonly [number, number] {
  const { min, max } = dtypes[e.resultType.dtype];
  return [Math.max(min, e.attr<number>('low')), Math.min(max, e.attr<number>('high'))];
}

// ---- alone

/** v = x·m, by the float recipes; its type is that of the arithmetic. */
function scaled(e: NodeEmitter): { v: string; dtype: 'f32' | 'f64' } {
  const dtype = e.attr('arithmetic') === 'f64' ? 'f64' : 'f32';
  const x = e.type(0).dtype === dtype ? e.input(0) : e.cast(e.input(0), dtype);
  const factor = (index: number) =>
    e.alongAxis(e.node.operands[index] as ValueId, e.attr<number>('axis'), e.type(0).shape.length);
  const once = e.add('Mul', [x, factor(1)]);
  return { v: e.has(3) ? e.add('Mul', [once, factor(3)]) : once, dtype };
}

function inSteps(e: NodeEmitter): Written {
  const { dtype } = e.resultType;
  const [low, high] = range(e);
  const { v, dtype: arithmetic } = scaled(e);
  const zero = e.constantAt(2);
  const isNarrow = low > dtypes[dtype].min || high < dtypes[dtype].max;
  const limited = mayBeNaN(e) ? saturated : clipped;
  if (isOrtRecipe(e) && (!isNarrow || zero !== undefined)) {
    const zy = Number(zero?.data[0]);
    const inside = isNarrow ? limited(e, v, 'f32', low - zy, high - zy) : v;
    return e.finish('QuantizeLinear', [inside, e.scalar('f32', 1), zeroPoint(e)]);
  }
  // in f64 every intermediate of the other recipes is exact; the zero point is added where the recipe adds it
  const before = e.attr('zeroPoint') === 'before';
  const added = before ? e.add('Add', [v, e.cast(zeroPoint(e), arithmetic)]) : v;
  const wide = arithmetic === 'f64' ? added : e.cast(added, 'f64');
  const whole = rounded(e, wide, e.attr('rounding'));
  const sum = before ? whole : e.add('Add', [whole, e.cast(zeroPoint(e), 'f64')]);
  return e.finish('Cast', [limited(e, sum, 'f64', low, high)], castTo(dtype));
}

/** Of floats, by multipliers that are computed or not finite. */
const mayBeNaN = (e: NodeEmitter): boolean =>
  e.type(0).dtype !== 's32' ||
  [1, 3].some(
    (at) =>
      e.has(at) &&
      !Array.from((e.constantAt(at)?.data as Float32Array | undefined) ?? [Number.NaN]).every(Number.isFinite),
  );

/**
 * gemmlowp: RDivPOT(SRDHM(x·2^max(shift,0), mantissa), max(−shift, 0)). Only the product needs s64; what is clipped and
 * rounded is below 2^63 with few bits, exact in f64, because ONNX Runtime's Clip and Sign of s64 are not to be trusted.
 */
function fixed(e: NodeEmitter): Written {
  const [mantissa, shift] = [e.constantAt(1), e.constantAt(3)];
  if (mantissa === undefined || shift === undefined)
    return e.refuse('its multiplier is computed at run time', 'give constant scales');
  const { dtype } = e.resultType;
  const rank = e.type(0).shape.length;
  const own = mantissa.shape;
  const spread = own.length === 1 && rank > 1 ? [own[0], ...Array(rank - 1 - e.attr<number>('axis')).fill(1)] : own;
  const shape = own.length === 1 && own[0] === 1 ? [] : spread;
  const perAxis = (t: ITensor, name: string) => e.constant(t, `${e.node.id}.${name}`);
  const shifts = Array.from(shift.data as Int32Array);
  const powers = (of: (s: number) => number) =>
    tensor(
      'f64',
      shifts.map((s) => 2 ** of(s)),
      shape,
    );
  const scalar = (value: bigint) => e.constant(tensor('s64', BigInt64Array.of(value), []), 'integer');
  const widened = e.add('Mul', [
    e.cast(e.input(0), 'f64'),
    perAxis(
      powers((s) => shiftsOf(s).left),
      'left',
    ),
  ]);
  const a = e.cast(clipped(e, widened, 'f64', -(2 ** 31), 2 ** 31 - 1), 's64');
  const factors = tensor('s64', BigInt64Array.from(mantissa.data as Int32Array, BigInt), shape);
  const sum = e.add('Add', [e.add('Mul', [a, perAxis(factors, 'mantissa')]), scalar(1n << 30n)]);
  const rest = e.add('Mod', [sum, scalar(1n << 31n)]); // not negative, so that the division below floors
  const high = e.cast(e.add('Div', [e.add('Sub', [sum, rest]), scalar(1n << 31n)]), 'f64');
  const quotient = e.add('Mul', [
    high,
    perAxis(
      powers((s) => -shiftsOf(s).right),
      'right',
    ),
  ]);
  const value = e.add('Add', [rounded(e, quotient, 'half-away'), e.cast(zeroPoint(e), 'f64')]);
  const [low, top] = range(e);
  return e.finish('Cast', [clipped(e, value, 'f64', low, top)], castTo(dtype));
}
