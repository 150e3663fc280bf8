/**
 * QUANTIZE. Where the delegate does not take it, the optimized kernels compute: 8 floats or 16 bytes at a time in vector code, which
 * rounds otherwise at ties than the code for the rest does.
 *
 *   of floats     reference: rha(fl(x/s));  delegate: rne(fl(x·fl(1/s)));  optimized: as the delegate, the rest rha(x/s) in binary64
 *   of integers   see numerics/tflite_unary.ts and xnnpack_unary.ts
 */
import { nnConcat, nnDiv, nnMul, nnSlice, nnSub, qnnRequantize, type Value } from '../../../ir/index.ts';
import {
  type ByteFunction,
  optimizedRequantize,
  reciprocal32,
  type TfliteQuantized,
  tfliteRequantize,
  xnnpackConvert,
} from '../../../numerics/index.ts';
import { type ByteType, type DType, dtypes, isByteType } from '../../../tensors/index.ts';
import { held } from '../aligned.ts';
import { tabulated } from '../byte_table.ts';
import { defineTfliteOp, last, type Result, type TfliteOp } from '../define_tflite_op.ts';
import { isDelegable } from '../delegate.ts';
import type { Operand, OperatorContext, PerTensor } from '../operator_context.ts';
import { rescaled } from '../rescale.ts';
import { type StoredRounding, stored } from '../stored.ts';

type Target = PerTensor & { readonly dtype: ByteType | 's16' };

/** `body` of the elements that fill vectors of `width`, in the order of the file, and `rest` of those behind them. */
function inVectors(
  ctx: OperatorContext,
  operand: Operand,
  width: number,
  [body, rest]: readonly [(x: Value) => Value, (x: Value) => Value],
): Result {
  const x = ctx.last(operand);
  const shape = ctx.staticShape(operand.shape, 'an operator in vectors');
  const count = shape.reduce((a, b) => a * b, 1);
  const filled = count - (count % width);
  if (filled === count || filled === 0) return last((filled === 0 ? rest : body)(x));
  const flat = ctx.reshape(x, [count]);
  const part = (start: number, end: number) =>
    ctx.emit(nnSlice, { x: flat }, { starts: [start], ends: [end], axes: [0], steps: [1] });
  const xs = [body(part(0, filled)), rest(part(filled, count))];
  return last(ctx.reshape(ctx.emit(nnConcat, { xs }, { axis: 0 }), shape));
}

// ---- of floats

/**
 * round(fl(x·factor)) + zero point, saturated. It is not a qnn.quantize: between one and a qnn.dequantize passes compute floats in
 * integers, which ONNX means by it and TensorFlow Lite does not.
 */
function scaled(ctx: OperatorContext, x: Value, factor: number, to: Target, rounding: StoredRounding): Value {
  const multiplier = ctx.scalar('f32', factor, 'multiplier');
  if (to.dtype === 's16') return stored(ctx, ctx.cast(ctx.emit(nnMul, { a: x, b: multiplier }), 'f64'), to, rounding);
  const zy = ctx.scalar(to.dtype, to.zeroPoint, 'zero_point');
  return ctx.emit(qnnRequantize, { x, multiplier, zy }, { rounding });
}

function quantizedFloat(ctx: OperatorContext, operand: Operand, to: Target): Result {
  const divided = (x: Value) => ctx.emit(nnDiv, { a: x, b: ctx.scalar(x.type.dtype, to.scale, 'scale') });
  const vector = (x: Value) => scaled(ctx, x, reciprocal32(to.scale), to, 'half-even');
  const rest = (x: Value) => stored(ctx, divided(ctx.cast(x, 'f64')), to, 'half-away');
  const isDelegated = isDelegable(ctx, [operand]) && to.dtype !== 's16';
  if (ctx.profile !== 'tflite' && !isDelegated) return inVectors(ctx, operand, 8, [vector, rest]);
  const { x, result } = held(ctx, operand);
  return result(isDelegated ? vector(x) : scaled(ctx, divided(x), 1, to, 'half-away'));
}

// ---- of integers

const isInteger = (dtype: DType): boolean => dtype === 's16' || dtype === 's32' || isByteType(dtype);

/** two((x − zx), sx/sy) + zy for integers of any of these types. */
function requantized(
  ctx: OperatorContext,
  x: Value,
  from: PerTensor,
  to: PerTensor & { readonly dtype: DType },
): Value {
  const { dtype, zeroPoint } = to;
  if (dtype !== 's32' && dtype !== 's16' && !isByteType(dtype)) return ctx.unsupported(`QUANTIZE to ${dtype}`);
  const wide = ctx.cast(x, 's32');
  const moved =
    from.zeroPoint === 0 ? wide : ctx.emit(nnSub, { a: wide, b: ctx.scalar('s32', from.zeroPoint, 'zero_point') });
  return rescaled(ctx, moved, [from.scale / to.scale], { to: dtype, zeroPoint });
}

type Bytes = TfliteQuantized & { readonly dtype: ByteType };

function requantizedBytes(ctx: OperatorContext, operand: Operand, from: Bytes, to: Bytes): Result {
  const by = (f: ByteFunction) => (x: Value) => tabulated(ctx, x, [from.dtype, to.dtype], f);
  const delegated = isDelegable(ctx, [operand]) ? xnnpackConvert(from, to) : undefined;
  const f = delegated ?? tfliteRequantize(from, to);
  const vector = optimizedRequantize(from, to);
  const { min, max } = dtypes[from.dtype];
  const isOne = Array.from({ length: max - min + 1 }, (_, i) => min + i).every((q) => f(q) === vector(q));
  if (ctx.profile !== 'tflite' && !delegated && !isOne) return inVectors(ctx, operand, 16, [by(vector), by(f)]);
  const { x, result } = held(ctx, operand);
  return result(by(f)(x));
}

const quantize = defineTfliteOp({
  name: 'QUANTIZE',
  inputs: ['x'],
  import(ctx) {
    const operand = ctx.get('x');
    const { dtype } = operand;
    const [type, parameters] = [ctx.outputType(), ctx.perTensor(ctx.output())];
    if (dtype === 'f32') {
      if (type !== 's16' && !isByteType(type)) return ctx.unsupported(`QUANTIZE of floats to ${type}`);
      return quantizedFloat(ctx, operand, { dtype: type, ...parameters });
    }
    if (!isInteger(dtype)) return ctx.unsupported(`QUANTIZE of ${dtype} to ${type}`);
    const from = ctx.perTensor(operand.tensor);
    if (isByteType(dtype) && isByteType(type))
      return requantizedBytes(ctx, operand, { dtype, ...from }, { dtype: type, ...parameters });
    const { x, result } = held(ctx, operand);
    return result(requantized(ctx, x, from, { dtype: type, ...parameters }));
  },
});

export const quantizeOps: readonly TfliteOp[] = [quantize];
