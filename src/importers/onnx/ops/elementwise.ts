/** Operators of two or more operands that broadcast. https://onnx.ai/onnx/repo-docs/Broadcasting.html */

import {
  nnAdd,
  nnAnd,
  nnDiv,
  nnEqual,
  nnGreater,
  nnGreaterOrEqual,
  nnLess,
  nnLessOrEqual,
  nnMax,
  nnMin,
  nnMod,
  nnMul,
  nnOr,
  nnPow,
  nnPrelu,
  nnSub,
  nnWhere,
  nnXor,
  type OpWith,
  type Value,
} from '../../../ir/index.ts';
import { isFloat } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Before version 7, B was broadcast onto A, its axes starting at `axis`, and only when `broadcast` said so. */
const legacyAttributes = ['axis', 'broadcast', 'consumed_inputs'];

function operands(ctx: NodeContext, first = 'A', second = 'B'): { readonly a: Value; readonly b: Value } {
  const [a, b] = [ctx.get(first), ctx.get(second)];
  if (ctx.opset >= 7 || !ctx.attr.flag('broadcast')) return { a, b };
  const rank = b.type.shape.length;
  const axis = ctx.attr.int('axis', a.type.shape.length - rank);
  const behind = (axis < 0 ? axis + a.type.shape.length : axis) + rank;
  return { a, b: ctx.reshape(b, [...b.type.shape, ...Array(Math.max(0, a.type.shape.length - behind)).fill(1)]) };
}

const binary = (name: string, op: OpWith<'a' | 'b'>, inputs = ['A: T', 'B: T']): OnnxOp =>
  defineOnnxOp({
    name,
    inputs,
    attributes: legacyAttributes,
    attributesUntil: { axis: 7, broadcast: 7 },
    import(ctx) {
      return ctx.emit(op, operands(ctx));
    },
  });

/** Sum, Mean, Min, Max: folded from the left. */
const variadic = (
  name: string,
  op: OpWith<'a' | 'b'>,
  finish?: (ctx: NodeContext, y: Value, count: number) => Value,
): OnnxOp =>
  defineOnnxOp({
    name,
    inputs: ['data_0...: T'],
    attributes: ['consumed_inputs'],
    import(ctx) {
      const values = ctx.rest();
      if (values.length === 0) ctx.refuse(`${name} needs at least one input`);
      const y = values.slice(1).reduce<Value>((sum, value) => ctx.emit(op, { a: sum, b: value }), values[0]);
      return finish ? finish(ctx, y, values.length) : y;
    },
  });

export const elementwiseOps: readonly OnnxOp[] = [
  binary('Add', nnAdd),
  binary('Sub', nnSub),
  binary('Mul', nnMul),
  binary('Div', nnDiv),
  binary('Equal', nnEqual),
  binary('Greater', nnGreater),
  binary('Less', nnLess),
  binary('GreaterOrEqual', nnGreaterOrEqual),
  binary('LessOrEqual', nnLessOrEqual),
  binary('And', nnAnd),
  binary('Or', nnOr),
  binary('Xor', nnXor),
  variadic('Sum', nnAdd),
  variadic('Min', nnMin),
  variadic('Max', nnMax),
  variadic('Mean', nnAdd, (ctx, sum, count) => {
    const { dtype } = sum.type;
    if (!isFloat(dtype)) return ctx.unsupported(`the mean of ${dtype}`);
    return ctx.emit(nnDiv, { a: sum, b: ctx.scalar(dtype, count, 'count') });
  }),
  defineOnnxOp({
    name: 'Pow',
    inputs: ['X', 'Y'],
    attributes: legacyAttributes,
    attributesUntil: { axis: 7, broadcast: 7 },
    import(ctx) {
      const { a: x, b: y } = operands(ctx, 'X', 'Y');
      if (x.type.dtype === y.type.dtype) return ctx.emit(nnPow, { a: x, b: y });
      if (isFloat(x.type.dtype)) return ctx.emit(nnPow, { a: x, b: ctx.cast(y, x.type.dtype) });
      return ctx.cast(ctx.emit(nnPow, { a: ctx.cast(x, 'f64'), b: ctx.cast(y, 'f64') }), x.type.dtype);
    },
  }),
  defineOnnxOp({
    name: 'Mod',
    since: 10,
    inputs: ['A: T', 'B: T'],
    attributes: ['fmod'],
    import: (ctx) => ctx.emit(nnMod, { a: ctx.get('A'), b: ctx.get('B') }, { fmod: ctx.attr.flag('fmod') }),
  }),
  defineOnnxOp({
    name: 'Where',
    since: 9,
    inputs: ['condition', 'X: T', 'Y: T'],
    import(ctx) {
      return ctx.emit(nnWhere, { cond: ctx.get('condition'), a: ctx.get('X'), b: ctx.get('Y') });
    },
  }),
  defineOnnxOp({
    name: 'PRelu',
    inputs: ['X: T', 'slope: T'],
    attributes: ['consumed_inputs'],
    import(ctx) {
      const [x, slope] = [ctx.get('X'), ctx.get('slope')];
      // before version 7 a slope of one axis belongs to the channels
      const perChannel = ctx.opset < 7 && slope.type.shape.length === 1 && slope.type.shape[0] !== 1;
      const shape = [...slope.type.shape, ...Array(Math.max(0, x.type.shape.length - 2)).fill(1)];
      return ctx.emit(nnPrelu, { x, slope: perChannel ? ctx.reshape(slope, shape) : slope });
    },
  }),
];
