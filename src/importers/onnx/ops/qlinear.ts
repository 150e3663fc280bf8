/** com.microsoft operators on quantized tensors: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */

import {
  nnConcat,
  nnLeakyRelu,
  nnSigmoid,
  nnWhere,
  qnnAdd,
  qnnAveragePool,
  qnnDequantize,
  qnnGlobalAveragePool,
  qnnLut,
  qnnMul,
  qnnQuantize,
  qnnSoftmax,
  type Value,
} from '../../../ir/index.ts';
import { type FloatFunction, leakyRelu, type Quantization, sigmoid, unaryTable } from '../../../numerics/index.ts';
import { isByteType, tensor } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { averageWindow, poolAttributes } from './pool.ts';
import { toChannelsFirst, toChannelsLast } from './windows.ts';

const domain = 'com.microsoft';

/** The zero point of this name; 0 of the type of `like` when absent. */
const zeroPoint = (ctx: NodeContext, name: string, like: Value): Value =>
  ctx.find(name) ?? ctx.scalar(like.type.dtype, 0, 'zero_point');

const binary = (name: string, op: typeof qnnAdd | typeof qnnMul, recipe: 'add' | 'mul'): OnnxOp =>
  defineOnnxOp({
    domain,
    name,
    inputs: [
      'A: T',
      'A_scale: S',
      'A_zero_point?: T',
      'B: T',
      'B_scale: S',
      'B_zero_point?: T',
      'C_scale: S',
      'C_zero_point?: T',
    ],
    import(ctx) {
      const [a, b] = [ctx.get('A'), ctx.get('B')];
      const [sa, sb, sy] = ['A', 'B', 'C'].map((letter) => ctx.get(`${letter}_scale`));
      const zero = (letter: string, like: Value) => zeroPoint(ctx, `${letter}_zero_point`, like);
      const [za, zb, zy] = [zero('A', a), zero('B', b), zero('C', a)];
      return ctx.emit(op, { a, sa, za, b, sb, zb, sy, zy }, { recipe: ctx.recipe(recipe) });
    },
  });

interface Scaling {
  readonly scale: Value;
  readonly zp: Value | undefined;
}

/** Scale and zero point as numbers, undefined when they are computed while the model runs. */
function quantization(ctx: NodeContext, x: Value, { scale, zp }: Scaling): Quantization | undefined {
  const [s, z] = [ctx.constantOf(scale), zp ? ctx.constantOf(zp) : tensor('u8', [0])];
  const { dtype } = x.type;
  if (!isByteType(dtype)) return ctx.unsupported(`a table for ${dtype}`);
  if (s?.data.length !== 1 || z?.data.length !== 1) return undefined;
  return { dtype, scale: Number(s.data[0]), zeroPoint: Number(z.data[0]) };
}

/** y = quantize(f(dequantize(x))): a table, or the three steps where scales are not constants. */
function mapped(
  ctx: NodeContext,
  x: Value,
  from: Scaling,
  to: Scaling,
  f?: { readonly table: FloatFunction; readonly emit: (x: Value) => Value },
): Value {
  const [q, r] = [quantization(ctx, x, from), quantization(ctx, x, to)];
  if (q && r) {
    if (!f && q.scale === r.scale && q.zeroPoint === r.zeroPoint) return x;
    const table = ctx.constant(tensor(r.dtype, unaryTable(q, f?.table ?? ((value) => value), r)), 'table');
    return ctx.emit(qnnLut, { x, table });
  }
  const real = ctx.emit(qnnDequantize, { x, ...from });
  return ctx.emit(qnnQuantize, { x: f ? f.emit(real) : real, ...to }, { dtype: ctx.quantizedType(x) });
}

const unary = (
  name: string,
  attributes: readonly string[],
  f: (ctx: NodeContext) => Parameters<typeof mapped>[4],
): OnnxOp =>
  defineOnnxOp({
    domain,
    name,
    inputs: ['X: T', 'X_scale: S', 'X_zero_point?: T', 'Y_scale: S', 'Y_zero_point?: T'],
    attributes,
    import: (ctx) =>
      mapped(
        ctx,
        ctx.get('X'),
        { scale: ctx.get('X_scale'), zp: ctx.find('X_zero_point') },
        { scale: ctx.get('Y_scale'), zp: ctx.find('Y_zero_point') },
        f(ctx),
      ),
  });

const poolInputs = ['X: T', 'x_scale: S', 'x_zero_point?: T', 'y_scale: S', 'y_zero_point?: T'];

/** x with its scale and zero point, and the scale and zero point of the result. */
const quantizedUnary = (ctx: NodeContext, x: Value) => ({
  x,
  sx: ctx.get('x_scale'),
  zx: zeroPoint(ctx, 'x_zero_point', x),
  sy: ctx.get('y_scale'),
  zy: zeroPoint(ctx, 'y_zero_point', x),
});

const pool = (name: string, attributes: readonly string[], emit: (ctx: NodeContext, x: Value) => Value): OnnxOp =>
  defineOnnxOp({
    domain,
    name,
    inputs: poolInputs,
    attributes: [...attributes, 'channels_last'],
    import(ctx) {
      const x = ctx.get('X');
      return ctx.attr.flag('channels_last') ? toChannelsLast(ctx, emit(ctx, toChannelsFirst(ctx, x))) : emit(ctx, x);
    },
  });

/** Operands: y_scale, y_zero_point, then x, scale and zero point for each part. */
function concat(ctx: NodeContext): Value {
  const parts = ctx.rest();
  if (parts.length === 0 || parts.length % 3 !== 0)
    ctx.refuse('QLinearConcat needs a tensor, a scale and a zero point for each part');
  const rank = parts[0].type.shape.length;
  const axis = ctx.axis(ctx.attr.int('axis') ?? ctx.refuse('axis is missing'), rank);
  const to = { scale: ctx.get('Y_scale'), zp: ctx.get('Y_zero_point') };
  const values: Value[] = [];
  for (let i = 0; i < parts.length; i += 3)
    values.push(mapped(ctx, parts[i], { scale: parts[i + 1], zp: parts[i + 2] }, to));
  return ctx.emit(nnConcat, { xs: values }, { axis });
}

export const qlinearOps: readonly OnnxOp[] = [
  binary('QLinearAdd', qnnAdd, 'add'),
  binary('QLinearMul', qnnMul, 'mul'),
  unary('QLinearSigmoid', [], (ctx) => ({ table: sigmoid, emit: (x) => ctx.emit(nnSigmoid, { x }) })),
  unary('QLinearLeakyRelu', ['alpha'], (ctx) => {
    const alpha = ctx.attr.float('alpha', 0.01);
    return { table: leakyRelu(alpha), emit: (x) => ctx.emit(nnLeakyRelu, { x }, { alpha }) };
  }),
  pool('QLinearGlobalAveragePool', [], (ctx, x) =>
    ctx.emit(qnnGlobalAveragePool, quantizedUnary(ctx, x), { recipe: ctx.recipe('globalAveragePool') }),
  ),
  pool('QLinearAveragePool', [...poolAttributes, 'count_include_pad'], (ctx, x) => {
    ctx.recipe('averagePool');
    return ctx.emit(qnnAveragePool, quantizedUnary(ctx, x), averageWindow(ctx, x));
  }),
  defineOnnxOp({
    domain,
    name: 'QLinearConcat',
    inputs: ['Y_scale', 'Y_zero_point', 'inputs...'],
    attributes: ['axis'],
    import: concat,
  }),
  defineOnnxOp({
    domain,
    name: 'QLinearSoftmax',
    inputs: poolInputs,
    attributes: ['axis', 'opset'],
    import(ctx) {
      const x = ctx.get('X');
      const rank = x.type.shape.length;
      const axis = ctx.axis(ctx.attr.int('axis', -1), rank);
      const opset = ctx.attr.int('opset') ?? ctx.refuse('opset is missing');
      if (opset < 13 && axis !== rank - 1) ctx.unsupported('the coerced form of opset 12 along an inner axis');
      ctx.recipe('softmax');
      return ctx.emit(qnnSoftmax, quantizedUnary(ctx, x), { axis });
    },
  }),
  defineOnnxOp({
    domain,
    name: 'QLinearWhere',
    inputs: [
      'condition',
      'X: T',
      'x_scale: S',
      'x_zero_point: T',
      'Y: T',
      'y_scale: S',
      'y_zero_point: T',
      'z_scale: S',
      'z_zero_point: T',
    ],
    import(ctx) {
      const to = { scale: ctx.get('z_scale'), zp: ctx.get('z_zero_point') };
      const part = (letter: string) =>
        mapped(
          ctx,
          ctx.get(letter),
          { scale: ctx.get(`${letter.toLowerCase()}_scale`), zp: ctx.get(`${letter.toLowerCase()}_zero_point`) },
          to,
        );
      return ctx.emit(nnWhere, { cond: ctx.get('condition'), a: part('X'), b: part('Y') });
    },
  }),
];
