/**
 * The recipes of PyTorch, spelled out in standard operators, bit-exact: a division by 1 leaves the rounding and the zero
 * point of QuantizeLinear, and binary64 holds every intermediate that PyTorch computes fused or in integers.
 */
import { dtypes, type ITensor, sizeOf, type ValueId } from '../../../ir/index.ts';
import {
  globalAverageMultiplier,
  type QLinearBinary,
  qnnpackAddConstants,
  reciprocal32,
  torchAverageMultiplier,
} from '../../../numerics/index.ts';
import { castTo, ints, type NodeEmitter, type Written } from '../node_emitter.ts';
import { clipped, rounded } from './elements.ts';

const number = (e: NodeEmitter, index: number): number => {
  const constant = e.constantAt(index) as ITensor<'f32'> | undefined;
  return constant === undefined
    ? e.refuse('its scales are computed at run time', 'give constant scales')
    : Number(constant.data[0]);
};
const scalarOperand = (e: NodeEmitter, index: number): string => e.reshaped(e.node.operands[index] as ValueId, []);

/** sat(rne(x) + z) of a float tensor. */
const quantized = (e: NodeEmitter, x: string, zeroPoint: string): Written =>
  e.finish('QuantizeLinear', [x, e.scalar('f32', 1), zeroPoint]);

/**
 * x·fl(1/s), the factor with the shape of the scale; in binary64 where it is computed, as ONNX Runtime makes a division of
 * x·(1/s) otherwise.
 */
export function byReciprocal(e: NodeEmitter, scale: string, known?: ITensor<'f32'>): string {
  if (known) {
    const data = known.data.map(reciprocal32);
    return e.add('Mul', [e.input(0), e.constant({ ...known, data }, `${e.node.id}.reciprocal`)]);
  }
  const quotient = e.add('Div', [e.scalar('f64', 1), e.cast(scale, 'f64')]);
  return e.add('Mul', [e.input(0), e.cast(quotient, 'f32')]);
}

/** fl(s·q − s·z) with one rounding. */
function dequantized(e: NodeEmitter, at: number): string {
  const [scale, zeroPoint] = [number(e, at + 1), number(e, at + 2)];
  const product = e.add('Mul', [e.cast(e.input(at), 'f64'), e.scalar('f64', scale)]);
  return e.cast(e.add('Add', [product, e.scalar('f64', Math.fround(-scale * zeroPoint))]), 'f32');
}

const binaryOf = (e: NodeEmitter): QLinearBinary => ({
  dtype: e.resultType.dtype,
  scaleA: number(e, 1),
  zeroPointA: number(e, 2),
  scaleB: number(e, 4),
  zeroPointB: number(e, 5),
  scaleC: number(e, 6),
  zeroPointC: number(e, 7),
});

/** `recipe` torch or qnnpack. */
export function add(e: NodeEmitter): Written {
  const q = binaryOf(e);
  const fixed = e.attr('recipe') === 'qnnpack' ? qnnpackAddConstants(q) : undefined;
  if (fixed === undefined) {
    const sum = e.add('Add', [dequantized(e, 0), dequantized(e, 3)]);
    return quantized(e, e.add('Mul', [sum, e.scalar('f32', reciprocal32(q.scaleC))]), scalarOperand(e, 7));
  }
  const side = (at: number, zeroPoint: number, multiplier: number) =>
    e.add('Mul', [
      e.add('Sub', [e.cast(e.input(at), 'f64'), e.scalar('f64', zeroPoint)]),
      e.scalar('f64', multiplier / 2 ** fixed.shift),
    ]);
  const sum = e.add('Add', [side(0, q.zeroPointA, fixed.multiplierA), side(3, q.zeroPointB, fixed.multiplierB)]);
  const whole = e.add('Add', [rounded(e, sum, 'half-away'), e.scalar('f64', q.zeroPointC)]);
  const { min, max } = dtypes[q.dtype];
  return e.finish('Cast', [clipped(e, whole, 'f64', min, max)], castTo(q.dtype));
}

/** `recipe` torch. */
export function multiply(e: NodeEmitter): Written {
  const q = binaryOf(e);
  const side = (at: number, zeroPoint: number) =>
    e.add('Sub', [e.cast(e.input(at), 'f32'), e.scalar('f32', zeroPoint)]);
  const product = e.add('Mul', [side(0, q.zeroPointA), side(3, q.zeroPointB)]);
  const factor = Math.fround(Math.fround(q.scaleA * q.scaleB) * reciprocal32(q.scaleC));
  return quantized(e, e.add('Mul', [product, e.scalar('f32', factor)]), scalarOperand(e, 7));
}

/** Any other `recipe` than that of ONNX Runtime: Σ(x − zx) over the positions, requantized. */
export function globalAverage(e: NodeEmitter): Written {
  const spatial = e.known(e.type(0).shape.slice(2));
  const axes = spatial.map((_, i) => i + 2);
  const centred = e.add('Sub', [e.cast(e.input(0), 'f64'), e.scalar('f64', number(e, 2))]);
  const sum =
    e.opset >= 13
      ? e.add('ReduceSum', [centred, e.list(axes, 'axes')])
      : e.add('ReduceSum', [centred], { axes: ints(axes) });
  const multiplier = e.attr('recipe') === 'qnnpack' ? globalAverageMultiplier : torchAverageMultiplier;
  const m = multiplier(number(e, 1), number(e, 3), sizeOf(spatial));
  const v = e.add('Mul', [e.cast(sum, 'f32'), e.scalar('f32', m.arithmetic === 'f32' ? m.factor : Number.NaN)]);
  if (e.attr('recipe') !== 'torch-contiguous') return quantized(e, v, scalarOperand(e, 4));
  const shifted = e.add('Add', [v, e.scalar('f32', number(e, 4))]);
  return quantized(e, shifted, e.scalar(e.resultType.dtype, 0));
}

/** `recipe` torch: scale and zero point in binary64; see numerics/torch.ts. */
export function dynamicQuantize(e: NodeEmitter): Written {
  const high = e.attr<number>('high');
  const f64 = (value: number) => e.scalar('f64', value);
  const end = (op: 'Min' | 'Max') =>
    e.cast(
      e.add(op, [e.add(`Reduce${op}`, [e.input(0)], { keepdims: { kind: 'int', value: 0 } }), e.scalar('f32', 0)]),
      'f64',
    );
  const [low, top] = [end('Min'), end('Max')];
  const range = e.add('Div', [e.add('Sub', [top, low]), f64(high)]);
  const isEmpty = e.add('Equal', [range, f64(0)]);
  const ratio = (x: string) => e.add('Div', [x, e.add('Where', [isEmpty, f64(1), range])]);
  const [below, above] = [ratio(low), ratio(top)];
  const fromHigh = e.add('Sub', [f64(high), above]);
  const isLow = e.add('Less', [
    e.add('Neg', [e.add('Abs', [below])]),
    e.add('Sub', [f64(high), e.add('Abs', [above])]),
  ]);
  const chosen = e.add('Where', [isLow, e.add('Neg', [below]), fromHigh]);
  const whole = clipped(e, rounded(e, chosen, 'half-even'), 'f64', 0, high);
  const zeroPoint = e.part(2, 'Cast', [whole], castTo('u8'));
  const least = e.add('Max', [range, f64(Math.fround(6.1e-5))]);
  const scale = e.part(1, 'Cast', [e.add('Where', [isEmpty, f64(0.1), least])], castTo('f32'));
  e.part(0, 'QuantizeLinear', [byReciprocal(e, scale), e.scalar('f32', 1), zeroPoint]);
  return e.written;
}
