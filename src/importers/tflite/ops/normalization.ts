/** Normalizations along channels. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import {
  nnClip,
  nnDiv,
  nnLogSoftmax,
  nnLrn,
  nnMul,
  nnReduceL2,
  nnSlice,
  nnSoftmax,
  qnnL2Normalize,
  qnnLogSoftmax,
  qnnSoftmax,
  type Value,
} from '../../../ir/index.ts';
import { L2_NORMALIZATION_SCALE, LOG_SOFTMAX_SCALE } from '../../../numerics/index.ts';
import { type ByteType, dtypes, isByteType } from '../../../tensors/index.ts';
import { FAR, laid } from '../axes.ts';
import { defineTfliteOp, first, type Result, type TfliteOp } from '../define_tflite_op.ts';
import type { OperatorContext } from '../operator_context.ts';
import { softmaxOfWords } from '../word_softmax.ts';

/** The parameters that the kernels ask of a result; others they refuse. */
function checkResult(ctx: OperatorContext, dtype: ByteType | 's16', scale: number, zeroPoint: number): void {
  const to = ctx.perTensor(ctx.output());
  const isNear = Math.abs(to.scale - scale) <= 0.001 * scale;
  if (ctx.outputType() !== dtype || !isNear || to.zeroPoint !== zeroPoint)
    ctx.unsupported(`a result of ${ctx.outputType()} with the scale ${to.scale} and the zero point ${to.zeroPoint}`);
}

/** The operand x in its layout, and where its channels are. */
function alongChannels(ctx: OperatorContext) {
  const x = ctx.get('x');
  const { value, layout, order } = laid(ctx, x);
  const axis = order.indexOf(order.length - 1);
  if (axis < 0) ctx.refuse('the input is a scalar', 'U2005');
  return { x, value, axis, result: (y: Value): Result => ({ value: y, layout }) };
}

/** The kernels behind the delegate, which takes no rows of bytes, are the optimized ones. */
const recipeOf = (ctx: OperatorContext) => (ctx.profile === 'tflite' ? 'tflite' : 'litert');

const softmax = defineTfliteOp({
  name: 'SOFTMAX',
  inputs: ['x'],
  options: tfliteOptions.softmaxOptions,
  import(ctx, { beta }) {
    const { x, value, axis, result } = alongChannels(ctx);
    const { dtype } = x;
    if (!(beta > 0)) ctx.unsupported(`a softmax of x·${beta}`);
    if (dtype === 'f32') {
      const scaled = beta === 1 ? value : ctx.emit(nnMul, { a: value, b: ctx.scalar('f32', beta, 'beta') });
      return result(ctx.emit(nnSoftmax, { x: scaled }, { axis }));
    }
    if (dtype === 's16') {
      const { scale: sx, zeroPoint } = ctx.perTensor(x.tensor);
      if (zeroPoint !== 0) ctx.unsupported('16-bit integers with a zero point');
      checkResult(ctx, dtype, 2 ** -15, 0);
      return result(softmaxOfWords(ctx, value, { axis, sx, beta }));
    }
    if (!isByteType(dtype)) return ctx.unsupported(`a softmax of ${dtype}`);
    const type = ctx.outputType() === 's16' ? 's16' : dtype;
    checkResult(ctx, type, 2 ** -dtypes[type].bits, dtypes[type].min);
    const [from, to] = [ctx.perTensor(x.tensor), ctx.perTensor(ctx.output())];
    const operands = {
      x: value,
      sx: ctx.scalar('f32', from.scale, 'scale'),
      zx: ctx.scalar(dtype, from.zeroPoint, 'zero_point'),
      sy: ctx.scalar('f32', to.scale, 'scale'),
      zy: ctx.scalar(type, to.zeroPoint, 'zero_point'),
    };
    return result(ctx.emit(qnnSoftmax, operands, { axis, beta, recipe: recipeOf(ctx) }));
  },
});

const logSoftmax = defineTfliteOp({
  name: 'LOG_SOFTMAX',
  inputs: ['x'],
  import(ctx) {
    const { x, value, axis, result } = alongChannels(ctx);
    const { dtype } = x;
    if (dtype === 'f32') return result(ctx.emit(nnLogSoftmax, { x: value }, { axis }));
    if (!isByteType(dtype)) return ctx.unsupported(`a softmax of ${dtype}`);
    checkResult(ctx, dtype, LOG_SOFTMAX_SCALE, dtypes[dtype].max);
    const sx = ctx.scalar('f32', ctx.perTensor(x.tensor).scale, 'scale');
    return result(ctx.emit(qnnLogSoftmax, { x: value, sx }, { axis, recipe: recipeOf(ctx) }));
  },
});

/** The least length that floats are divided by. */
const EPSILON = 1e-6;

const l2Normalization = defineTfliteOp({
  name: 'L2_NORMALIZATION',
  inputs: ['x'],
  options: tfliteOptions.l2NormOptions,
  import(ctx, { activation }) {
    if (activation !== 'NONE') ctx.unsupported('a normalization with a fused activation');
    const { x, value, axis, result } = alongChannels(ctx);
    const { dtype } = x;
    if (dtype === 'f32') {
      const length = ctx.emit(nnReduceL2, { x: value }, { axes: [axis], keepdims: true });
      return result(ctx.emit(nnDiv, { a: value, b: ctx.emit(nnClip, { x: length }, { min: EPSILON }) }));
    }
    if (!isByteType(dtype)) return ctx.unsupported(`a normalization of ${dtype}`);
    checkResult(ctx, dtype, L2_NORMALIZATION_SCALE, dtype === 'u8' ? 128 : 0);
    const zx = ctx.scalar(dtype, ctx.perTensor(x.tensor).zeroPoint, 'zero_point');
    return result(ctx.emit(qnnL2Normalize, { x: value, zx }, { axis }));
  },
});

/**
 * y = x·(bias + α·Σx²)^−β over the channels up to `radius` away; the reference kernel leaves out the last of them, which is a window of
 * even size on channels in the other order.
 */
const localResponse = defineTfliteOp({
  name: 'LOCAL_RESPONSE_NORMALIZATION',
  inputs: ['x'],
  options: tfliteOptions.localResponseNormalizationOptions,
  import(ctx, { radius, bias, alpha, beta }) {
    const x = ctx.get('x');
    if (x.dtype !== 'f32' || x.shape.length !== 4) ctx.unsupported(`a normalization of ${x.dtype}[${x.shape}]`);
    if (radius < 0) ctx.refuse(`a radius of ${radius}`);
    const value = ctx.first(x);
    const over = (source: Value, size: number) =>
      ctx.emit(nnLrn, { x: source }, { size, alpha: alpha * size, beta, bias });
    if (ctx.profile === 'xnnpack') return first(over(value, 2 * radius + 1));
    if (radius === 0) return first(ctx.emit(nnMul, { a: value, b: ctx.scalar('f32', bias ** -beta, 'factor') }));
    return first(turned(ctx, over(turned(ctx, value), 2 * radius)));
  },
});

/** Channels in the other order. */
const turned = (ctx: OperatorContext, x: Value): Value =>
  ctx.emit(nnSlice, { x }, { starts: [-1], ends: [-FAR], axes: [1], steps: [-1] });

export const normalizationOps: readonly TfliteOp[] = [softmax, logSoftmax, l2Normalization, localResponse];
