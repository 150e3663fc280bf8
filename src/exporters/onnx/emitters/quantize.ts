/**
 * Quantization. QuantizeLinear and DequantizeLinear take scales by axis since version 13 and 16-bit types since 21; what
 * they do not take in the version at hand (also scales that broadcast otherwise, and zero points of s32) is spelled out:
 *
 *   quantize    v = Round(x / scale) + zp    Cast(Min(Where(v > min, v, min), max))        dequantize    Cast(x − zp)·scale
 *
 * All bit-exact: a comparison with NaN does not hold, so that NaN becomes the lowest integer as in QuantizeLinear.
 */
import { type DType, dtypes, type ITensor, type Shape, tensor, type ValueId } from '../../../ir/index.ts';
import { type Attributes, castTo, int, type NodeEmitter, type Written } from '../node_emitter.ts';
import { rounded, saturated } from './elements.ts';
import * as torch from './torch.ts';

const isPerTensor = (shape: Shape): boolean => shape.every((dim) => dim === 1) && shape.length <= 1;

/** Whether the operator of ONNX takes this type and these parameters. */
function isLinear(e: NodeEmitter, dtype: DType, scale: Shape): boolean {
  if ((dtype === 'u16' || dtype === 's16') && e.opset < 21) return false;
  return isPerTensor(scale) || (scale.length === 1 && e.opset >= 13);
}

/** Scale and zero point in one form, as ONNX wants them: both scalars or both [C]. */
function parameters(e: NodeEmitter, dtype: DType): { inputs: readonly string[]; attributes: Attributes } {
  const scale = e.node.operands[1] as ValueId;
  const { shape } = e.typeOf(scale);
  if (isPerTensor(shape)) {
    const zero = e.has(2) ? e.reshaped(e.node.operands[2] as ValueId, []) : e.scalar(dtype, 0);
    return { inputs: [e.reshaped(scale, []), zero], attributes: {} };
  }
  const channels = e.known(shape)[0];
  const repeat = (value: number) =>
    e.constant(tensor(dtype, Array(channels).fill(value), [channels]), `${e.node.id}.zero_point`);
  return { inputs: [e.value(scale), zeroPoints(e, channels, repeat)], attributes: { axis: int(e.attr('axis')) } };
}

function zeroPoints(e: NodeEmitter, channels: number, repeat: (value: number) => string): string {
  if (!e.has(2)) return repeat(0);
  if (!isPerTensor(e.type(2).shape) || channels === 1) return e.reshaped(e.node.operands[2] as ValueId, [channels]);
  const constant = e.constantAt(2) as ITensor<'u8'> | undefined;
  return constant ? repeat(constant.data[0]) : e.add('Expand', [e.input(2), e.list([channels], 'shape')]);
}

const spread = (e: NodeEmitter, index: number): string =>
  e.alongAxis(e.node.operands[index] as ValueId, e.attr<number>('axis'), e.type(0).shape.length);

export function quantize(e: NodeEmitter): Written {
  const { dtype } = e.resultType;
  const isReciprocal = e.attr('arithmetic') === 'reciprocal';
  if (isLinear(e, dtype, e.type(1).shape) && !(isReciprocal && !isPerTensor(e.type(1).shape))) {
    const { inputs, attributes } = parameters(e, dtype);
    if (!isReciprocal) return e.finish('QuantizeLinear', [e.input(0), ...inputs], attributes);
    const known = e.constantAt(1) as ITensor<'f32'> | undefined;
    const product = torch.byReciprocal(e, inputs[0], known && { ...known, shape: [] });
    return e.finish('QuantizeLinear', [product, e.scalar('f32', 1), inputs[1]]);
  }
  const scaled = isReciprocal ? torch.byReciprocal(e, spread(e, 1)) : e.add('Div', [e.input(0), spread(e, 1)]);
  const quotient = e.cast(scaled, 'f64'); // beyond 2^24 a sum in f32 would round
  const whole = rounded(e, quotient, 'half-even');
  const sum = e.has(2) ? e.add('Add', [whole, e.cast(spread(e, 2), 'f64')]) : whole;
  const { min, max } = dtypes[dtype];
  return e.finish('Cast', [saturated(e, sum, 'f64', min, max)], castTo(dtype));
}

export function dequantize(e: NodeEmitter): Written {
  const { dtype } = e.type(0);
  const isShifted = e.has(2) && (e.constantAt(2)?.data as Int32Array | undefined)?.some((zero) => zero !== 0) !== false;
  if (isLinear(e, dtype, e.type(1).shape) && !(dtype === 's32' && isShifted)) {
    const { inputs, attributes } = parameters(e, dtype);
    return e.finish('DequantizeLinear', [e.input(0), ...(dtype === 's32' ? inputs.slice(0, 1) : inputs)], attributes);
  }
  const wide = e.cast(e.input(0), 's32');
  const centred = e.has(2) ? e.add('Sub', [wide, e.cast(spread(e, 2), 's32')]) : wide;
  return e.finish('Mul', [e.cast(centred, 'f32'), spread(e, 1)]);
}

export function dynamicQuantize(e: NodeEmitter): Written {
  if (e.attr('recipe') === 'torch') return torch.dynamicQuantize(e);
  e.since(11, 'DynamicQuantizeLinear');
  return e.finish('DynamicQuantizeLinear', e.inputs());
}
