/**
 * Quantization. QuantizeLinear and DequantizeLinear take scales by axis since version 13 and 16-bit types since 21; what
 * they do not take in the version at hand (also scales that broadcast otherwise, and zero points of s32) is spelled out:
 *
 *   quantize    v = Round(x / scale) + zp    Cast(Min(Where(v > min, v, min), max))        dequantize    Cast(x − zp)·scale
 *
 * All bit-exact: a comparison with NaN does not hold, so that NaN becomes the lowest integer as in QuantizeLinear.
 */
import {
  type DType,
  dtypes,
  numbersOf,
  type qnnBlockDequantize,
  type qnnDequantize,
  type qnnDynamicQuantize,
  type qnnQuantize,
  type Shape,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { type Attributes, castTo, int, type NodeWriter, type Written } from '../node_writer.ts';
import { rounded, saturated } from './elements.ts';
import * as torch from './torch.ts';

type Linear = NodeEmitter<typeof qnnQuantize | typeof qnnDequantize>;

const isPerTensor = (shape: Shape): boolean => shape.every((dim) => dim === 1) && shape.length <= 1;

/** True when QuantizeLinear and DequantizeLinear of this version take this type and these parameters. */
function isLinear(e: Linear, dtype: DType): boolean {
  const scale = e.typeOf(e.view.scale).shape;
  if ((dtype === 'u16' || dtype === 's16') && e.opset < 21) return false;
  return isPerTensor(scale) || (scale.length === 1 && e.opset >= 13);
}

/** Scale and zero point in one form, as ONNX wants them: both scalars or both [C]. */
function parameters(e: Linear, dtype: DType): { inputs: readonly string[]; attributes: Attributes } {
  const { scale, zp, attrs } = e.view;
  const { shape } = e.typeOf(scale);
  if (isPerTensor(shape)) {
    const zero = zp ? e.reshaped(zp, []) : e.scalar(dtype, 0);
    return { inputs: [e.reshaped(scale, []), zero], attributes: {} };
  }
  const channels = e.known(shape)[0];
  const repeat = (value: number) =>
    e.constant(tensor(dtype, Array(channels).fill(value), [channels]), `${e.node.id}.zero_point`);
  return { inputs: [e.value(scale), zeroPoints(e, zp, channels, repeat)], attributes: { axis: int(attrs.axis) } };
}

function zeroPoints(
  e: NodeWriter,
  zp: ValueId | undefined,
  channels: number,
  repeat: (value: number) => string,
): string {
  if (!zp) return repeat(0);
  if (!isPerTensor(e.typeOf(zp).shape) || channels === 1) return e.reshaped(zp, [channels]);
  const constant = e.constantOf(zp);
  return constant ? repeat(Number(constant.data[0])) : e.add('Expand', [e.value(zp), e.list([channels], 'shape')]);
}

const spread = (e: Linear, parameter: ValueId): string =>
  e.alongAxis(parameter, e.view.attrs.axis, e.typeOf(e.view.x).shape.length);

export function quantize(e: NodeEmitter<typeof qnnQuantize>): Written {
  const { x, scale, zp, attrs } = e.view;
  const { dtype } = attrs;
  const isReciprocal = attrs.arithmetic === 'reciprocal';
  if (isLinear(e, dtype) && !(isReciprocal && !isPerTensor(e.typeOf(scale).shape))) {
    const { inputs, attributes } = parameters(e, dtype);
    if (!isReciprocal) return e.finish('QuantizeLinear', [e.value(x), ...inputs], attributes);
    const known = e.constantOf(scale);
    const product = torch.byReciprocal(e, x, inputs[0], known && { ...known, shape: [] });
    return e.finish('QuantizeLinear', [product, e.scalar('f32', 1), inputs[1]]);
  }
  const scaled = isReciprocal
    ? torch.byReciprocal(e, x, spread(e, scale))
    : e.add('Div', [e.value(x), spread(e, scale)]);
  const quotient = e.cast(scaled, 'f64'); // beyond 2^24 a sum in f32 would round
  const whole = rounded(e, quotient, 'half-even');
  const sum = zp ? e.add('Add', [whole, e.cast(spread(e, zp), 'f64')]) : whole;
  const { min, max } = dtypes[dtype];
  return e.finish('Cast', [saturated(e, sum, 'f64', min, max)], castTo(dtype));
}

export function dequantize(e: NodeEmitter<typeof qnnDequantize>): Written {
  const { x, scale, zp } = e.view;
  const { dtype } = e.typeOf(x);
  const zeros = e.constantOf(zp);
  const isShifted = zp !== undefined && (zeros === undefined || numbersOf(zeros).some((zero) => zero !== 0));
  if (isLinear(e, dtype) && !(dtype === 's32' && isShifted)) {
    const { inputs, attributes } = parameters(e, dtype);
    return e.finish('DequantizeLinear', [e.value(x), ...(dtype === 's32' ? inputs.slice(0, 1) : inputs)], attributes);
  }
  const wide = e.cast(e.value(x), 's32');
  const centred = zp ? e.add('Sub', [wide, e.cast(spread(e, zp), 's32')]) : wide;
  return e.finish('Mul', [e.cast(centred, 'f32'), spread(e, scale)]);
}

export function blockDequantize(e: NodeEmitter<typeof qnnBlockDequantize>): Written {
  const { axis, block } = e.view.attrs;
  e.since(21, 'DequantizeLinear by blocks');
  return e.finish('DequantizeLinear', e.inputs(), { axis: int(axis), block_size: int(block) });
}

export function dynamicQuantize(e: NodeEmitter<typeof qnnDynamicQuantize>): Written {
  if (e.view.attrs.recipe === 'torch') return torch.dynamicQuantize(e);
  e.since(11, 'DynamicQuantizeLinear');
  return e.finish('DynamicQuantizeLinear', e.inputs());
}
