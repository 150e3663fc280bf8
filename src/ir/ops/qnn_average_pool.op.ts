import { averageOfRaw, dequantizeTable, globalAverage, isGlobalWindow, windowAverage } from '../../numerics/index.ts';
import { type ByteType, dtypes, type ITensor, sizeOf, zeros } from '../../tensors/index.ts';
import { attr, defineOp } from '../define_op.ts';
import { tapsOf } from './conv_geometry.ts';
import { type PoolAttrs, poolAttrs, poolShape } from './pool_geometry.ts';
import { forEachTapOfPlanes, windowCounts } from './pool_windows.ts';
import { averageRows } from './qnn_global_average_pool.op.ts';
import { checkUnary, unaryQuantized } from './qnn_parameters.ts';

/** com.microsoft QLinearAveragePool: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
export const qnnAveragePool = defineOp({
  name: 'qnn.average_pool',
  doc: 'The mean over every window, as QLinearAveragePool of ONNX Runtime computes it: dequantized, summed in f32 in row-major order, divided, quantized with the zero point added before rounding; a window that is the whole input counts as qnn.global_average_pool. Taps outside add 0; they count in the divisor with `countIncludePad`. With `recipe` tflite the rounded mean of the integers of x as they are, see numerics/tflite_pool.ts: x and y have the same scale and zero point, which cancel. x: [N,C,spatial…]; scales and zero points are scalars.',
  traits: ['quantized'],
  operands: unaryQuantized,
  attrs: { ...poolAttrs, countIncludePad: attr.bool(false), recipe: attr.oneOfOr('ort', 'ort', 'tflite') },
  results: { y: { like: 'x' } },
  infer(types, attrs, refuse) {
    checkUnary(types, refuse);
    if (attrs.recipe === 'tflite' && (attrs.countIncludePad || attrs.ceilMode))
      refuse('the recipe tflite counts neither padding nor windows that reach beyond it');
    return { dtype: types.x.dtype, shape: poolShape(types.x.shape, attrs, refuse) };
  },
  evaluate({ x, sx, zx, sy, zy }, { recipe, countIncludePad, ...window }, [type]) {
    const y = zeros(x.dtype, type.shape);
    if (recipe === 'tflite') {
      averageRaw(x, y, window);
      return y;
    }
    const { kernel, ...geometry } = window;
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

/** The recipe tflite. */
function averageRaw(x: ITensor<ByteType>, y: ITensor<ByteType>, attrs: PoolAttrs): void {
  const counts = windowCounts(x.shape, y.shape, attrs, false);
  const sums = new Float64Array(y.data.length);
  forEachTapOfPlanes(x.shape, y.shape, attrs, ({ inputAt, outputAt }, xBase, yBase) => {
    for (let i = 0; i < inputAt.length; i++) sums[yBase + outputAt[i]] += x.data[xBase + inputAt[i]];
  });
  for (let i = 0; i < sums.length; i++) y.data[i] = averageOfRaw(sums[i], counts[i % counts.length]);
}
