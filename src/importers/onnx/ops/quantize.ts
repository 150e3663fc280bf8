/** QuantizeLinear, DequantizeLinear and their dynamic form. */

import { onnxTypeName } from '../../../formats/onnx/index.ts';
import {
  isStatic,
  isWordOf,
  nnAdd,
  nnCast,
  nnClip,
  nnDiv,
  nnExpand,
  nnMul,
  nnSlice,
  nnSub,
  qnnBlockDequantize,
  qnnDequantize,
  qnnDynamicQuantize,
  qnnQuantize,
  type Shape,
  sizeOf,
  type Value,
} from '../../../ir/index.ts';
import { quantizeArithmetic } from '../../../numerics/index.ts';
import {
  byteTypeOf,
  type DType,
  dtypeOfOnnxCode,
  dtypes,
  isHalf,
  isPackedType,
  isSmallFloat,
  type SmallFloat,
  tensor,
} from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/**
 * The axis of parameters [C]. A tensor of rank 1 has only axis 0, whatever the attribute says; parameters with one
 * element have none.
 */
function axisOf(ctx: NodeContext, x: Value, scale: Value): number {
  const perTensor = scale.type.shape.length === 0 || scale.type.shape[0] === 1;
  return perTensor || x.type.shape.length === 1 ? 0 : ctx.axis(ctx.attr.int('axis', 1), x.type.shape.length);
}

/** Blocked parameters: each repeated `block_size` times along the axis, so that they broadcast to x. */
function unblocked(ctx: NodeContext, x: Value, parameter: Value): Value {
  const size = ctx.attr.int('block_size', 0);
  if (size === 0) return parameter;
  const { shape } = parameter.type;
  const axis = ctx.axis(ctx.attr.int('axis', 1), x.type.shape.length);
  const [before, blocks, after] = [shape.slice(0, axis), shape[axis], shape.slice(axis + 1)];
  const length = x.type.shape[axis];
  if (typeof blocks !== 'number' || typeof length !== 'number')
    return ctx.unsupported('blocks along an axis of unknown size');
  if (shape.length !== x.type.shape.length || Math.ceil(length / size) !== blocks) {
    ctx.unsupported(`[${shape}] does not give a parameter for each block of ${size} of [${x.type.shape}]`);
  }
  const repeated = ctx.emit(
    nnExpand,
    { x: ctx.reshape(parameter, [...before, blocks, 1, ...after]) },
    {
      shape: [...before, blocks, size, ...after],
    },
  );
  const spread = ctx.reshape(repeated, [...before, blocks * size, ...after]);
  if (blocks * size === length) return spread;
  return ctx.emit(nnSlice, { x: spread }, { starts: [0], ends: [length], axes: [axis], steps: [1] });
}

/** A scale along an axis in the shape in which it broadcasts to x. */
function spread(ctx: NodeContext, x: Value, scale: Value): Value {
  const { shape } = scale.type;
  if (shape.length !== 1 || shape[0] === 1) return shape.length === 1 ? ctx.reshape(scale, []) : scale;
  const behind = x.type.shape.length - 1 - axisOf(ctx, x, scale);
  return ctx.reshape(scale, [...shape, ...Array(behind).fill(1)]);
}

const ones = (ctx: NodeContext, shape: Shape): Value =>
  isStatic(shape)
    ? ctx.constant(tensor('f32', new Float32Array(sizeOf(shape)).fill(1), shape), 'ones')
    : ctx.unsupported(`scales [${shape}] of unknown number`);

/** The zero point of floats of 8 or 4 bits, in binary32; undefined where it is known to be 0, which it always should be. */
function realZeroPoint(ctx: NodeContext, x: Value, zp: Value | undefined): Value | undefined {
  const known = zp && ctx.constantOf(zp);
  const isZero = known && Array.from(known.data as Uint8Array).every((pattern) => pattern === 0);
  return zp && !isZero ? spread(ctx, x, unblocked(ctx, x, ctx.cast(zp, 'f32'))) : undefined;
}

/** The type that QuantizeLinear divides in: binary32, and since version 23 that of the scale unless `precision` names another. */
function precisionOf(ctx: NodeContext, scale: Value): DType {
  const code = ctx.attr.int('precision', 0);
  const named = code === 0 ? scale.type.dtype : dtypeOfOnnxCode(code);
  if (named !== 'f32' && !(named && isHalf(named))) ctx.unsupported(`a division in ${onnxTypeName(code)}`);
  return code === 0 && ctx.opset < 23 ? 'f32' : named;
}

/** x / scale in a type, which both are rounded to. */
const quotientIn = (ctx: NodeContext, precision: DType, x: Value, scale: Value): Value =>
  ctx.cast(ctx.emit(nnDiv, { a: ctx.cast(x, precision), b: ctx.cast(spread(ctx, x, scale), precision) }), 'f32');

/** x / scale + zero point as a float of 8 or 4 bits. */
function quantizeToSmallFloat(ctx: NodeContext, x: Value, scale: Value, to: SmallFloat): Value {
  const quotient = quotientIn(ctx, precisionOf(ctx, scale), x, scale);
  const zero = realZeroPoint(ctx, x, ctx.find('y_zero_point'));
  const y = zero ? ctx.emit(nnAdd, { a: quotient, b: zero }) : quotient;
  return ctx.emit(nnCast, { x: y }, { to, saturate: ctx.attr.flag('saturate', true) });
}

function quantize(ctx: NodeContext): Value {
  const x = ctx.get('x');
  const scale = unblocked(ctx, x, ctx.get('y_scale'));
  const given = ctx.find('y_zero_point');
  const zeroPoint = given && unblocked(ctx, x, given);
  const code = ctx.attr.int('output_dtype', 0);
  const named =
    code === 0 ? undefined : (dtypeOfOnnxCode(code) ?? ctx.unsupported(`the output type ${onnxTypeName(code)}`));
  const to = zeroPoint?.type.dtype ?? named ?? 'u8';
  if (isSmallFloat(to)) return quantizeToSmallFloat(ctx, x, scale, to);
  const dtype = isPackedType(to) ? byteTypeOf(to) : to;
  if (!isWordOf(qnnQuantize.attrs.dtype, dtype)) return ctx.unsupported(`quantization to ${dtype}`);
  if (named && named !== to)
    ctx.refuse(`output_dtype is ${named}, the zero point is ${to}`, 'U2007', { input: 'y_zero_point' });
  const axis = axisOf(ctx, x, scale);
  const precision = precisionOf(ctx, scale);
  const isWide = precision === 'f32';
  const y = ctx.emit(
    qnnQuantize,
    {
      x: isWide ? ctx.cast(x, 'f32') : quotientIn(ctx, precision, x, scale),
      scale: isWide ? ctx.cast(scale, 'f32') : ones(ctx, scale.type.shape),
      zp: zeroPoint && ctx.cast(zeroPoint, dtype),
    },
    {
      axis,
      dtype,
      arithmetic: quantizeArithmetic(ctx.profile),
    },
  );
  if (!isPackedType(to)) return y;
  // bytes saturate at limits beyond those of the type
  const { min, max } = dtypes[to];
  return ctx.cast(ctx.emit(nnClip, { x: y }, { min, max }), to);
}

function dequantize(ctx: NodeContext): Value {
  const [x, scale, zp] = [ctx.get('x'), ctx.get('x_scale'), ctx.find('x_zero_point')];
  const block = ctx.attr.int('block_size', 0);
  const code = ctx.attr.int('output_dtype', 0);
  const to =
    code === 0 ? scale.type.dtype : (dtypeOfOnnxCode(code) ?? ctx.unsupported(`the output type ${onnxTypeName(code)}`));
  if (isSmallFloat(x.type.dtype)) {
    const zero = realZeroPoint(ctx, x, zp);
    const real = zero ? ctx.emit(nnSub, { a: x, b: zero }) : x;
    return ctx.cast(ctx.emit(nnMul, { a: real, b: spread(ctx, x, unblocked(ctx, x, ctx.cast(scale, 'f32'))) }), to);
  }
  const axis = () => ctx.axis(ctx.attr.int('axis', 1), x.type.shape.length);
  // the product is rounded to the output type alone
  const given = { x, scale: to === scale.type.dtype ? scale : ctx.cast(scale, 'f32'), zp };
  const y =
    block === 0
      ? ctx.emit(qnnDequantize, given, { axis: axisOf(ctx, x, scale) })
      : ctx.emit(qnnBlockDequantize, given, { axis: axis(), block });
  return ctx.cast(y, to);
}

const attributes = ['axis', 'block_size', 'output_dtype', 'precision', 'saturate'];
const quantizeInputs = ['x', 'y_scale', 'y_zero_point?'];
const dequantizeInputs = ['x: T', 'x_scale', 'x_zero_point?: T'];

export const quantizeOps: readonly OnnxOp[] = [
  defineOnnxOp({ name: 'QuantizeLinear', since: 10, inputs: quantizeInputs, attributes, import: quantize }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'QuantizeLinear',
    inputs: quantizeInputs,
    attributes,
    import: quantize,
  }),
  defineOnnxOp({ name: 'DequantizeLinear', since: 10, inputs: dequantizeInputs, attributes, import: dequantize }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'DequantizeLinear',
    inputs: dequantizeInputs,
    attributes,
    import: dequantize,
  }),
  defineOnnxOp({
    name: 'DynamicQuantizeLinear',
    since: 11,
    inputs: ['x'],
    outputs: 3,
    import: (ctx) => Object.values(ctx.emit(qnnDynamicQuantize, { x: ctx.get('x') })),
  }),
];
