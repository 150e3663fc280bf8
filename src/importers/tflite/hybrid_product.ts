/**
 * Layers with float sources and int8 weights: rows of the source are quantized while the model runs.
 *
 *   reference kernels   fl(bias + fl(Σ·fl(scale·sw)))
 *   XNNPACK             fma(fl(Σ·scale), sw, bias): computed in binary64 and rounded once more, which only an exact tie would show
 */
import { nnAdd, nnMul, qnnDynamicQuantizeRows, type Value } from '../../ir/index.ts';
import { tensor } from '../../tensors/index.ts';
import type { OperatorContext } from './operator_context.ts';

/** Rows as integers; scales and zero points are [M]. */
interface QuantizedRows {
  readonly y: Value;
  readonly scale: Value;
  /** Absent where all are 0. */
  readonly zp: Value | undefined;
}

/** The rows of x: [M, K]. `isAsymmetric` is an option that only the reference kernels heed. */
export function quantizedRows(ctx: OperatorContext, x: Value, isAsymmetric: boolean): QuantizedRows {
  const recipe = ctx.profile === 'xnnpack' ? 'xnnpack' : isAsymmetric ? 'asymmetric' : 'symmetric';
  const { y, scale, zp } = ctx.emit(qnnDynamicQuantizeRows, { x }, { recipe });
  return { y, scale, zp: recipe === 'symmetric' ? undefined : zp };
}

/**
 * From integer sums to floats. `scales` are those of the weights, one or one for each channel; `row` and `channel` bring a list of
 * one for each row or channel to the shape in which it broadcasts with the sums.
 */
export function dequantizedProduct(
  ctx: OperatorContext,
  sum: Value,
  {
    scale,
    scales,
    bias,
  }: { readonly scale: Value; readonly scales: readonly number[]; readonly bias: Value | undefined },
  { row, channel }: { row(x: Value): Value; channel(x: Value): Value },
): Value {
  const weights = channel(ctx.constant(tensor('f32', scales, [scales.length]), 'scale'));
  const offset = bias && channel(bias);
  const real = ctx.cast(sum, 'f32');
  if (ctx.profile === 'xnnpack') {
    const scaled = ctx.cast(ctx.emit(nnMul, { a: real, b: row(scale) }), 'f64');
    const product = ctx.emit(nnMul, { a: scaled, b: ctx.cast(weights, 'f64') });
    return ctx.cast(offset ? ctx.emit(nnAdd, { a: product, b: ctx.cast(offset, 'f64') }) : product, 'f32');
  }
  const factor = ctx.emit(nnMul, { a: row(scale), b: weights });
  // exact in binary64, so rounded once; ONNX Runtime 1.30 makes an operator of its own of a product in binary32, which is wrong for s8
  const product = ctx.cast(ctx.emit(nnMul, { a: ctx.cast(real, 'f64'), b: ctx.cast(factor, 'f64') }), 'f32');
  return offset ? ctx.emit(nnAdd, { a: product, b: offset }) : product;
}
