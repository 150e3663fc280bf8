/** Operators on shapes, and operators that only change the shape. */

import {
  ceilDims,
  type Dim,
  maxDims,
  nnExpand,
  nnRange,
  nnReduceProd,
  nnShape,
  nnSlice,
  type Shape,
  elementsOf as sizeOfShape,
  subDims,
  type Value,
} from '../../../ir/index.ts';
import { tensor } from '../../../tensors/index.ts';
import { leftOver } from '../../kit/left_over.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/** Axes: an attribute before version 13, an operand since. */
function axesOf(ctx: NodeContext): readonly number[] | undefined {
  return ctx.opset < 13 ? ctx.attr.ints('axes') : ctx.integersOf('axes');
}

/** The target of a Reshape: 0 copies a dimension, −1 is the rest. */
function target(ctx: NodeContext, x: Shape, wanted: readonly Dim[]): Shape {
  const copies = !ctx.attr.flag('allowzero');
  const shape = wanted.map((dim, i) => {
    if (dim !== 0 || !copies) return dim;
    return (
      x[i] ??
      ctx.refuse(`dimension ${i} of the new shape copies one that the input does not have`, 'U2005', { input: 'shape' })
    );
  });
  const unknown = shape.indexOf(-1);
  if (unknown >= 0) {
    if (shape.lastIndexOf(-1) !== unknown)
      ctx.refuse('two dimensions of the new shape are -1', 'U2005', { input: 'shape' });
    shape[unknown] = leftOver(
      x,
      shape.filter((_, i) => i !== unknown),
      (message) => ctx.refuse(message, 'U2005', { input: 'shape' }),
    );
  }
  if (shape.some((dim) => typeof dim === 'number' && dim < 0))
    ctx.refuse(`the new shape [${shape}] has a negative size`, 'U2005', { input: 'shape' });
  return shape;
}

/** max(⌈(limit − start) / delta⌉, 0) */
function countOf(ctx: NodeContext, start: Value, limit: Value): Dim {
  const step = ctx.number('delta');
  if (step === 0) ctx.refuse('the step of the range is 0', 'U2004', { input: 'delta' });
  if (ctx.constantOf(start) && ctx.constantOf(limit)) {
    const [from, to] = [ctx.number('start'), ctx.number('limit')];
    return Math.max(0, Math.ceil((to - from) / step));
  }
  const [[from], [to]] = [ctx.sizes(start, 'start'), ctx.sizes(limit, 'limit')];
  if (!Number.isInteger(step) || [from, to].some((e) => typeof e === 'number' && !Number.isInteger(e)))
    return ctx.unsupported('a range in fractions up to a size');
  const length = step > 0 ? subDims(to, from) : subDims(from, to);
  return maxDims(ceilDims(length, Math.abs(step)), 0);
}

export const shapeOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'Constant',
    inputs: [],
    attributes: ['value', 'sparse_value', 'value_float', 'value_floats', 'value_int', 'value_ints'],
    import(ctx) {
      const value = ctx.attr.tensor('value') ?? ctx.attr.sparse('sparse_value');
      if (value) return ctx.constant(value);
      const [f, i] = [ctx.attr.float('value_float'), ctx.attr.int('value_int')];
      if (f !== undefined) return ctx.scalar('f32', f);
      if (i !== undefined) return ctx.scalar('s64', i);
      const [floats, ints] = [ctx.attr.floats('value_floats'), ctx.attr.ints('value_ints')];
      if (floats) return ctx.constant(tensor('f32', floats));
      return ints ? ctx.constant(tensor('s64', ints)) : ctx.refuse('the constant has no value');
    },
  }),
  defineOnnxOp({
    name: 'ConstantOfShape',
    inputs: ['input'],
    attributes: ['value'],
    import(ctx) {
      const shape = ctx.sizes(ctx.get('input'), 'input');
      const value = ctx.attr.tensor('value') ?? tensor('f32', [0]);
      if (value.data.length !== 1) ctx.refuse('the value should have one element', 'U2004', { input: 'value' });
      const one = ctx.constant({ ...value, shape: [] }, 'value');
      return ctx.emit(nnExpand, { x: one }, { shape });
    },
  }),
  defineOnnxOp({
    name: 'Shape',
    inputs: ['data'],
    attributes: ['start', 'end'],
    import(ctx) {
      const x = ctx.get('data');
      const rank = x.type.shape.length;
      const bound = (value: number) => Math.min(rank, Math.max(0, value < 0 ? value + rank : value));
      const [start, end] = [bound(ctx.attr.int('start', 0)), bound(ctx.attr.int('end', rank))];
      const whole = ctx.emit(nnShape, { x });
      if (start === 0 && end === rank) return whole;
      return ctx.emit(nnSlice, { x: whole }, { starts: [start], ends: [end], axes: [0], steps: [1] });
    },
  }),
  defineOnnxOp({
    name: 'Size',
    inputs: ['data'],
    import(ctx) {
      const shape = ctx.emit(nnShape, { x: ctx.get('data') });
      return ctx.emit(nnReduceProd, { x: shape }, { axes: [0], keepdims: false });
    },
  }),
  defineOnnxOp({
    name: 'Reshape',
    since: 5,
    inputs: ['data', 'shape'],
    attributes: ['allowzero'],
    import(ctx) {
      const x = ctx.get('data');
      const wanted = ctx.sizes(ctx.get('shape'), 'shape');
      return ctx.reshape(x, target(ctx, x.type.shape, wanted));
    },
  }),
  defineOnnxOp({
    name: 'Flatten',
    inputs: ['input'],
    attributes: ['axis'],
    import(ctx) {
      const x = ctx.get('input');
      const { shape } = x.type;
      const given = ctx.attr.int('axis', 1);
      const axis = given === shape.length ? given : ctx.axis(given, shape.length);
      return ctx.reshape(x, [sizeOfShape(shape.slice(0, axis)), sizeOfShape(shape.slice(axis))]);
    },
  }),
  defineOnnxOp({
    name: 'Squeeze',
    inputs: ['data', 'axes?'],
    attributes: ['axes'],
    operandsSince: { axes: 13 },
    import(ctx) {
      const x = ctx.get('data');
      const { shape } = x.type;
      const axes = axesOf(ctx)?.map((axis) => ctx.axis(axis, shape.length));
      if (!axes && shape.some((dim) => typeof dim === 'string'))
        ctx.unsupported('all axes of size 1, with unknown sizes');
      const wrong = axes?.find((axis) => typeof shape[axis] === 'number' && shape[axis] !== 1);
      if (wrong !== undefined) ctx.refuse(`axis ${wrong} of [${shape}] is not of size 1`, 'U2005', { input: 'axes' });
      return ctx.reshape(
        x,
        shape.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1)),
      );
    },
  }),
  defineOnnxOp({
    name: 'Unsqueeze',
    inputs: ['data', 'axes?'],
    attributes: ['axes'],
    operandsSince: { axes: 13 },
    import(ctx) {
      const x = ctx.get('data');
      const given = axesOf(ctx) ?? ctx.refuse('axes are missing', 'U2004', { input: 'axes' });
      const rank = x.type.shape.length + given.length;
      const axes = given.map((axis) => ctx.axis(axis, rank));
      if (new Set(axes).size < axes.length)
        ctx.refuse(`the axes [${given}] name one twice`, 'U2004', { input: 'axes' });
      let next = 0;
      return ctx.reshape(
        x,
        Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : x.type.shape[next++])),
      );
    },
  }),
  defineOnnxOp({
    name: 'Expand',
    inputs: ['input', 'shape'],
    import(ctx) {
      const shape = ctx.sizes(ctx.get('shape'), 'shape');
      const negative = shape.find((dim) => typeof dim === 'number' && dim < 0);
      if (negative !== undefined) ctx.refuse(`the size ${negative} is negative`, 'U2005', { input: 'shape' });
      const x = ctx.get('input');
      const rank = Math.max(shape.length, x.type.shape.length);
      const aligned = (dims: Shape) => [...Array(rank - dims.length).fill(1), ...dims];
      const from = aligned(x.type.shape);
      // both ways: a 1 on either side gives way to the other
      return ctx.emit(nnExpand, { x }, { shape: aligned(shape).map((dim, i) => (dim === 1 ? from[i] : dim)) });
    },
  }),
  defineOnnxOp({
    name: 'Range',
    inputs: ['start: T', 'limit: T', 'delta: T'],
    import(ctx) {
      const [start, limit, delta] = ['start', 'limit', 'delta'].map((name) => ctx.reshape(ctx.get(name), []));
      const count = countOf(ctx, start, limit);
      if (typeof count === 'number' && count > 2 ** 20) ctx.unsupported(`a range of ${count} elements`);
      return ctx.emit(nnRange, { start, delta }, { count: [count] });
    },
  }),
];
