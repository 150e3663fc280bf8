/** Normalizations and softmax. */

import {
  nnAdd,
  nnBatchNorm,
  nnDiv,
  nnEqual,
  nnLayerNorm,
  nnLogSoftmax,
  nnMul,
  nnReciprocal,
  nnReduceL1,
  nnReduceL2,
  nnReduceMean,
  nnSoftmax,
  nnSqrt,
  nnSub,
  nnWhere,
  elementsOf as sizeOfShape,
  type Value,
} from '../../../ir/index.ts';
import { byForm, definedByForm } from '../by_form.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Before version 13 the input was coerced to two axes at `axis` (default 1), and the second was normalized. */
function coerced(ctx: NodeContext, op: typeof nnSoftmax | typeof nnLogSoftmax): Value | undefined {
  if (ctx.opset >= 13) return undefined;
  const x = ctx.get('input');
  const { shape } = x.type;
  const given = ctx.attr.int('axis', 1);
  const axis = given === shape.length ? given : ctx.axis(given, shape.length);
  if (axis === shape.length - 1) return ctx.emit(op, { x }, { axis });
  const flat = ctx.reshape(x, [sizeOfShape(shape.slice(0, axis)), sizeOfShape(shape.slice(axis))]);
  return ctx.reshape(ctx.emit(op, { x: flat }, { axis: 1 }), shape);
}

function batchNormalization(ctx: NodeContext): readonly Value[] | undefined {
  if (ctx.opset >= 14 && ctx.attr.flag('training_mode')) return ofBatch(ctx);
  const training = ctx.opset < 7 ? !ctx.attr.flag('is_test') : ctx.attr.flag('training_mode');
  if (training || [1, 2, 3, 4].some((output) => ctx.wants(output)))
    ctx.unsupported('batch normalization in training mode');
  if (!ctx.attr.flag('spatial', true)) ctx.unsupported('statistics per element (spatial = 0)');
  return undefined;
}

/** Mean and variance over axes, which stay with size 1, the distances to the mean, and √(variance + ε). */
function moments(ctx: NodeContext, x: Value, axes: readonly number[]) {
  const over = { axes, keepdims: true };
  const mean = ctx.emit(nnReduceMean, { x }, over);
  const centred = ctx.emit(nnSub, { a: x, b: mean });
  const variance = ctx.emit(nnReduceMean, { x: ctx.emit(nnMul, { a: centred, b: centred }) }, over);
  const epsilon = ctx.scalar(x.type.dtype, ctx.attr.float('epsilon', 1e-5), 'epsilon');
  return { mean, centred, variance, deviation: ctx.emit(nnSqrt, { x: ctx.emit(nnAdd, { a: variance, b: epsilon }) }) };
}

/**
 * Batch normalization in training mode, by the mean and variance of the batch itself, and the averages that it updates. Standardized
 * weights are written like this.
 */
function ofBatch(ctx: NodeContext): readonly Value[] {
  const x = ctx.get('X');
  const { dtype, shape } = x.type;
  if (dtype !== 'f32' && dtype !== 'f64') return ctx.unsupported(`batch normalization of ${dtype} in training mode`);
  const axes = shape.map((_, axis) => axis).filter((axis) => axis !== 1);
  const perChannel = (value: Value) => ctx.reshape(value, [value.type.shape[0], ...Array(shape.length - 2).fill(1)]);
  const { mean, centred, variance, deviation } = moments(ctx, x, axes);
  const normal = ctx.emit(nnDiv, { a: centred, b: deviation });
  const scaled = ctx.emit(nnMul, { a: normal, b: perChannel(ctx.get('scale')) });
  const y = ctx.emit(nnAdd, { a: scaled, b: perChannel(ctx.get('B')) });
  const momentum = ctx.attr.float('momentum', 0.9);
  const updated = (name: string, own: Value) => {
    const before = ctx.get(name);
    const kept = ctx.emit(nnMul, { a: before, b: ctx.scalar(before.type.dtype, momentum, 'momentum') });
    const rest = ctx.scalar(dtype, Math.fround(1 - momentum), 'rest');
    const added = ctx.emit(nnMul, { a: ctx.reshape(own, before.type.shape), b: rest });
    return ctx.emit(nnAdd, { a: kept, b: ctx.cast(added, before.type.dtype) });
  };
  if (!ctx.wants(1) && !ctx.wants(2)) return [y];
  return [y, updated('mean', mean), updated('var', variance)];
}

export const normalizationOps: readonly OnnxOp[] = [
  definedByForm(nnSoftmax, { import: coerced }),
  definedByForm(nnLogSoftmax, { import: coerced }),
  definedByForm(nnBatchNorm, {
    outputs: 5,
    attributes: ['momentum', 'training_mode', 'spatial', 'is_test', 'consumed_inputs'],
    attributesUntil: { spatial: 9, is_test: 7 },
    import: batchNormalization,
  }),
  definedByForm(nnLayerNorm, {
    outputs: 3,
    import(ctx, op) {
      if (!ctx.wants(1) && !ctx.wants(2)) return undefined;
      const x = ctx.get('X');
      const axis = ctx.axis(ctx.attr.int('axis', -1), x.type.shape.length);
      const trailing = x.type.shape.map((_, i) => i).slice(axis);
      // both are binary32, whatever the type of x is
      const { mean, deviation } = moments(ctx, x.type.dtype === 'f64' ? x : ctx.cast(x, 'f32'), trailing);
      const spread = ctx.emit(nnReciprocal, { x: deviation });
      return [...byForm(ctx, op), ctx.cast(mean, 'f32'), ctx.cast(spread, 'f32')];
    },
  }),
  defineOnnxOp({
    name: 'LpNormalization',
    inputs: ['input'],
    attributes: ['axis', 'p'],
    import(ctx) {
      const x = ctx.get('input');
      const axis = ctx.axis(ctx.attr.int('axis', -1), x.type.shape.length);
      const norm = ctx.attr.int('p', 2) === 1 ? nnReduceL1 : nnReduceL2;
      const length = ctx.emit(norm, { x }, { axes: [axis], keepdims: true });
      // a vector of length 0 stays as it is
      const divisor = ctx.emit(nnWhere, {
        cond: ctx.emit(nnEqual, { a: length, b: ctx.scalar('f32', 0, 'zero') }),
        a: ctx.scalar('f32', 1, 'one'),
        b: length,
      });
      return ctx.emit(nnDiv, { a: x, b: divisor });
    },
  }),
];
