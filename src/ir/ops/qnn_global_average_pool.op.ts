import { globalAverage, type PoolQuantization, tfliteAverage, torchAverage } from '../../numerics/index.ts';
import { dtypes, sizeOf, zeros } from '../../tensors/index.ts';
import { type AttrType, attr, defineOp } from '../define_op.ts';
import { checkUnary, unaryQuantized } from './qnn_parameters.ts';

/** com.microsoft QLinearGlobalAveragePool: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
export const qnnGlobalAveragePool = defineOp({
  name: 'qnn.global_average_pool',
  doc: 'The mean over all spatial axes, as QLinearGlobalAveragePool of ONNX Runtime computes it: Σ (x − zx) in integers, then requantized by fl(sx / fl(sy·n)). `recipe` qnnpack is the same. With `recipe` torch as the own kernels of PyTorch do for channels-last tensors: by fl(fl(sx/sy)/n); torch-contiguous: and with the zero point added before rounding. tflite and xnnpack: as MEAN of TensorFlow Lite, see numerics/tflite_mean.ts. x: [N,C,spatial…] -> [N,C,1…]; scales and zero points are scalars.',
  traits: ['quantized'],
  operands: unaryQuantized,
  attrs: { recipe: attr.oneOfOr('ort', 'ort', 'qnnpack', 'torch', 'torch-contiguous', 'tflite', 'xnnpack') },
  results: { y: { like: 'x' } },
  infer(types, _attrs, refuse) {
    checkUnary(types, refuse);
    const { dtype, shape } = types.x;
    if (shape.length < 3) refuse(`the input needs at least one spatial axis, but has rank ${shape.length}`, 'x');
    return { dtype, shape: shape.map((dim, axis) => (axis < 2 ? dim : 1)) };
  },
  evaluate({ x, sx, zx, sy, zy }, { recipe }, [type]) {
    const y = zeros(x.dtype, type.shape);
    const size = sizeOf(x.shape.slice(2));
    const { min: low, max: high } = dtypes[x.dtype];
    const q = { sx: sx.data[0], sy: sy.data[0], zy: zy.data[0], low, high };
    averageRows(x.data, zx.data[0], globalAverageOf(recipe, q, zx.data[0], size), y.data);
    return y;
  },
});

/** Σ(x − zx) over `size` elements -> y by a recipe. */
export function globalAverageOf(
  recipe: AttrType<typeof qnnGlobalAveragePool.attrs.recipe>,
  q: PoolQuantization,
  zx: number,
  size: number,
): (sum: number) => number {
  if (recipe === 'ort' || recipe === 'qnnpack') return globalAverage(q, size);
  if (recipe === 'tflite' || recipe === 'xnnpack') return tfliteAverage(recipe, q, zx, size);
  return torchAverage(q, size, recipe === 'torch' ? 'after' : 'before');
}

/** y[row] = average(Σ (x − zx)) over the equally long rows of x. */
export function averageRows(
  x: Uint8Array | Int8Array,
  zx: number,
  average: (sum: number) => number,
  y: Uint8Array | Int8Array,
): void {
  const length = x.length / y.length;
  for (let row = 0; row < y.length; row++) {
    let sum = -zx * length;
    for (let i = row * length; i < (row + 1) * length; i++) sum += x[i];
    y[row] = average(sum);
  }
}
