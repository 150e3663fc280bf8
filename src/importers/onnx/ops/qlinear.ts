/** com.microsoft operators on quantized tensors: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
import type { Value } from '../../../ir/define_op.ts';
import type { DType } from '../../../ir/dtype.ts';
import { tensor } from '../../../ir/tensor.ts';
import { type FloatFunction, leakyRelu, type Quantization, sigmoid, unaryTable } from '../../../numerics/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { poolWindow } from './pool.ts';
import { toChannelsFirst, toChannelsLast, windowAttributes } from './windows.ts';

const domain = 'com.microsoft';

/** The zero point of that name, 0 of the type of `like` when absent. */
const zeroPoint = (ctx: NodeContext, name: string, like: Value): Value =>
  ctx.find(name) ?? ctx.scalar(like.type.dtype as DType, 0, 'zero_point');

const binary = (name: string, recipe: 'add' | 'mul'): OnnxOp =>
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
      const side = (x: Value, letter: string) => [
        x,
        ctx.get(`${letter}_scale`),
        zeroPoint(ctx, `${letter}_zero_point`, x),
      ];
      const operands = [...side(a, 'A'), ...side(b, 'B'), ctx.get('C_scale'), zeroPoint(ctx, 'C_zero_point', a)];
      return ctx.emit(`qnn.${recipe}`, operands, { recipe: ctx.recipe(recipe) });
    },
  });

/** Scale and zero point as numbers, undefined when they are computed while the model runs. */
function quantization(ctx: NodeContext, x: Value, scale: Value, zero: Value | undefined): Quantization | undefined {
  const [s, z] = [ctx.constantOf(scale), zero ? ctx.constantOf(zero) : tensor('u8', [0])];
  const { dtype } = x.type;
  if (dtype !== 'u8' && dtype !== 's8') return ctx.unsupported(`a table for ${dtype}`);
  if (s?.data.length !== 1 || z?.data.length !== 1) return undefined;
  return { dtype, scale: Number(s.data[0]), zeroPoint: Number(z.data[0]) };
}

/** y = quantize(f(dequantize(x))): a table, or the three steps where scales are not constants. */
function mapped(
  ctx: NodeContext,
  x: Value,
  from: readonly [Value, Value | undefined],
  to: readonly [Value, Value | undefined],
  f?: { readonly table: FloatFunction; readonly emit: (x: Value) => Value },
): Value {
  const [q, r] = [quantization(ctx, x, ...from), quantization(ctx, x, ...to)];
  if (q && r) {
    if (!f && q.scale === r.scale && q.zeroPoint === r.zeroPoint) return x;
    const table = ctx.constant(tensor(r.dtype, unaryTable(q, f?.table ?? ((value) => value), r)), 'table');
    return ctx.emit('qnn.lut', [x, table]);
  }
  const real = ctx.emit('qnn.dequantize', [x, ...from]);
  return ctx.emit('qnn.quantize', [f ? f.emit(real) : real, ...to], { dtype: x.type.dtype });
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
        [ctx.get('X_scale'), ctx.find('X_zero_point')],
        [ctx.get('Y_scale'), ctx.find('Y_zero_point')],
        f(ctx),
      ),
  });

const poolInputs = ['X: T', 'x_scale: S', 'x_zero_point?: T', 'y_scale: S', 'y_zero_point?: T'];

/** x, its scale and zero point, and those of the result. */
const quantizedUnary = (ctx: NodeContext, x: Value): readonly Value[] => [
  x,
  ctx.get('x_scale'),
  zeroPoint(ctx, 'x_zero_point', x),
  ctx.get('y_scale'),
  zeroPoint(ctx, 'y_zero_point', x),
];

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
  const to = [ctx.get('Y_scale'), ctx.get('Y_zero_point')] as const;
  const values: Value[] = [];
  for (let i = 0; i < parts.length; i += 3) values.push(mapped(ctx, parts[i], [parts[i + 1], parts[i + 2]], to));
  return ctx.emit('nn.concat', values, { axis });
}

export const qlinearOps: readonly OnnxOp[] = [
  binary('QLinearAdd', 'add'),
  binary('QLinearMul', 'mul'),
  unary('QLinearSigmoid', [], (ctx) => ({ table: sigmoid, emit: (x) => ctx.emit('nn.sigmoid', [x]) })),
  unary('QLinearLeakyRelu', ['alpha'], (ctx) => {
    const alpha = ctx.attr.float('alpha', 0.01);
    return { table: leakyRelu(alpha), emit: (x) => ctx.emit('nn.leaky_relu', [x], { alpha }) };
  }),
  pool('QLinearGlobalAveragePool', [], (ctx, x) =>
    ctx.emit('qnn.global_average_pool', quantizedUnary(ctx, x), { recipe: ctx.recipe('globalAveragePool') }),
  ),
  pool('QLinearAveragePool', [...windowAttributes, 'ceil_mode', 'count_include_pad'], (ctx, x) => {
    const { kernel, strides, pads, dilations } = poolWindow(ctx, x);
    ctx.recipe('averagePool');
    return ctx.emit('qnn.average_pool', quantizedUnary(ctx, x), {
      kernel,
      strides,
      pads,
      dilations,
      ceilMode: ctx.attr.flag('ceil_mode'),
      countIncludePad: ctx.attr.flag('count_include_pad'),
    });
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
      return ctx.emit('qnn.softmax', quantizedUnary(ctx, x), { axis });
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
      const to = [ctx.get('z_scale'), ctx.get('z_zero_point')] as const;
      const part = (letter: string) =>
        mapped(
          ctx,
          ctx.get(letter),
          [ctx.get(`${letter.toLowerCase()}_scale`), ctx.get(`${letter.toLowerCase()}_zero_point`)],
          to,
        );
      return ctx.emit('nn.where', [ctx.get('condition'), part('X'), part('Y')]);
    },
  }),
];
