/** Matrix products, float and quantized. */

import {
  isStatic,
  nnAdd,
  nnMatmul,
  nnMul,
  qnnBlockMatmul,
  qnnDynamicQuantize,
  qnnMatmul,
  type Shape,
  sizeOf,
  type Value,
} from '../../../ir/index.ts';
import { bytesOfCodes, isBlock, isCodeBits } from '../../../numerics/index.ts';
import { einsum } from '../../kit/einsum.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { requantize, scaled } from './requantize.ts';

const transposed = (ctx: NodeContext, x: Value, flag: string): Value => {
  if (x.type.shape.length !== 2) ctx.refuse(`the operand has rank ${x.type.shape.length}, it should have 2`, 'U2005');
  return ctx.attr.flag(flag) ? ctx.transpose(x, [1, 0]) : x;
};

/** α·A·B + β·C */
export function gemm(ctx: NodeContext): Value {
  const [a, b] = [transposed(ctx, ctx.get('A'), 'transA'), transposed(ctx, ctx.get('B'), 'transB')];
  const [alpha, beta] = [ctx.attr.float('alpha', 1), ctx.attr.float('beta', 1)];
  const times = (factor: number, x: Value, name: string) =>
    factor === 1 ? x : ctx.emit(nnMul, { a: x, b: ctx.scalar(x.type.dtype, factor, name) });
  const product = times(alpha, ctx.emit(nnMatmul, { a, b }), 'alpha');
  const c = ctx.find('C');
  if (!c || beta === 0) return product;
  const sum = ctx.emit(nnAdd, { a: product, b: times(beta, c, 'beta') });
  if (sum.type.shape.length !== 2) ctx.refuse('C does not broadcast to the product', 'U2005', { input: 'C' });
  return sum;
}

/** A parameter by rows [M] as a column [M, 1]; anything else as it is. */
const byRows = (ctx: NodeContext, parameter: Value): Value => {
  const { shape } = parameter.type;
  return shape.length === 1 && shape[0] !== 1 ? ctx.reshape(parameter, [...shape, 1]) : parameter;
};

interface Product {
  readonly a: Value;
  readonly b: Value;
  readonly za?: Value | undefined;
  readonly zb?: Value | undefined;
}

const integerProduct = (ctx: NodeContext, { a, b, za, zb }: Product): Value => ctx.emit(qnnMatmul, { a, b, za, zb });

/** The axis that parameters by columns belong to. */
const columns = (y: Value): number => Math.max(0, y.type.shape.length - 1);

const qlinearMatMul = (ctx: NodeContext): Value => {
  const sum = integerProduct(ctx, {
    a: ctx.get('a'),
    b: ctx.get('b'),
    za: ctx.get('a_zero_point'),
    zb: ctx.get('b_zero_point'),
  });
  const scales = { a: byRows(ctx, ctx.get('a_scale')), b: ctx.get('b_scale'), y: ctx.get('y_scale') };
  for (const { type } of [scales.y, ctx.get('y_zero_point')])
    if (type.shape.length > 1 || (type.shape[0] ?? 1) !== 1)
      ctx.unsupported('a result with more than one scale or zero point');
  return requantize(ctx, sum, scales, ctx.get('y_zero_point'), columns(sum));
};

/** QGemm: C, in units of α·sa·sb, is added to the accumulator; without y_scale the result is float. */
function qgemm(ctx: NodeContext): Value {
  const [a, b] = [transposed(ctx, ctx.get('A'), 'transA'), transposed(ctx, ctx.get('B'), 'transB')];
  const product = integerProduct(ctx, { a, b, za: ctx.find('a_zero_point'), zb: ctx.find('b_zero_point') });
  const c = ctx.find('C');
  const sum = c ? ctx.emit(nnAdd, { a: product, b: c }) : product;
  const alpha = ctx.attr.float('alpha', 1);
  const sa =
    alpha === 1 ? ctx.get('a_scale') : ctx.emit(nnMul, { a: ctx.scalar('f32', alpha, 'alpha'), b: ctx.get('a_scale') });
  const y = ctx.find('y_scale');
  if (!y) return scaled(ctx, sum, ctx.emit(nnMul, { a: sa, b: ctx.get('b_scale') }));
  const zeroPoint = ctx.find('y_zero_point') ?? ctx.scalar(a.type.dtype, 0, 'zero_point');
  return requantize(ctx, sum, { a: sa, b: ctx.get('b_scale'), y }, zeroPoint, 1);
}

/** MatMulNBits: `accuracy_level` permits a less exact computation, and one on bytes is as exact as its 4 says. */
function blockProduct(ctx: NodeContext): Value {
  const [bits, block] = [ctx.attr.int('bits', 4), ctx.attr.int('block_size', 0)];
  const [depth, columns] = [ctx.attr.int('K', 0), ctx.attr.int('N', 0)];
  if (ctx.attr.int('weight_prepacked', 0) !== 0) ctx.unsupported('weights in the layout of another processor');
  if (ctx.find('g_idx')) ctx.unsupported('blocks that g_idx tells');
  if (!isCodeBits(bits) || !isBlock(block)) ctx.unsupported(`blocks of ${block} numbers of ${bits} bits`);
  const a = ctx.get('A');
  if (a.type.shape.at(-1) !== depth) ctx.unsupported(`[${a.type.shape}] are not known to be rows of ${depth}`);
  const blocks = Math.ceil(depth / block);
  const constant = (name: string, shape: Shape): Value | undefined => {
    const value = ctx.find(name);
    if (value === undefined) return undefined;
    if (ctx.constantOf(value) === undefined) ctx.unsupported(`'${name}' is computed while the model runs`);
    if (!isStatic(value.type.shape) || sizeOf(value.type.shape) !== sizeOf(shape as number[]))
      ctx.unsupported(`'${name}' is of shape [${value.type.shape}], not [${shape}]`);
    return ctx.reshape(value, shape);
  };
  const zeros = ctx.find('zero_points')?.type.dtype === 'u8' ? bytesOfCodes(blocks, bits) : blocks;
  const zp = constant('zero_points', [columns, zeros]);
  const operands = {
    a,
    b: constant('B', [columns, blocks, bytesOfCodes(block, bits)]) as Value,
    scale: constant('scales', [columns, blocks]) as Value,
    zp,
  };
  const isOfBytes = ctx.attr.int('accuracy_level', 0) === 4 && (zp === undefined || zp.type.dtype === 'u8');
  const product = ctx.emit(qnnBlockMatmul, operands, { bits, block, activations: isOfBytes ? 's8' : 'f32' });
  const bias = ctx.find('bias');
  return bias ? ctx.emit(nnAdd, { a: product, b: bias }) : product;
}

const qlinearInputs = [
  'a: T1',
  'a_scale: S',
  'a_zero_point: T1',
  'b: T2',
  'b_scale: S',
  'b_zero_point: T2',
  'y_scale: S',
  'y_zero_point: T3',
];

export const matmulOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'MatMul',
    inputs: ['A: T', 'B: T'],
    import(ctx) {
      const [a, b] = [ctx.get('A'), ctx.get('B')];
      if (a.type.dtype !== 'u32') return ctx.emit(nnMatmul, { a, b });
      // the same modulo 2^32
      return ctx.cast(ctx.emit(nnMatmul, { a: ctx.cast(a, 's32'), b: ctx.cast(b, 's32') }), 'u32');
    },
  }),
  defineOnnxOp({
    name: 'Gemm',
    inputs: ['A: T', 'B: T', 'C?: T'],
    attributes: ['alpha', 'beta', 'transA', 'transB', 'broadcast'],
    import: gemm,
  }),
  defineOnnxOp({
    name: 'Einsum',
    inputs: ['Inputs...: T'],
    attributes: ['equation'],
    since: 12,
    import(ctx) {
      if (!ctx.attr.has('equation')) ctx.refuse("the attribute 'equation' is missing");
      return einsum(ctx, ctx.attr.string('equation', ''), ctx.rest());
    },
  }),
  defineOnnxOp({
    name: 'MatMulInteger',
    since: 10,
    inputs: ['A: T1', 'B: T2', 'a_zero_point?: T1', 'b_zero_point?: T2'],
    import: (ctx) =>
      integerProduct(ctx, {
        a: ctx.get('A'),
        b: ctx.get('B'),
        za: ctx.find('a_zero_point'),
        zb: ctx.find('b_zero_point'),
      }),
  }),
  defineOnnxOp({ name: 'QLinearMatMul', since: 10, inputs: qlinearInputs, import: qlinearMatMul }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'QGemm',
    inputs: [
      'A: T1',
      'a_scale: S',
      'a_zero_point?: T1',
      'B: T2',
      'b_scale: S',
      'b_zero_point?: T2',
      'C?',
      'y_scale?: S',
      'y_zero_point?',
    ],
    attributes: ['alpha', 'transA', 'transB'],
    import: qgemm,
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'MatMulNBits',
    inputs: ['A: T1', 'B: T2', 'scales: T1', 'zero_points?', 'g_idx?', 'bias?: T1'],
    attributes: ['K', 'N', 'bits', 'block_size', 'accuracy_level', 'weight_prepacked'],
    import: blockProduct,
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'MatMulIntegerToFloat',
    inputs: ['A: T1', 'B: T2', 'a_scale: S', 'b_scale: S', 'a_zero_point?: T1', 'b_zero_point?: T2', 'bias?: S'],
    import(ctx) {
      const sum = integerProduct(ctx, {
        a: ctx.get('A'),
        b: ctx.get('B'),
        za: ctx.find('a_zero_point'),
        zb: ctx.find('b_zero_point'),
      });
      const scale = ctx.emit(nnMul, { a: byRows(ctx, ctx.get('a_scale')), b: ctx.get('b_scale') });
      return scaled(ctx, sum, scale, ctx.find('bias'));
    },
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'DynamicQuantizeMatMul',
    inputs: ['A: S', 'B: T2', 'b_scale: S', 'b_zero_point?: T2', 'bias?: S'],
    import(ctx) {
      const { y: a, scale, zp: za } = ctx.emit(qnnDynamicQuantize, { x: ctx.get('A') });
      const sum = integerProduct(ctx, { a, b: ctx.get('B'), za, zb: ctx.find('b_zero_point') });
      return scaled(ctx, sum, ctx.emit(nnMul, { a: scale, b: ctx.get('b_scale') }), ctx.find('bias'));
    },
  }),
];
