/**
 * Operators from quantized tensors to quantized tensors. They mean what the QLinear operators of com.microsoft compute
 * and become these, bit-exact, in models that import that domain.
 *
 * Other models get standard operators between DequantizeLinear and QuantizeLinear. ONNX Runtime fuses these to the same
 * QLinear operators when it optimizes; elsewhere, and in ONNX Runtime without optimization, a result may differ by one
 * where the real value lies next to the middle of two integers, as the zero point is then added after rounding; softmax
 * may differ by as much as the scale 1/⌊1/sy⌋ that QLinearSoftmax takes for sy. Tables become Gather, bit-exact.
 */
import type { ValueId } from '../../../ir/index.ts';
import { type Attributes, castTo, int, type NodeEmitter, type Written } from '../node_emitter.ts';
import { averagePoolAttributes } from './pool.ts';
import { lastAxisSoftmax } from './softmax.ts';
import * as torch from './torch.ts';

const microsoft = 'com.microsoft';
const scalarOperand = (e: NodeEmitter, index: number): string => e.reshaped(e.node.operands[index] as ValueId, []);
const scalars = (e: NodeEmitter, ...indices: readonly number[]) => indices.map((index) => scalarOperand(e, index));
const real = (e: NodeEmitter, x: number): string =>
  e.add('DequantizeLinear', [e.input(x), ...scalars(e, x + 1, x + 2)]);

/** a, sa, za, b, sb, zb, sy, zy */
export const binary =
  (qlinear: string, standard: string) =>
  (e: NodeEmitter): Written => {
    if (e.attr('recipe') !== 'ort') return standard === 'Add' ? torch.add(e) : torch.multiply(e);
    if (e.microsoft) {
      const sides = [0, 3].flatMap((x) => [e.input(x), ...scalars(e, x + 1, x + 2)]);
      return e.finish(qlinear, [...sides, ...scalars(e, 6, 7)], {}, microsoft);
    }
    if (standard === 'Add' || standard === 'Mul') e.since(7, 'broadcasting');
    return e.finish('QuantizeLinear', [e.add(standard, [real(e, 0), real(e, 3)]), ...scalars(e, 6, 7)]);
  };

/** x, sx, zx, sy, zy */
const unary = (e: NodeEmitter, qlinear: string, attributes: Attributes, standard: (x: string) => string): Written => {
  if (e.microsoft) return e.finish(qlinear, [e.input(0), ...scalars(e, 1, 2, 3, 4)], attributes, microsoft);
  return e.finish('QuantizeLinear', [standard(real(e, 0)), ...scalars(e, 3, 4)]);
};

export function averagePool(e: NodeEmitter): Written {
  const attributes = averagePoolAttributes(e);
  return unary(e, 'QLinearAveragePool', attributes, (x) => e.add('AveragePool', [x], attributes));
}

export const globalAveragePool = (e: NodeEmitter): Written =>
  e.attr('recipe') !== 'ort'
    ? torch.globalAverage(e)
    : unary(e, 'QLinearGlobalAveragePool', {}, (x) => e.add('GlobalAveragePool', [x]));

export function softmax(e: NodeEmitter): Written {
  const axis = e.attr<number>('axis');
  return unary(e, 'QLinearSoftmax', { axis: int(axis), opset: int(13) }, (x) => {
    const { opType, inputs, attributes, after } = lastAxisSoftmax(e, 'Softmax', x, axis);
    return after(e.add(opType, inputs, attributes));
  });
}

/** The byte of x is the index: that of a negative s8 counts from the end, as the index of a Gather does since version 11. */
export function lut(e: NodeEmitter): Written {
  const bytes = e.type(0).dtype === 's8' && e.opset < 11 ? e.cast(e.input(0), 'u8') : e.input(0);
  return e.finish('Gather', [e.input(1), e.add('Cast', [bytes], castTo('s32'))], { axis: int(0) });
}
