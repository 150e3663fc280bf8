/** The recorded cases of ONNX Runtime's own tests, integer for integer. */
import { expect, test } from 'vitest';
import { sigmoid } from '../../../src/numerics/binary32_functions.ts';
import { leakyRelu } from '../../../src/numerics/float_functions.ts';
import { halfToNumber, numberToHalf } from '../../../src/numerics/half.ts';
import { gemmMultiplier, gemmScale, productScale, scaleAccumulator } from '../../../src/numerics/matmul_scales.ts';
import { type QLinearBinary, qlinearAdd, qlinearAddSwaps, swapOperands } from '../../../src/numerics/qlinear_add.ts';
import { qlinearMul } from '../../../src/numerics/qlinear_mul.ts';
import { globalAverage, isGlobalWindow, windowAverage } from '../../../src/numerics/qlinear_pool.ts';
import { qlinearSoftmax } from '../../../src/numerics/qlinear_softmax.ts';
import { dequantize, dynamicQuantize, quantize } from '../../../src/numerics/quantize_linear.ts';
import { multiplier, requantizeModes, requantizer } from '../../../src/numerics/requantize.ts';
import { lookUp, type Quantization, requantizeTable, unaryTable } from '../../../src/numerics/tables.ts';
import { dtypes, newArray } from '../../../src/tensors/dtype.ts';
import type { ITensor } from '../../../src/tensors/tensor.ts';
import { describeCorpus, ortVectors } from '../../support/corpus.ts';
import { isWithin, type VectorCase } from '../../support/jsonl.ts';
import { expand, resultShape } from './broadcast.ts';

type Bytes = Uint8Array | Int8Array;
type Values = ArrayLike<number>;

const operand = (c: VectorCase, i: number): ITensor | undefined => c.inputs[i]?.tensor;
const values = (c: VectorCase, i: number): Values => operand(c, i)!.data as Values;
const first = (c: VectorCase, i: number, absent = 0): number => (operand(c, i)?.data[0] as number) ?? absent;
const int = (c: VectorCase, name: string, absent: number) => (c.attrs[name]?.value as number) ?? absent;
const ints = (c: VectorCase, name: string) => c.attrs[name]?.value as readonly number[] | undefined;
const range = (c: VectorCase) => dtypes[c.outputs[0].tensor!.dtype];

const quantization = (c: VectorCase, x: number, scale: number): Quantization => ({
  dtype: c.outputs[0].tensor!.dtype as 'u8' | 's8',
  scale: first(c, scale),
  zeroPoint: first(c, x),
});

/** Computes output 0 of a case; undefined where the case is not about numerics of this folder (blocks, float8 …). */
type Compute = (c: VectorCase) => Values | undefined;

const binary =
  (add: boolean): Compute =>
  (c) => {
    const q: QLinearBinary = {
      dtype: c.outputs[0].tensor!.dtype,
      ...{ scaleA: first(c, 1), zeroPointA: first(c, 2), scaleB: first(c, 4), zeroPointB: first(c, 5) },
      ...{ scaleC: first(c, 6), zeroPointC: first(c, 7) },
    };
    const [a, b] = [operand(c, 0)!, operand(c, 3)!];
    const shape = resultShape(a.shape, b.shape);
    const [fullA, fullB] = [a, b].map((t) => expand(t.data as Bytes, t.shape, shape));
    const out = newArray(q.dtype as 'u8', fullA.length);
    if (!add) qlinearMul(q, fullA, fullB, out);
    else if (qlinearAddSwaps(a.shape, b.shape)) qlinearAdd(swapOperands(q), fullB, fullA, out);
    else qlinearAdd(q, fullA, fullB, out);
    return out;
  };

const table = (x: Bytes, entries: Bytes): Values => {
  const out = entries.slice(0, 0).constructor === Uint8Array ? new Uint8Array(x.length) : new Int8Array(x.length);
  lookUp(x, entries, out);
  return out;
};

/** Every window of a pool: [batch·channel offset, positions inside the input]; channels last is handled by strides. */
function pool(c: VectorCase, global: boolean): Values {
  const { shape, data } = operand(c, 0)!;
  const x = data as Bytes;
  const last = int(c, 'channels_last', 0) === 1;
  const spatial = last ? shape.slice(1, -1) : shape.slice(2);
  const channels = last ? shape.at(-1)! : shape[1];
  const size = spatial.reduce((p, d) => p * d, 1);
  const at = (n: number, channel: number, position: number) =>
    last ? (n * size + position) * channels + channel : (n * channels + channel) * size + position;
  const kernel = global ? spatial : ints(c, 'kernel_shape')!;
  const pads = ints(c, 'pads') ?? spatial.flatMap(() => [0, 0]);
  const strides = ints(c, 'strides') ?? spatial.map(() => 1);
  const outSpatial = spatial.map((extent, d) => {
    const room = extent + pads[d] + pads[d + spatial.length] - kernel[d];
    return Math[int(c, 'ceil_mode', 0) ? 'ceil' : 'floor'](room / strides[d]) + 1;
  });
  const outSize = outSpatial.reduce((p, d) => p * d, 1);
  const { min, max } = range(c);
  const [sx, zx] = [first(c, 1), first(c, 2)];
  const q = { sx, sy: first(c, 3), zy: first(c, 4), low: min, high: max };
  const whole = global || isGlobalWindow(spatial, kernel, pads);
  const windows = Array.from({ length: outSize }, (_, o) => window(o, outSpatial, spatial, kernel, strides, pads));
  const out = new Array<number>(shape[0] * channels * outSize);
  for (let n = 0; n < shape[0]; n++) {
    for (let channel = 0; channel < channels; channel++) {
      windows.forEach((taps, o) => {
        const inside = taps.map((position) => x[at(n, channel, position)]);
        const integers = inside.reduce((sum, v) => sum + v - zx, 0);
        const floats = inside.reduce((sum, v) => Math.fround(sum + dequantize(v, sx, zx)), 0);
        const count = int(c, 'count_include_pad', 0) ? kernel.reduce((p, d) => p * d, 1) : taps.length;
        const y = whole ? globalAverage(q, size)(integers) : windowAverage(q, floats, count);
        out[last ? (n * outSize + o) * channels + channel : (n * channels + channel) * outSize + o] = y;
      });
    }
  }
  return out;
}

function window(
  o: number,
  outSpatial: readonly number[],
  spatial: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  pads: readonly number[],
): number[] {
  const start: number[] = [];
  for (let d = spatial.length - 1; d >= 0; d--) {
    start[d] = (o % outSpatial[d]) * strides[d] - pads[d];
    o = Math.floor(o / outSpatial[d]);
  }
  let positions = [0];
  spatial.forEach((extent, d) => {
    const inside = Array.from({ length: kernel[d] }, (_, k) => start[d] + k).filter((i) => i >= 0 && i < extent);
    positions = positions.flatMap((outer) => inside.map((i) => outer * extent + i));
  });
  return positions;
}

/** Accumulators of a matrix product over the last two axes, with zero points of A and of B by column. */
function products(c: VectorCase, [a, za, b, zb]: readonly number[], transA = 0, transB = 0) {
  const [A, B] = [operand(c, a)!, operand(c, b)!];
  const [x, w] = [A.data as Values, B.data as Values];
  const rowsA = A.shape.length > 1 ? A.shape.at(-2)! : 1;
  const [m, k] = transA ? [A.shape.at(-1)!, rowsA] : [rowsA, A.shape.at(-1)!];
  const n = transB ? B.shape.at(-2)! : B.shape.at(-1)!;
  const batches = x.length / (m * k);
  const batchB = w.length / (k * n);
  const [zeroA, zerosB] = [first(c, za), operand(c, zb)?.data as Values | undefined];
  const sums = new Float64Array(batches * m * n);
  for (let at = 0; at < sums.length; at++) {
    const [batch, i, j] = [Math.floor(at / (m * n)), Math.floor(at / n) % m, at % n];
    const zeroB = zerosB === undefined ? 0 : zerosB[zerosB.length === 1 ? 0 : (batch * n + j) % zerosB.length];
    for (let l = 0; l < k; l++) {
      const left = x[batch * m * k + (transA ? l * m + i : i * k + l)];
      const right = w[(batch % batchB) * k * n + (transB ? j * k + l : l * n + j)];
      sums[at] += (left - zeroA) * (right - zeroB);
    }
  }
  return { sums, n };
}

const column = (c: VectorCase, i: number, j: number): number => values(c, i)[values(c, i).length === 1 ? 0 : j];

const computations: Record<string, readonly [file: string, compute: Compute]> = {
  QLinearAdd: ['qlinear_binary_op_test', binary(true)],
  QLinearMul: ['qlinear_binary_op_test', binary(false)],
  QLinearLeakyRelu: [
    'qlinear_lookup_table_test',
    (c) => {
      const f = leakyRelu(c.attrs.alpha.value as number);
      return table(values(c, 0) as Bytes, unaryTable(quantization(c, 2, 1), f, quantization(c, 4, 3)));
    },
  ],
  QLinearSigmoid: [
    'qlinear_lookup_table_test',
    (c) => table(values(c, 0) as Bytes, unaryTable(quantization(c, 2, 1), sigmoid, quantization(c, 4, 3))),
  ],
  QLinearSoftmax: [
    'qlinear_lookup_table_test',
    (c) => {
      const { dtype, scale: sx } = quantization(c, 2, 1);
      const x = operand(c, 0)!;
      const axis = (int(c, 'axis', -1) + x.shape.length) % x.shape.length;
      // Before opset 13 a row is all axes from `axis` on; since then it runs along `axis`.
      const tail = x.shape.slice(axis).reduce((p, d) => p * d, 1);
      const stride = int(c, 'opset', 13) < 13 ? 1 : tail / x.shape[axis];
      const length = tail / stride;
      const order = Array.from(x.data as Bytes, (_, i) => {
        const [block, lane, at] = [Math.floor(i / tail), Math.floor(i / length) % stride, i % length];
        return block * tail + at * stride + lane;
      });
      const rows = newArray(dtype, x.data.length);
      order.forEach((from, i) => {
        rows[i] = x.data[from] as number;
      });
      const result = newArray(dtype, x.data.length);
      qlinearSoftmax({ dtype, sx, sy: first(c, 3), zy: first(c, 4) }, length, rows, result);
      const out = newArray(dtype, x.data.length);
      order.forEach((to, i) => {
        out[to] = result[i];
      });
      return out;
    },
  ],
  QLinearConcat: [
    'qlinear_concat_test',
    (c) => {
      const axis = int(c, 'axis', 0);
      const parts = Array.from({ length: (c.inputs.length - 2) / 3 }, (_, i) => {
        const at = 2 + 3 * i;
        const mapped = table(
          values(c, at) as Bytes,
          requantizeTable(quantization(c, at + 2, at + 1), quantization(c, 1, 0)),
        );
        const outer = operand(c, at)!
          .shape.slice(0, axis)
          .reduce((p, d) => p * d, 1);
        return { mapped: Array.from(mapped), row: mapped.length / outer, outer };
      });
      return Array.from({ length: parts[0].outer }, (_, o) =>
        parts.flatMap(({ mapped, row }) => mapped.slice(o * row, (o + 1) * row)),
      ).flat();
    },
  ],
  QLinearWhere: [
    'qlinear_where_test',
    (c) => {
      const shape = c.outputs[0].tensor!.shape;
      const [condition, x, y] = [0, 1, 4].map((i) => expand(values(c, i) as Bytes, operand(c, i)!.shape, shape));
      const z = quantization(c, 8, 7);
      const [fromX, fromY] = [requantizeTable(quantization(c, 3, 2), z), requantizeTable(quantization(c, 6, 5), z)];
      return Array.from(condition, (chosen, i) => (chosen ? fromX[x[i] & 255] : fromY[y[i] & 255]));
    },
  ],
  QLinearGlobalAveragePool: ['qlinear_global_average_pool_test', (c) => pool(c, true)],
  QLinearAveragePool: ['qlinear_pool_test', (c) => pool(c, false)],
  QLinearMatMul: [
    'quantize_linear_matmul_test',
    (c) => {
      const { sums, n } = products(c, [0, 2, 3, 5]);
      const { min, max } = range(c);
      const rows = operand(c, 0)!.shape.at(-2) ?? 1;
      return sums.map((sum, at) => {
        // Parameters of B may be one per column, of each matrix in a batch.
        const sb = column(c, 4, (Math.floor(at / (rows * n)) * n + (at % n)) % values(c, 4).length);
        const m = multiplier(first(c, 1), sb, first(c, 6));
        return requantizer(requantizeModes.ort, m, first(c, 7), min, max)(sum);
      });
    },
  ],
  QGemm: [
    'quant_gemm_test',
    (c) => {
      const { sums, n } = products(c, [0, 2, 3, 5], int(c, 'transA', 0), int(c, 'transB', 0));
      const bias = operand(c, 6);
      const C = bias && expand(bias.data as unknown as Bytes, bias.shape, [sums.length / n, n]);
      const alpha = int(c, 'alpha', 1);
      const { min, max } = range(c);
      const ofColumn = Array.from({ length: n }, (_, j) => {
        const sb = column(c, 4, j);
        if (operand(c, 7) === undefined)
          return (sum: number) => scaleAccumulator(sum, gemmScale(alpha, first(c, 1), sb));
        const m = gemmMultiplier(alpha, first(c, 1), sb, first(c, 7));
        return requantizer(requantizeModes.ort, m, first(c, 8), min, max);
      });
      return sums.map((sum, at) => ofColumn[at % n](sum + (C?.[at] ?? 0)));
    },
  ],
  MatMulIntegerToFloat: [
    'matmul_integer_to_float_test',
    (c) => {
      const { sums, n } = products(c, [0, 4, 1, 5]);
      const bias = operand(c, 6)?.data as Values | undefined;
      return sums.map((sum, at) =>
        scaleAccumulator(sum, productScale(first(c, 2), column(c, 3, at % n)), bias?.[at % n]),
      );
    },
  ],
  DynamicQuantizeMatMul: [
    'dynamic_quantize_matmul_test',
    (c) => {
      const { data, scale, zeroPoint } = dynamicQuantize(values(c, 0), 'u8');
      const inputs = [...c.inputs];
      inputs[0] = { ...inputs[0]!, tensor: { dtype: 'u8', shape: operand(c, 0)!.shape, data } };
      inputs[9] = { ...inputs[0], tensor: { dtype: 'u8', shape: [], data: Uint8Array.of(zeroPoint) } };
      const { sums, n } = products({ ...c, inputs }, [0, 9, 1, 3]);
      const bias = operand(c, 4)?.data as Values | undefined;
      return sums.map((sum, at) => scaleAccumulator(sum, productScale(scale, column(c, 2, at % n)), bias?.[at % n]));
    },
  ],
  DynamicQuantizeLinear: ['dynamic_quantize_linear_test', (c) => dynamicQuantize(values(c, 0), 'u8').data],
  QuantizeLinear: ['quantize_linear_test', (c) => linear(c, true)],
  DequantizeLinear: ['quantize_linear_test', (c) => linear(c, false)],
};

/** Per tensor and per axis, binary32 scales. */
function linear(c: VectorCase, toInteger: boolean): Values | undefined {
  const [x, scale, zero] = [0, 1, 2].map((i) => operand(c, i));
  const output = c.outputs[0].tensor;
  const unknown = [c.inputs[0], c.inputs[2], c.outputs[0]].some((t) => t && t.tensor === undefined);
  if (unknown || scale === undefined || output === undefined || int(c, 'block_size', 0) !== 0) return undefined;
  if (scale.dtype !== 'f32' || x!.dtype === 'f16') return undefined;
  const axis = (int(c, 'axis', 1) + x!.shape.length) % Math.max(1, x!.shape.length);
  const inner = x!.shape.slice(axis + 1).reduce((p, d) => p * d, 1);
  const { min, max } = dtypes[output.dtype];
  return Array.from(x!.data as Values, (v, i) => {
    const at = scale.data.length === 1 ? 0 : Math.floor(i / inner) % scale.data.length;
    const [s, z] = [scale.data[at] as number, (zero?.data[at] as number) ?? 0];
    return toInteger ? quantize(v, s, z, min, max) : dequantize(v, s, z);
  });
}

describeCorpus('vectors of ONNX Runtime', () => {
  for (const [op, [file, compute]] of Object.entries(computations)) {
    const cases = ortVectors(file).filter((c) => c.op === op && c.ort.status === 'pass');
    const computed = cases.map((c) => [c, compute(c)] as const).filter(([, ours]) => ours !== undefined);
    test(`${op}: ${computed.length} of ${cases.length} cases`, () => {
      expect(computed.length).toBeGreaterThan(0);
      for (const [c, ours] of computed) {
        const { tensor, tolerance } = c.outputs[0];
        const expected = tensor!.data as Values;
        expect(ours!.length, c.id).toBe(expected.length);
        const pairs = Array.from(expected, (e, i) => [ours![i], e, i]);
        expect(
          pairs.filter(([o, e]) => !isWithin(o, e, tolerance)),
          c.id,
        ).toEqual([]);
        // The expected integers of the pools were computed by the tests of ORT and are off by one from ORT at ties.
        const differing = pairs.filter(([o, e]) => o !== e).length;
        if (tensor!.dtype !== 'f32')
          expect(differing, c.id).toBe(c.op === 'DynamicQuantizeLinear' ? 0 : c.ort.differing);
      }
    });
  }

  test('binary16 values of the cases survive the way to bits and back', () => {
    const halves = ortVectors('quantize_linear_test').flatMap((c) =>
      c.outputs.filter((o) => o.tensor?.dtype === 'f16'),
    );
    expect(halves.length).toBeGreaterThan(0);
    for (const { tensor } of halves) {
      for (const bits of tensor!.data as Uint16Array) expect(numberToHalf(halfToNumber(bits))).toBe(bits);
    }
  });
});
