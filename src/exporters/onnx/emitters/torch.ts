/**
 * The recipes of PyTorch, spelled out in standard operators, bit-exact: a division by 1 leaves the rounding and the zero
 * point of QuantizeLinear, and binary64 holds every intermediate that PyTorch computes fused or in integers.
 */
import {
  dtypes,
  type ITensor,
  numbersOf,
  type qnnAdd,
  type qnnDynamicQuantize,
  type qnnGlobalAveragePool,
  type qnnMul,
  sizeOf,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import {
  globalAverageMultiplier,
  type QLinearBinary,
  qnnpackAddConstants,
  reciprocal32,
  torchAverageMultiplier,
} from '../../../numerics/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { castTo, int, ints, type NodeWriter, type Written } from '../node_writer.ts';
import { clipped, rounded } from './elements.ts';

export const number = (e: NodeWriter, id: ValueId): number => {
  const constant = e.constantOf(id);
  return constant === undefined
    ? e.refuse('its scales are computed at run time', 'give constant scales')
    : Number(constant.data[0]);
};

/** sat(rne(x) + z) of a float tensor. */
export const quantized = (e: NodeWriter, x: string, zeroPoint: string): Written =>
  e.finish('QuantizeLinear', [x, e.scalar('f32', 1), zeroPoint]);

/**
 * x·fl(1/s), the factor with the shape of the scale; in binary64 where it is computed, as ONNX Runtime makes a division of
 * x·(1/s) otherwise.
 */
export function byReciprocal(e: NodeWriter, x: ValueId, scale: string, known?: ITensor): string {
  if (known) {
    const factors = tensor('f32', numbersOf(known).map(reciprocal32), known.shape);
    return e.add('Mul', [e.value(x), e.constant(factors, `${e.node.id}.reciprocal`)]);
  }
  const quotient = e.add('Div', [e.scalar('f64', 1), e.cast(scale, 'f64')]);
  return e.add('Mul', [e.value(x), e.cast(quotient, 'f32')]);
}

/** fl(s·q − s·z) with one rounding. */
function dequantized(e: NodeWriter, x: ValueId, scale: number, zeroPoint: number): string {
  const product = e.add('Mul', [e.cast(e.value(x), 'f64'), e.scalar('f64', scale)]);
  return e.cast(e.add('Add', [product, e.scalar('f64', Math.fround(-scale * zeroPoint))]), 'f32');
}

/** The parameters of a sum or product, which must be constant. */
export function binaryOf(e: NodeEmitter<typeof qnnAdd | typeof qnnMul>): QLinearBinary {
  const { sa, za, sb, zb, sy, zy } = e.view;
  return {
    dtype: e.resultType.dtype,
    scaleA: number(e, sa),
    zeroPointA: number(e, za),
    scaleB: number(e, sb),
    zeroPointB: number(e, zb),
    scaleC: number(e, sy),
    zeroPointC: number(e, zy),
  };
}

/** x − z as a float; exact. */
export const centred = (e: NodeWriter, x: ValueId, zeroPoint: number, dtype: 'f32' | 'f64'): string =>
  e.add('Sub', [e.cast(e.value(x), dtype), e.scalar(dtype, zeroPoint)]);

/** `recipe` torch or qnnpack. */
export function add(e: NodeEmitter<typeof qnnAdd>): Written {
  const { a, b, zy, attrs } = e.view;
  const q = binaryOf(e);
  const fixed = attrs.recipe === 'qnnpack' ? qnnpackAddConstants(q) : undefined;
  if (fixed === undefined) {
    const [left, right] = [dequantized(e, a, q.scaleA, q.zeroPointA), dequantized(e, b, q.scaleB, q.zeroPointB)];
    const sum = e.add('Add', [left, right]);
    return quantized(e, e.add('Mul', [sum, e.scalar('f32', reciprocal32(q.scaleC))]), e.reshaped(zy, []));
  }
  const side = (x: ValueId, zeroPoint: number, multiplier: number) =>
    e.add('Mul', [centred(e, x, zeroPoint, 'f64'), e.scalar('f64', multiplier / 2 ** fixed.shift)]);
  const sum = e.add('Add', [side(a, q.zeroPointA, fixed.multiplierA), side(b, q.zeroPointB, fixed.multiplierB)]);
  const whole = e.add('Add', [rounded(e, sum, 'half-away'), e.scalar('f64', q.zeroPointC)]);
  const { min, max } = dtypes[q.dtype];
  return e.finish('Cast', [clipped(e, whole, 'f64', min, max)], castTo(q.dtype));
}

/** `recipe` torch. */
export function multiply(e: NodeEmitter<typeof qnnMul>): Written {
  const { a, b, zy } = e.view;
  const q = binaryOf(e);
  const product = e.add('Mul', [centred(e, a, q.zeroPointA, 'f32'), centred(e, b, q.zeroPointB, 'f32')]);
  const factor = Math.fround(Math.fround(q.scaleA * q.scaleB) * reciprocal32(q.scaleC));
  return quantized(e, e.add('Mul', [product, e.scalar('f32', factor)]), e.reshaped(zy, []));
}

/** Σ(x − zeroPoint) over the positions in f64, and their number. */
export function sumOverImage(e: NodeWriter, x: ValueId, zeroPoint: number) {
  const spatial = e.known(e.typeOf(x).shape.slice(2));
  const axes = spatial.map((_, i) => i + 2);
  const terms = centred(e, x, zeroPoint, 'f64');
  const sum =
    e.opset >= 13
      ? e.add('ReduceSum', [terms, e.list(axes, 'axes')])
      : e.add('ReduceSum', [terms], { axes: ints(axes) });
  return { sum, count: sizeOf(spatial) };
}

/** The recipes of PyTorch: Σ(x − zx) over the positions, requantized. */
export function globalAverage(e: NodeEmitter<typeof qnnGlobalAveragePool>): Written {
  const { x, sx, zx, sy, zy, attrs } = e.view;
  const { sum, count } = sumOverImage(e, x, number(e, zx));
  const multiplier = attrs.recipe === 'qnnpack' ? globalAverageMultiplier : torchAverageMultiplier;
  const m = multiplier(number(e, sx), number(e, sy), count);
  const v = e.add('Mul', [e.cast(sum, 'f32'), e.scalar('f32', m.arithmetic === 'f32' ? m.factor : Number.NaN)]);
  if (attrs.recipe !== 'torch-contiguous') return quantized(e, v, e.reshaped(zy, []));
  const shifted = e.add('Add', [v, e.scalar('f32', number(e, zy))]);
  return quantized(e, shifted, e.scalar(e.resultType.dtype, 0));
}

/** `recipe` torch: scale and zero point in binary64; see numerics/torch.ts. */
export function dynamicQuantize(e: NodeEmitter<typeof qnnDynamicQuantize>): Written {
  const { x, y, scale, zp, attrs } = e.view;
  const { high } = attrs;
  const f64 = (value: number) => e.scalar('f64', value);
  const end = (op: 'Min' | 'Max') =>
    e.cast(e.add(op, [e.add(`Reduce${op}`, [e.value(x)], { keepdims: int(0) }), e.scalar('f32', 0)]), 'f64');
  const [low, top] = [end('Min'), end('Max')];
  const range = e.add('Div', [e.add('Sub', [top, low]), f64(high)]);
  const isEmpty = e.add('Equal', [range, f64(0)]);
  const ratio = (bound: string) => e.add('Div', [bound, e.add('Where', [isEmpty, f64(1), range])]);
  const [below, above] = [ratio(low), ratio(top)];
  const fromHigh = e.add('Sub', [f64(high), above]);
  const isLow = e.add('Less', [
    e.add('Neg', [e.add('Abs', [below])]),
    e.add('Sub', [f64(high), e.add('Abs', [above])]),
  ]);
  const chosen = e.add('Where', [isLow, e.add('Neg', [below]), fromHigh]);
  const whole = clipped(e, rounded(e, chosen, 'half-even'), 'f64', 0, high);
  const zeroPoint = e.part(zp, 'Cast', [whole], castTo('u8'));
  const least = e.add('Max', [range, f64(Math.fround(6.1e-5))]);
  const step = e.part(scale, 'Cast', [e.add('Where', [isEmpty, f64(0.1), least])], castTo('f32'));
  e.part(y, 'QuantizeLinear', [byReciprocal(e, x, step), e.scalar('f32', 1), zeroPoint]);
  return e.written;
}
