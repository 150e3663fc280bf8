import { dequantizeTable, globalAverage, isGlobalWindow, windowAverage } from '../../numerics/index.ts';
import { dtypes, sizeOf, zeros } from '../../tensors/index.ts';
import { attr, defineOp } from '../define_op.ts';
import { tapsOf } from './conv_geometry.ts';
import { poolAttrs, poolShape } from './pool_geometry.ts';
import { averageRows } from './qnn_global_average_pool.op.ts';
import { checkUnary, unaryQuantized } from './qnn_parameters.ts';

/** com.microsoft QLinearAveragePool: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
export const qnnAveragePool = defineOp({
  name: 'qnn.average_pool',
  doc: 'The mean over every window, as QLinearAveragePool of ONNX Runtime computes it: dequantized, summed in f32 in row-major order, divided, quantized with the zero point added before rounding; a window that is the whole input counts as qnn.global_average_pool. Taps outside add 0; they count in the divisor with `countIncludePad`. x: [N,C,spatial…]; scales and zero points are scalars.',
  operands: unaryQuantized,
  attrs: { ...poolAttrs, countIncludePad: attr.bool(false) },
  results: { y: { like: 'x' } },
  infer(types, attrs, refuse) {
    checkUnary(types, refuse);
    return { dtype: types.x.dtype, shape: poolShape(types.x.shape, attrs, refuse) };
  },
  evaluate({ x, sx, zx, sy, zy }, { kernel, countIncludePad, ...geometry }, [type]) {
    const y = zeros(x.dtype, type.shape);
    const [input, output] = [x.shape.slice(2), y.shape.slice(2)];
    const { min: low, max: high } = dtypes[x.dtype];
    const q = { sx: sx.data[0], sy: sy.data[0], zy: zy.data[0], low, high };
    if (isGlobalWindow(input, kernel, geometry.pads)) {
      averageRows(x.data, zx.data[0], globalAverage(q, sizeOf(input)), y.data);
      return y;
    }
    const real = dequantizeTable({ dtype: x.dtype, scale: q.sx, zeroPoint: zx.data[0] });
    const taps = tapsOf(kernel, input, output, geometry);
    const counts = new Float64Array(sizeOf(output)).fill(countIncludePad ? sizeOf(kernel) : 0);
    if (!countIncludePad) for (const { outputAt } of taps) for (const o of outputAt) counts[o]++;
    const sums = new Float32Array(counts.length); // every addition rounds
    for (let row = 0; row < x.shape[0] * x.shape[1]; row++) {
      const xBase = row * sizeOf(input);
      sums.fill(0);
      for (const { inputAt, outputAt } of taps) {
        for (let i = 0; i < outputAt.length; i++) sums[outputAt[i]] += real[x.data[xBase + inputAt[i]] & 255];
      }
      for (let o = 0; o < sums.length; o++) y.data[row * sums.length + o] = windowAverage(q, sums[o], counts[o]);
    }
    return y;
  },
});
