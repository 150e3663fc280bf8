import { globalAverage, torchAverage } from '../../numerics/index.ts';
import { dtypes, sizeOf, zeros } from '../../tensors/index.ts';
import { attr, defineOp } from '../define_op.ts';
import { checkUnary, unaryQuantized } from './qnn_parameters.ts';

/** com.microsoft QLinearGlobalAveragePool: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
export const qnnGlobalAveragePool = defineOp({
  name: 'qnn.global_average_pool',
  doc: 'The mean over all spatial axes, as QLinearGlobalAveragePool of ONNX Runtime computes it: Σ (x − zx) in integers, then requantized by fl(sx / fl(sy·n)). `recipe` qnnpack is the same. With `recipe` torch as the own kernels of PyTorch do for channels-last tensors: by fl(fl(sx/sy)/n); torch-contiguous: and with the zero point added before rounding. x: [N,C,spatial…] -> [N,C,1…]; scales and zero points are scalars.',
  operands: unaryQuantized,
  attrs: { recipe: attr.oneOfOr('ort', 'ort', 'qnnpack', 'torch', 'torch-contiguous') },
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
    const average =
      recipe === 'ort' || recipe === 'qnnpack'
        ? globalAverage(q, size)
        : torchAverage(q, size, recipe === 'torch' ? 'after' : 'before');
    averageRows(x.data, zx.data[0], average, y.data);
    return y;
  },
});

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
