/** Reductions. */

import {
  nnAbs,
  nnArgMax,
  nnArgMin,
  nnCumsum,
  nnIdentity,
  nnLog,
  nnMul,
  nnReduceL1,
  nnReduceL2,
  nnReduceLogSum,
  nnReduceLogSumExp,
  nnReduceMax,
  nnReduceMean,
  nnReduceMin,
  nnReduceProd,
  nnReduceSum,
  nnReduceSumSquare,
  type Reduction,
  type Value,
} from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/**
 * Axes are an attribute before version `operandSince`, an operand since. Without axes: all, or none with
 * `noop_with_empty_axes`.
 */
const reduction = (name: string, op: Reduction, operandSince = 18): OnnxOp =>
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
      return ctx.emit(op, { x }, { axes: [...axes].sort((a, b) => a - b), keepdims: ctx.attr.flag('keepdims', true) });
    },
  });

/** A reduction over no axis still applies its function to each element. */
function noAxes(ctx: NodeContext, op: Reduction): Value {
  const x = ctx.get('data');
  switch (op) {
    case nnReduceL1:
    case nnReduceL2:
      return ctx.emit(nnAbs, { x });
    case nnReduceSumSquare:
      return ctx.emit(nnMul, { a: x, b: x });
    case nnReduceLogSum:
      return ctx.emit(nnLog, { x });
    default:
      return ctx.emit(nnIdentity, { x });
  }
}

const argument = (name: string, op: typeof nnArgMax | typeof nnArgMin): OnnxOp =>
  defineOnnxOp({
    name,
    inputs: ['data'],
    attributes: ['axis', 'keepdims', 'select_last_index'],
    import(ctx) {
      const x = ctx.get('data');
      return ctx.emit(
        op,
        { x },
        {
          axis: ctx.axis(ctx.attr.int('axis', 0), x.type.shape.length),
          keepdims: ctx.attr.flag('keepdims', true),
          selectLast: ctx.attr.flag('select_last_index'),
        },
      );
    },
  });

export const reduceOps: readonly OnnxOp[] = [
  reduction('ReduceMean', nnReduceMean),
  reduction('ReduceSum', nnReduceSum, 13),
  reduction('ReduceMax', nnReduceMax),
  reduction('ReduceMin', nnReduceMin),
  reduction('ReduceProd', nnReduceProd),
  reduction('ReduceL1', nnReduceL1),
  reduction('ReduceL2', nnReduceL2),
  reduction('ReduceSumSquare', nnReduceSumSquare),
  reduction('ReduceLogSum', nnReduceLogSum),
  reduction('ReduceLogSumExp', nnReduceLogSumExp),
  argument('ArgMax', nnArgMax),
  argument('ArgMin', nnArgMin),
  defineOnnxOp({
    name: 'CumSum',
    inputs: ['x', 'axis'],
    attributes: ['exclusive', 'reverse'],
    import(ctx) {
      const x = ctx.get('x');
      return ctx.emit(
        nnCumsum,
        { x },
        {
          axis: ctx.axis(ctx.number('axis'), x.type.shape.length),
          exclusive: ctx.attr.flag('exclusive'),
          reverse: ctx.attr.flag('reverse'),
        },
      );
    },
  }),
];
