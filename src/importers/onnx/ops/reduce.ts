/** Reductions. */
import type { Value } from '../../../ir/define_op.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Axes are an attribute before version `operandSince`, an operand since. No axes: all, or none where that is asked. */
const reduction = (name: string, op: string, operandSince = 18): OnnxOp =>
  defineOnnxOp({
    name,
    inputs: ['data', 'axes?'],
    attributes: ['axes', 'keepdims', 'noop_with_empty_axes'],
    operandsSince: { axes: operandSince },
    import(ctx) {
      const x = ctx.get('data');
      const rank = x.type.shape.length;
      const given = (ctx.opset < operandSince ? ctx.attr.ints('axes') : ctx.integersOf('axes')) ?? [];
      if (given.length === 0 && ctx.attr.flag('noop_with_empty_axes')) return noAxes(ctx, op);
      const axes =
        given.length === 0
          ? Array.from({ length: rank }, (_, i) => i)
          : [...new Set(given.map((axis) => ctx.axis(axis, rank)))]; // an axis that is named twice is reduced once
      return ctx.emit(op, [x], { axes: [...axes].sort((a, b) => a - b), keepdims: ctx.attr.flag('keepdims', true) });
    },
  });

/** A reduction over no axis still applies its function to each element. */
function noAxes(ctx: NodeContext, op: string): Value {
  const x = ctx.get('data');
  switch (op) {
    case 'nn.reduce_l1':
    case 'nn.reduce_l2':
      return ctx.emit('nn.abs', [x]);
    case 'nn.reduce_sum_square':
      return ctx.emit('nn.mul', [x, x]);
    case 'nn.reduce_log_sum':
      return ctx.emit('nn.log', [x]);
    default:
      return ctx.emit('nn.identity', [x]);
  }
}

const argument = (name: string, op: string): OnnxOp =>
  defineOnnxOp({
    name,
    inputs: ['data'],
    attributes: ['axis', 'keepdims', 'select_last_index'],
    import(ctx) {
      const x = ctx.get('data');
      return ctx.emit(op, [x], {
        axis: ctx.axis(ctx.attr.int('axis', 0), x.type.shape.length),
        keepdims: ctx.attr.flag('keepdims', true),
        selectLast: ctx.attr.flag('select_last_index'),
      });
    },
  });

export const reduceOps: readonly OnnxOp[] = [
  reduction('ReduceMean', 'nn.reduce_mean'),
  reduction('ReduceSum', 'nn.reduce_sum', 13),
  reduction('ReduceMax', 'nn.reduce_max'),
  reduction('ReduceMin', 'nn.reduce_min'),
  reduction('ReduceProd', 'nn.reduce_prod'),
  reduction('ReduceL1', 'nn.reduce_l1'),
  reduction('ReduceL2', 'nn.reduce_l2'),
  reduction('ReduceSumSquare', 'nn.reduce_sum_square'),
  reduction('ReduceLogSum', 'nn.reduce_log_sum'),
  reduction('ReduceLogSumExp', 'nn.reduce_log_sum_exp'),
  argument('ArgMax', 'nn.arg_max'),
  argument('ArgMin', 'nn.arg_min'),
  defineOnnxOp({
    name: 'CumSum',
    inputs: ['x', 'axis'],
    attributes: ['exclusive', 'reverse'],
    import(ctx) {
      const x = ctx.get('x');
      return ctx.emit('nn.cumsum', [x], {
        axis: ctx.axis(ctx.scalarOf('axis') as number, x.type.shape.length),
        exclusive: ctx.attr.flag('exclusive'),
        reverse: ctx.attr.flag('reverse'),
      });
    },
  }),
];
