/** The recorded cases of ONNX Runtime's own tests, each composed of operators of the IR. */
import { expect, test } from 'vitest';
import { nnCast } from '../../../src/ir/ops/nn_cast.op.ts';
import { nnAdd } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnGather } from '../../../src/ir/ops/nn_gather.op.ts';
import { nnConcat, nnTranspose } from '../../../src/ir/ops/nn_movement.op.ts';
import { nnWhere } from '../../../src/ir/ops/nn_where.op.ts';
import { qnnAveragePool } from '../../../src/ir/ops/qnn_average_pool.op.ts';
import { qnnAdd, qnnMul } from '../../../src/ir/ops/qnn_binary.op.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { qnnDequantize } from '../../../src/ir/ops/qnn_dequantize.op.ts';
import { qnnDynamicQuantize } from '../../../src/ir/ops/qnn_dynamic_quantize.op.ts';
import { qnnGlobalAveragePool } from '../../../src/ir/ops/qnn_global_average_pool.op.ts';
import { qnnLut } from '../../../src/ir/ops/qnn_lut.op.ts';
import { qnnMatmul } from '../../../src/ir/ops/qnn_matmul.op.ts';
import { qnnQuantize } from '../../../src/ir/ops/qnn_quantize.op.ts';
import { qnnRequantize } from '../../../src/ir/ops/qnn_requantize.op.ts';
import { qnnSoftmax } from '../../../src/ir/ops/qnn_softmax.op.ts';
import {
  type FloatFunction,
  gemmMultiplier,
  gemmScale,
  leakyRelu,
  multiplier32,
  productScale,
  requantizeTable,
  sigmoid,
  unaryTable,
} from '../../../src/numerics/index.ts';
import { type ITensor, scalar, tensor } from '../../../src/tensors/tensor.ts';
import { describeCorpus, isWhole, ortVectors } from '../../support/corpus.ts';
import { isWithin, type VectorCase } from '../../support/jsonl.ts';
import { type Byte, evaluate, evaluateAll } from './qnn_support.ts';

type Inputs = readonly (ITensor | undefined)[];

const numberOf = (t: ITensor | undefined, absent = 0): number => (t === undefined ? absent : Number(t.data[0]));
const int = (c: VectorCase, name: string, absent: number): number => (c.attrs[name]?.value as number) ?? absent;
const ints = (c: VectorCase, name: string, absent: readonly number[]): readonly number[] =>
  (c.attrs[name]?.value as readonly number[]) ?? absent;

/** One f32 of each scale of B. */
const scaled = (sb: ITensor, f: (sb: number) => number): ITensor =>
  tensor('f32', Array.from(sb.data as Float32Array, f), sb.shape);

const swapLast = (x: ITensor): ITensor => evaluate(nnTranspose, [x], { perm: [1, 0] });
const toFloat = (x: ITensor): ITensor => (x.dtype === 'f16' ? evaluate(nnCast, [x], { to: 'f32' }) : x);

function convolution(c: VectorCase, [x, w, zx, zw]: Inputs): ITensor {
  const rank = x!.shape.length - 2;
  return evaluate(qnnConv, [x, w, zx, zw], {
    strides: ints(c, 'strides', Array(rank).fill(1)),
    dilations: ints(c, 'dilations', Array(rank).fill(1)),
    pads: ints(c, 'pads', Array(2 * rank).fill(0)),
    group: int(c, 'group', 1),
  });
}

function qlinearConv(c: VectorCase, [x, sx, zx, w, sw, zw, sy, zy, bias]: Inputs): ITensor {
  let sums = convolution(c, [x, w, zx, zw]);
  if (bias) sums = evaluate(nnAdd, [sums, { ...bias, shape: [bias.shape[0], ...sums.shape.slice(2).map(() => 1)] }]);
  const multiplier = scaled(sw!, (s) => multiplier32(numberOf(sx), s, numberOf(sy)));
  return evaluate(qnnRequantize, [sums, multiplier, zy ?? scalar(x!.dtype, 0)]);
}

function qlinearMatmul(_c: VectorCase, [a, sa, za, b, sb, zb, sy, zy]: Inputs): ITensor {
  const multiplier = scaled(sb!, (s) => multiplier32(numberOf(sa), s, numberOf(sy)));
  const sums = evaluate(qnnMatmul, [a, b, za, zb]);
  return evaluate(qnnRequantize, [sums, multiplier, zy], { axis: sums.shape.length - 1 });
}

function gemm(c: VectorCase, [a, sa, za, b, sb, zb, bias, sy, zy]: Inputs): ITensor {
  const left = int(c, 'transA', 0) ? swapLast(a!) : a;
  const right = int(c, 'transB', 0) ? swapLast(b!) : b;
  const product = evaluate(qnnMatmul, [left, right, za, zb]);
  const sums = bias ? evaluate(nnAdd, [product, bias]) : product;
  const alpha = int(c, 'alpha', 1);
  if (sy === undefined) return evaluate(qnnDequantize, [sums, scaled(sb!, (s) => gemmScale(alpha, numberOf(sa), s))]);
  const multiplier = scaled(sb!, (s) => {
    const m = gemmMultiplier(alpha, numberOf(sa), s, numberOf(sy));
    return m.arithmetic === 'f32' ? m.factor : Number.NaN;
  });
  return evaluate(qnnRequantize, [sums, multiplier, zy]);
}

/** MatMulIntegerToFloat: scales by columns, bias in f32. */
function matmulToFloat(a: ITensor, b: ITensor, sa: number, sb: ITensor, za?: ITensor, zb?: ITensor, bias?: ITensor) {
  const sums = evaluate(qnnMatmul, [a, b, za, zb]);
  const scale = scaled(sb, (s) => productScale(sa, s));
  const y = evaluate(qnnDequantize, [sums, scale], { axis: sums.shape.length - 1 });
  return bias ? evaluate(nnAdd, [y, bias]) : y;
}

function table(f: FloatFunction | undefined, [x, sx, zx, sy, zy]: Inputs): ITensor {
  const from = { dtype: x!.dtype as Byte, scale: numberOf(sx), zeroPoint: numberOf(zx) };
  const to = { dtype: (zy ?? x!).dtype as Byte, scale: numberOf(sy), zeroPoint: numberOf(zy) };
  return evaluate(qnnLut, [x, tensor(to.dtype, f ? unaryTable(from, f, to) : requantizeTable(from, to))]);
}

function concat(c: VectorCase, [sy, zy, ...rest]: Inputs): ITensor {
  const parts = Array.from({ length: rest.length / 3 }, (_, i) => {
    const [x, sx, zx] = rest.slice(3 * i);
    return table(undefined, [x, sx, zx, sy, zy]);
  });
  return evaluate(nnConcat, parts, { axis: int(c, 'axis', 0) });
}

function where([cond, a, sa, za, b, sb, zb, sy, zy]: Inputs): ITensor {
  const [fromA, fromB] = [table(undefined, [a, sa, za, sy, zy]), table(undefined, [b, sb, zb, sy, zy])];
  return evaluate(nnWhere, [cond, fromA, fromB]);
}

/** Before opset 13 a row is all axes from `axis` on. */
function softmax(c: VectorCase, [x, ...parameters]: Inputs): ITensor {
  const axis = (int(c, 'axis', -1) + x!.shape.length) % x!.shape.length;
  if (int(c, 'opset', 13) >= 13) return evaluate(qnnSoftmax, [x, ...parameters], { axis });
  const inner = x!.shape.slice(axis).reduce((a, b) => a * b, 1);
  const rows = { ...x!, shape: [x!.data.length / inner, inner] };
  return { ...evaluate(qnnSoftmax, [rows, ...parameters], { axis: 1 }), shape: x!.shape };
}

/** Channels last is a transposition before and after. */
function pool(c: VectorCase, [x, ...parameters]: Inputs): ITensor {
  const last = x!.shape.length - 1;
  const spatial = Array.from({ length: last - 1 }, (_, i) => i);
  const channelsLast = int(c, 'channels_last', 0) === 1;
  const first = channelsLast ? evaluate(nnTranspose, [x], { perm: [0, last, ...spatial.map((a) => a + 1)] }) : x;
  const ones = spatial.map(() => 1);
  const y =
    c.op === 'QLinearGlobalAveragePool'
      ? evaluate(qnnGlobalAveragePool, [first, ...parameters])
      : evaluate(qnnAveragePool, [first, ...parameters], {
          ...{ kernel: ints(c, 'kernel_shape', []), strides: ints(c, 'strides', ones), dilations: ones },
          pads: ints(
            c,
            'pads',
            [...ones, ...ones].map(() => 0),
          ),
          ceilMode: int(c, 'ceil_mode', 0) === 1,
          countIncludePad: int(c, 'count_include_pad', 0) === 1,
        });
  return channelsLast ? evaluate(nnTranspose, [y], { perm: [0, ...spatial.map((a) => a + 2), 1] }) : y;
}

/** Blocks are parameters repeated along the axis; binary16 is computed in binary32. */
function linear(c: VectorCase, [x, scale, zp]: Inputs): ITensor {
  const rank = x!.shape.length;
  const axis = (int(c, 'axis', 1) + rank) % Math.max(rank, 1);
  const block = int(c, 'block_size', 0);
  const repeated = (t: ITensor): ITensor => {
    if (block === 0) return t;
    const indices = Array.from({ length: x!.shape[axis] }, (_, i) => Math.floor(i / block));
    return evaluate(nnGather, [t, tensor('s32', indices)], { axis });
  };
  const parameters = [repeated(toFloat(scale!)), zp && repeated(zp)];
  const output = c.outputs[0].tensor!.dtype;
  if (c.op === 'QuantizeLinear') return evaluate(qnnQuantize, [toFloat(x!), ...parameters], { axis, dtype: output });
  const y = evaluate(qnnDequantize, [x, ...parameters], { axis });
  return output === 'f16' ? evaluate(nnCast, [y], { to: 'f16' }) : y;
}

type Compose = (c: VectorCase, inputs: Inputs) => ITensor | readonly ITensor[];

/** By operator: file, the number of its cases that ONNX Runtime runs and we have types for, and the parts of a case. */
const composed: Record<string, readonly [file: string, cases: number, compose: Compose]> = {
  ConvInteger: ['conv_integer_test', 5, convolution],
  QLinearConv: ['qlinearconv_op_test', 150, qlinearConv],
  MatMulInteger: ['matmul_integer_test', 18, (_, inputs) => evaluate(qnnMatmul, inputs)],
  QLinearMatMul: ['quantize_linear_matmul_test', 17, qlinearMatmul],
  QGemm: ['quant_gemm_test', 20, gemm],
  MatMulIntegerToFloat: [
    'matmul_integer_to_float_test',
    32,
    (_, [a, b, sa, sb, za, zb, bias]) => matmulToFloat(a!, b!, numberOf(sa), sb!, za, zb, bias),
  ],
  DynamicQuantizeMatMul: [
    'dynamic_quantize_matmul_test',
    24,
    (_, [x, b, sb, zb, bias]) => {
      const [a, sa, za] = evaluateAll(qnnDynamicQuantize, [x]);
      return matmulToFloat(a, b!, numberOf(sa), sb!, za, zb, bias);
    },
  ],
  DynamicQuantizeLinear: ['dynamic_quantize_linear_test', 2, (_, inputs) => evaluateAll(qnnDynamicQuantize, inputs)],
  QLinearAdd: ['qlinear_binary_op_test', 21, (_, inputs) => evaluate(qnnAdd, inputs)],
  QLinearMul: ['qlinear_binary_op_test', 24, (_, inputs) => evaluate(qnnMul, inputs)],
  QLinearConcat: ['qlinear_concat_test', 16, concat],
  QLinearWhere: ['qlinear_where_test', 6, (_, inputs) => where(inputs)],
  QLinearSigmoid: ['qlinear_lookup_table_test', 2, (_, inputs) => table(sigmoid, inputs)],
  QLinearLeakyRelu: [
    'qlinear_lookup_table_test',
    2,
    (c, inputs) => table(leakyRelu(c.attrs.alpha.value as number), inputs),
  ],
  QLinearSoftmax: ['qlinear_lookup_table_test', 2, softmax],
  QLinearAveragePool: ['qlinear_pool_test', 50, pool],
  QLinearGlobalAveragePool: ['qlinear_global_average_pool_test', 22, pool],
  QuantizeLinear: ['quantize_linear_test', 99, linear],
  DequantizeLinear: ['quantize_linear_test', 59, linear],
  'com.microsoft.QuantizeLinear': ['quantize_ops_test', 3, linear],
  'com.microsoft.DequantizeLinear': ['quantize_ops_test', 8, linear],
};

const isComputable = (c: VectorCase): boolean =>
  c.ort.status === 'pass' && [...c.inputs, ...c.outputs].every((t) => t === null || t.tensor !== undefined);

const numbers = (t: ITensor): number[] => Array.from(toFloat(t).data as ArrayLike<number>);

describeCorpus('vectors of ONNX Runtime', () => {
  test.each(Object.entries(composed))('%s', (name, [file, count, compose]) => {
    const cases = ortVectors(file).filter((c) => c.op === name.split('.').at(-1) && isComputable(c));
    if (isWhole) expect(cases.length).toBe(count);
    expect(cases.length).toBeGreaterThan(0);
    for (const c of cases) {
      const results = [
        compose(
          c,
          c.inputs.map((input) => input?.tensor),
        ),
      ].flat();
      c.outputs.forEach(({ tensor: recorded, tolerance }, o) => {
        const [actual, expected] = [numbers(results[o]), numbers(recorded!)];
        expect([results[o].dtype, actual.length], c.id).toEqual([recorded!.dtype, expected.length]);
        const missed = expected.filter((e, i) => !isWithin(actual[i], e, tolerance));
        expect(missed, c.id).toEqual([]);
        // Integers are exact, except integers of the pools that ORT itself misses: its tests compute them otherwise.
        const differing = expected.filter((e, i) => e !== actual[i]).length;
        const integer = !['f16', 'f32'].includes(recorded!.dtype);
        if (integer) expect(differing, c.id).toBe(c.outputs.length === 1 ? c.ort.differing : 0);
      });
    }
  });
});
