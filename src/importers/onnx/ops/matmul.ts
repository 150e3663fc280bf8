/** Matrix products, float and quantized. */

import { nnAdd, nnMatmul, nnMul, qnnDynamicQuantize, qnnMatmul, type Value } from '../../../ir/index.ts';
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
