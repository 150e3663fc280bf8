/** Operators of two or more operands that broadcast. https://onnx.ai/onnx/repo-docs/Broadcasting.html */

import { nnAdd, nnDiv, nnMax, nnMin, nnMul, nnPow, nnPrelu, type OpWith, type Value } from '../../../ir/index.ts';
import { isFloat } from '../../../tensors/index.ts';
import { definedByForm } from '../by_form.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { swish } from './unary.ts';

/** Folded from the left. */
const folded = (ctx: NodeContext, op: OpWith<'a' | 'b'>): Value => ctx.rest().reduce((a, b) => ctx.emit(op, { a, b }));

const total = (name: string, finish: (ctx: NodeContext, sum: Value) => Value): OnnxOp =>
  defineOnnxOp({
    name,
    inputs: ['data_0...: T'],
    attributes: ['consumed_inputs'],
    import: (ctx) => finish(ctx, folded(ctx, nnAdd)),
  });

export const elementwiseOps: readonly OnnxOp[] = [
  definedByForm(nnMin, { import: folded }),
  definedByForm(nnMax, { import: folded }),
  total('Sum', (_ctx, sum) => sum),
  total('Mean', (ctx, sum) => {
    const { dtype } = sum.type;
    if (!isFloat(dtype)) return ctx.unsupported(`the mean of ${dtype}`);
    return ctx.emit(nnDiv, { a: sum, b: ctx.scalar(dtype, ctx.rest().length, 'count') });
  }),
  definedByForm(nnPow, {
    import(ctx) {
      const [x, y] = [ctx.get('X'), ctx.get('Y')];
      if (x.type.dtype === y.type.dtype) return undefined;
      if (isFloat(x.type.dtype)) return ctx.emit(nnPow, { a: x, b: ctx.cast(y, x.type.dtype) });
      return ctx.cast(ctx.emit(nnPow, { a: ctx.cast(x, 'f64'), b: ctx.cast(y, 'f64') }), x.type.dtype);
    },
  }),
  defineOnnxOp({
    name: 'SwiGLU',
    since: 28,
    inputs: ['A: T', 'B: T'],
    attributes: ['alpha'],
    import: (ctx) => ctx.emit(nnMul, { a: swish(ctx, ctx.get('A'), ctx.attr.float('alpha', 1)), b: ctx.get('B') }),
  }),
  definedByForm(nnPrelu, {
    import(ctx) {
      const [x, slope] = [ctx.get('X'), ctx.get('slope')];
      // before version 7 a slope of one axis belongs to the channels
      if (ctx.opset >= 7 || slope.type.shape.length !== 1 || slope.type.shape[0] === 1) return undefined;
      const shape = [...slope.type.shape, ...Array(Math.max(0, x.type.shape.length - 2)).fill(1)];
      return ctx.emit(nnPrelu, { x, slope: ctx.reshape(slope, shape) });
    },
  }),
];
