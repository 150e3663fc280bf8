import { qlinearSoftmax } from '../../numerics/index.ts';
import { type ByteType, type ITensor, transposed, zeros } from '../../tensors/index.ts';
import { attr, defineOp, type OperandTensors } from '../define_op.ts';
import { checkUnary, unaryQuantized } from './qnn_parameters.ts';

/** com.microsoft QLinearSoftmax: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
export const qnnSoftmax = defineOp({
  name: 'qnn.softmax',
  doc: 'Softmax along `axis`, as QLinearSoftmax of ONNX Runtime computes it; see numerics/qlinear_softmax.ts. zx cancels. Scales and zero points are scalars, y is of the type of x.',
  operands: unaryQuantized,
  attrs: { axis: attr.int() },
  results: { y: { like: 'x' } },
  infer(types, { axis }, refuse) {
    checkUnary(types, refuse);
    const { dtype, shape } = types.x;
    if (axis < 0 || axis >= shape.length) refuse(`axis ${axis} is outside the input of rank ${shape.length}`, 'x');
    return { dtype, shape };
  },
  evaluate: (tensors, attrs) => softmaxNear(tensors, attrs),
});

/** The result, with quotients multiplied by `near`: see qlinearSoftmax. */
export function softmaxNear(
  { x, sx, sy, zy }: Omit<OperandTensors<typeof unaryQuantized>, 'zx'>,
  { axis }: { readonly axis: number },
  near = 1,
): ITensor<ByteType> {
  const others = x.shape.map((_, a) => a).filter((a) => a !== axis);
  const perm = [...others, axis];
  const rows = transposed(x, perm);
  const results = zeros(x.dtype, rows.shape);
  const quantization = { dtype: x.dtype, sx: sx.data[0], sy: sy.data[0], zy: zy.data[0] };
  qlinearSoftmax(quantization, x.shape[axis], rows.data as typeof x.data, results.data, near);
  const back = perm.map((_, a) => perm.indexOf(a));
  return transposed(results, back) as ITensor<ByteType>;
}
