/** Operators of two or more operands that broadcast. https://onnx.ai/onnx/repo-docs/Broadcasting.html */
import type { Value } from '../../../ir/define_op.ts';
import { isFloat } from '../../../ir/dtype.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Before version 7, B was broadcast onto A, its axes starting at `axis`, and only when `broadcast` said so. */
const legacyAttributes = ['axis', 'broadcast', 'consumed_inputs'];

function operands(ctx: NodeContext): readonly [Value, Value] {
  const [a, b] = [ctx.get('A'), ctx.get('B')];
  if (ctx.opset >= 7 || !ctx.attr.flag('broadcast')) return [a, b];
  const rank = b.type.shape.length;
  const axis = ctx.attr.int('axis', a.type.shape.length - rank);
  const behind = (axis < 0 ? axis + a.type.shape.length : axis) + rank;
  return [a, ctx.reshape(b, [...b.type.shape, ...Array(Math.max(0, a.type.shape.length - behind)).fill(1)])];
}

const binary = (name: string, op: string, inputs = ['A: T', 'B: T']): OnnxOp =>
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
const variadic = (name: string, op: string, finish?: (ctx: NodeContext, y: Value, count: number) => Value): OnnxOp =>
  defineOnnxOp({
    name,
    inputs: ['data_0...: T'],
    attributes: ['consumed_inputs'],
    import(ctx) {
      const values = ctx.rest();
      if (values.length === 0) ctx.refuse(`${name} needs at least one input`);
      const y = values.slice(1).reduce((sum, value) => ctx.emit(op, [sum, value]), values[0]);
      return finish ? finish(ctx, y, values.length) : y;
    },
  });

export const elementwiseOps: readonly OnnxOp[] = [
  binary('Add', 'nn.add'),
  binary('Sub', 'nn.sub'),
  binary('Mul', 'nn.mul'),
  binary('Div', 'nn.div'),
  binary('Equal', 'nn.equal'),
  binary('Greater', 'nn.greater'),
  binary('Less', 'nn.less'),
  binary('GreaterOrEqual', 'nn.greater_or_equal'),
  binary('LessOrEqual', 'nn.less_or_equal'),
  binary('And', 'nn.and'),
  binary('Or', 'nn.or'),
  binary('Xor', 'nn.xor'),
  variadic('Sum', 'nn.add'),
  variadic('Min', 'nn.min'),
  variadic('Max', 'nn.max'),
  variadic('Mean', 'nn.add', (ctx, sum, count) => {
    const { dtype } = sum.type;
    if (dtype === 'opaque' || !isFloat(dtype)) return ctx.unsupported(`the mean of ${dtype}`);
    return ctx.emit('nn.div', [sum, ctx.scalar(dtype, count, 'count')]);
  }),
  defineOnnxOp({
    name: 'Pow',
    inputs: ['X', 'Y'],
    attributes: legacyAttributes,
    attributesUntil: { axis: 7, broadcast: 7 },
    import(ctx) {
      const [x, y] = [ctx.get('X'), ctx.get('Y')];
      if (x.type.dtype === y.type.dtype || x.type.dtype === 'opaque') return ctx.emit('nn.pow', [x, y]);
      if (isFloat(x.type.dtype)) return ctx.emit('nn.pow', [x, ctx.cast(y, x.type.dtype)]);
      return ctx.cast(ctx.emit('nn.pow', [ctx.cast(x, 'f64'), ctx.cast(y, 'f64')]), x.type.dtype);
    },
  }),
  defineOnnxOp({
    name: 'Mod',
    since: 10,
    inputs: ['A: T', 'B: T'],
    attributes: ['fmod'],
    import: (ctx) => ctx.emit('nn.mod', [ctx.get('A'), ctx.get('B')], { fmod: ctx.attr.flag('fmod') }),
  }),
  defineOnnxOp({
    name: 'Where',
    since: 9,
    inputs: ['condition', 'X: T', 'Y: T'],
    import(ctx) {
      return ctx.emit('nn.where', [ctx.get('condition'), ctx.get('X'), ctx.get('Y')]);
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
      return ctx.emit('nn.prelu', [x, perChannel ? ctx.reshape(slope, shape) : slope]);
    },
  }),
];
