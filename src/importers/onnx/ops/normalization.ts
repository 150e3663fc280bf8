/** Normalizations and softmax. */
import type { Value } from '../../../ir/define_op.ts';
import { elementsOf as sizeOfShape } from '../../../ir/dims.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Before version 13 the input was coerced to two axes at `axis` (default 1), and the second was normalized. */
const softmax = (name: string, op: string): OnnxOp =>
  defineOnnxOp({
    name,
    inputs: ['input'],
    attributes: ['axis'],
    import(ctx) {
      const x = ctx.get('input');
      const { shape } = x.type;
      if (ctx.opset >= 13) return ctx.emit(op, [x], { axis: ctx.axis(ctx.attr.int('axis', -1), shape.length) });
      const given = ctx.attr.int('axis', 1);
      const axis = given === shape.length ? given : ctx.axis(given, shape.length);
      if (axis === shape.length - 1) return ctx.emit(op, [x], { axis });
      const flat = ctx.reshape(x, [sizeOfShape(shape.slice(0, axis)), sizeOfShape(shape.slice(axis))]);
      return ctx.reshape(ctx.emit(op, [flat], { axis: 1 }), shape);
    },
  });

function batchNorm(ctx: NodeContext): Value {
  const training = ctx.opset < 7 ? !ctx.attr.flag('is_test') : ctx.attr.flag('training_mode');
  if (training || [1, 2, 3, 4].some((output) => ctx.wants(output)))
    ctx.unsupported('batch normalization in training mode');
  if (!ctx.attr.flag('spatial', true)) ctx.unsupported('statistics per element (spatial = 0)');
  const operands = ['X', 'scale', 'B', 'mean', 'var'].map((name) => ctx.get(name));
  return ctx.emit('nn.batch_norm', operands, { epsilon: ctx.attr.float('epsilon', 1e-5) });
}

/** The mean over the axes from `axis` on, and 1 / √(variance + ε). */
function moments(ctx: NodeContext, x: Value, axis: number, epsilon: number): readonly Value[] {
  const over = { axes: x.type.shape.map((_, i) => i).slice(axis), keepdims: true };
  const mean = ctx.emit('nn.reduce_mean', [x], over);
  const centred = ctx.emit('nn.sub', [x, mean]);
  const variance = ctx.emit('nn.reduce_mean', [ctx.emit('nn.mul', [centred, centred])], over);
  const deviation = ctx.emit('nn.sqrt', [ctx.emit('nn.add', [variance, ctx.scalar('f32', epsilon, 'epsilon')])]);
  return [mean, ctx.emit('nn.reciprocal', [deviation])];
}

export const normalizationOps: readonly OnnxOp[] = [
  softmax('Softmax', 'nn.softmax'),
  softmax('LogSoftmax', 'nn.log_softmax'),
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
      const y = ctx.emit('nn.layer_norm', [x, ctx.get('Scale'), ctx.find('B')], { axis, epsilon });
      return ctx.wants(1) || ctx.wants(2) ? [y, ...moments(ctx, x, axis, epsilon)] : y;
    },
  }),
  defineOnnxOp({
    name: 'RMSNormalization',
    inputs: ['X', 'scale'],
    attributes: ['axis', 'epsilon', 'stash_type'],
    import(ctx) {
      const x = ctx.get('X');
      return ctx.emit('nn.rms_norm', [x, ctx.get('scale')], {
        axis: ctx.axis(ctx.attr.int('axis', -1), x.type.shape.length),
        epsilon: ctx.attr.float('epsilon', 1e-5),
      });
    },
  }),
  defineOnnxOp({
    name: 'InstanceNormalization',
    since: 6,
    inputs: ['input', 'scale', 'B'],
    attributes: ['epsilon'],
    import: (ctx) =>
      ctx.emit('nn.instance_norm', [ctx.get('input'), ctx.get('scale'), ctx.get('B')], {
        epsilon: ctx.attr.float('epsilon', 1e-5),
      }),
  }),
  defineOnnxOp({
    name: 'GroupNormalization',
    since: 21, // before, scale and bias were per group
    inputs: ['X', 'scale', 'bias'],
    attributes: ['epsilon', 'num_groups', 'stash_type'],
    import: (ctx) =>
      ctx.emit('nn.group_norm', [ctx.get('X'), ctx.get('scale'), ctx.get('bias')], {
        groups: ctx.attr.int('num_groups') ?? ctx.refuse('num_groups is missing'),
        epsilon: ctx.attr.float('epsilon', 1e-5),
      }),
  }),
  defineOnnxOp({
    name: 'LRN',
    inputs: ['X'],
    attributes: ['alpha', 'beta', 'bias', 'size'],
    import: (ctx) =>
      ctx.emit('nn.lrn', [ctx.get('X')], {
        alpha: ctx.attr.float('alpha', 0.0001),
        beta: ctx.attr.float('beta', 0.75),
        bias: ctx.attr.float('bias', 1),
        size: ctx.attr.int('size') ?? ctx.refuse('size is missing'),
      }),
  }),
  defineOnnxOp({
    name: 'LpNormalization',
    inputs: ['input'],
    attributes: ['axis', 'p'],
    import(ctx) {
      const x = ctx.get('input');
      const axis = ctx.axis(ctx.attr.int('axis', -1), x.type.shape.length);
      const norm = ctx.attr.int('p', 2) === 1 ? 'nn.reduce_l1' : 'nn.reduce_l2';
      const length = ctx.emit(norm, [x], { axes: [axis], keepdims: true });
      // what has no length stays as it is
      const divisor = ctx.emit('nn.where', [
        ctx.emit('nn.equal', [length, ctx.scalar('f32', 0, 'zero')]),
        ctx.scalar('f32', 1, 'one'),
        length,
      ]);
      return ctx.emit('nn.div', [x, divisor]);
    },
  }),
];
