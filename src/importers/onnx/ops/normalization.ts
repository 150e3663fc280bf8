/** Normalizations and softmax. */

import {
  nnAdd,
  nnBatchNorm,
  nnDiv,
  nnEqual,
  nnGroupNorm,
  nnInstanceNorm,
  nnLayerNorm,
  nnLogSoftmax,
  nnLrn,
  nnMul,
  nnReciprocal,
  nnReduceL1,
  nnReduceL2,
  nnReduceMean,
  nnRmsNorm,
  nnSoftmax,
  nnSqrt,
  nnSub,
  nnWhere,
  elementsOf as sizeOfShape,
  type Value,
} from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Before version 13 the input was coerced to two axes at `axis` (default 1), and the second was normalized. */
const softmax = (name: string, op: typeof nnSoftmax | typeof nnLogSoftmax): OnnxOp =>
  defineOnnxOp({
    name,
    inputs: ['input'],
    attributes: ['axis'],
    import(ctx) {
      const x = ctx.get('input');
      const { shape } = x.type;
      if (ctx.opset >= 13) return ctx.emit(op, { x }, { axis: ctx.axis(ctx.attr.int('axis', -1), shape.length) });
      const given = ctx.attr.int('axis', 1);
      const axis = given === shape.length ? given : ctx.axis(given, shape.length);
      if (axis === shape.length - 1) return ctx.emit(op, { x }, { axis });
      const flat = ctx.reshape(x, [sizeOfShape(shape.slice(0, axis)), sizeOfShape(shape.slice(axis))]);
      return ctx.reshape(ctx.emit(op, { x: flat }, { axis: 1 }), shape);
    },
  });

function batchNorm(ctx: NodeContext): Value {
  const training = ctx.opset < 7 ? !ctx.attr.flag('is_test') : ctx.attr.flag('training_mode');
  if (training || [1, 2, 3, 4].some((output) => ctx.wants(output)))
    ctx.unsupported('batch normalization in training mode');
  if (!ctx.attr.flag('spatial', true)) ctx.unsupported('statistics per element (spatial = 0)');
  const [x, scale, bias, mean, variance] = ['X', 'scale', 'B', 'mean', 'var'].map((name) => ctx.get(name));
  return ctx.emit(nnBatchNorm, { x, scale, bias, mean, variance }, { epsilon: ctx.attr.float('epsilon', 1e-5) });
}

/** The mean over the axes from `axis` on, and 1 / √(variance + ε). */
function moments(ctx: NodeContext, x: Value, axis: number, epsilon: number): readonly Value[] {
  const over = { axes: x.type.shape.map((_, i) => i).slice(axis), keepdims: true };
  const mean = ctx.emit(nnReduceMean, { x }, over);
  const centred = ctx.emit(nnSub, { a: x, b: mean });
  const variance = ctx.emit(nnReduceMean, { x: ctx.emit(nnMul, { a: centred, b: centred }) }, over);
  const deviation = ctx.emit(nnSqrt, { x: ctx.emit(nnAdd, { a: variance, b: ctx.scalar('f32', epsilon, 'epsilon') }) });
  return [mean, ctx.emit(nnReciprocal, { x: deviation })];
}

export const normalizationOps: readonly OnnxOp[] = [
  softmax('Softmax', nnSoftmax),
  softmax('LogSoftmax', nnLogSoftmax),
  defineOnnxOp({
    name: 'BatchNormalization',
    inputs: ['X', 'scale', 'B', 'mean', 'var'],
    outputs: 5,
    attributes: ['epsilon', 'momentum', 'training_mode', 'spatial', 'is_test', 'consumed_inputs'],
    attributesUntil: { spatial: 9, is_test: 7 },
    import: batchNorm,
  }),
  defineOnnxOp({
    name: 'LayerNormalization',
    inputs: ['X', 'Scale', 'B?'],
    outputs: 3,
    attributes: ['axis', 'epsilon', 'stash_type'],
    import(ctx) {
      const x = ctx.get('X');
      const axis = ctx.axis(ctx.attr.int('axis', -1), x.type.shape.length);
      const epsilon = ctx.attr.float('epsilon', 1e-5);
      const y = ctx.emit(nnLayerNorm, { x, scale: ctx.get('Scale'), bias: ctx.find('B') }, { axis, epsilon });
      return ctx.wants(1) || ctx.wants(2) ? [y, ...moments(ctx, x, axis, epsilon)] : y;
    },
  }),
  defineOnnxOp({
    name: 'RMSNormalization',
    inputs: ['X', 'scale'],
    attributes: ['axis', 'epsilon', 'stash_type'],
    import(ctx) {
      const x = ctx.get('X');
      return ctx.emit(
        nnRmsNorm,
        { x, scale: ctx.get('scale') },
        {
          axis: ctx.axis(ctx.attr.int('axis', -1), x.type.shape.length),
          epsilon: ctx.attr.float('epsilon', 1e-5),
        },
      );
    },
  }),
  defineOnnxOp({
    name: 'InstanceNormalization',
    since: 6,
    inputs: ['input', 'scale', 'B'],
    attributes: ['epsilon'],
    import: (ctx) =>
      ctx.emit(
        nnInstanceNorm,
        { x: ctx.get('input'), scale: ctx.get('scale'), bias: ctx.get('B') },
        {
          epsilon: ctx.attr.float('epsilon', 1e-5),
        },
      ),
  }),
  defineOnnxOp({
    name: 'GroupNormalization',
    since: 21, // before, scale and bias were per group
    inputs: ['X', 'scale', 'bias'],
    attributes: ['epsilon', 'num_groups', 'stash_type'],
    import: (ctx) =>
      ctx.emit(
        nnGroupNorm,
        { x: ctx.get('X'), scale: ctx.get('scale'), bias: ctx.get('bias') },
        {
          groups: ctx.attr.int('num_groups') ?? ctx.refuse('num_groups is missing'),
          epsilon: ctx.attr.float('epsilon', 1e-5),
        },
      ),
  }),
  defineOnnxOp({
    name: 'LRN',
    inputs: ['X'],
    attributes: ['alpha', 'beta', 'bias', 'size'],
    import: (ctx) =>
      ctx.emit(
        nnLrn,
        { x: ctx.get('X') },
        {
          alpha: ctx.attr.float('alpha', 0.0001),
          beta: ctx.attr.float('beta', 0.75),
          bias: ctx.attr.float('bias', 1),
          size: ctx.attr.int('size') ?? ctx.refuse('size is missing'),
        },
      ),
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
