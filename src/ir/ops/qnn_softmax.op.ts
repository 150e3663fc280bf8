import { qlinearSoftmax, tfliteSoftmax } from '../../numerics/index.ts';
import { type ByteType, byteTypes, type ITensor } from '../../tensors/index.ts';
import { attr, defineOp, type OperandTensors, tensorOf } from '../define_op.ts';
import { byRows } from './byte_rows.ts';
import { checkScalar, checkZeroPoint, unaryQuantized } from './qnn_parameters.ts';

const operands = { ...unaryQuantized, zy: tensorOf(...byteTypes, 's16') } as const;

/** com.microsoft QLinearSoftmax: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md */
export const qnnSoftmax = defineOp({
  name: 'qnn.softmax',
  doc: 'Softmax along `axis`, as QLinearSoftmax of ONNX Runtime computes it; see numerics/qlinear_softmax.ts. With `recipe` tflite or litert the softmax of beta·x as the reference or the optimized kernels of TensorFlow Lite compute it: see numerics/tflite_softmax.ts. zx cancels. Scales and zero points are scalars. y is of the type of zy: that of x, or s16 by a recipe of TensorFlow Lite.',
  traits: ['quantized'],
  operands,
  attrs: { axis: attr.int(), beta: attr.float(1), recipe: attr.oneOfOr('ort', 'ort', 'tflite', 'litert') },
  results: { y: { like: 'zy' } },
  infer(types, { axis, beta, recipe }, refuse) {
    const { sx, zx, sy, zy, x } = types;
    checkScalar(sx, 'sx', refuse);
    checkScalar(sy, 'sy', refuse);
    checkZeroPoint(zx, x, [], 'zx', refuse);
    checkZeroPoint(zy, zy.dtype === 's16' && recipe !== 'ort' ? zy : x, [], 'zy', refuse);
    const { shape } = x;
    if (axis < 0 || axis >= shape.length) refuse(`axis ${axis} is outside the input of rank ${shape.length}`, 'x');
    if (!(beta > 0) || (beta !== 1 && recipe === 'ort')) refuse(`beta is ${beta}`);
    return { dtype: zy.dtype, shape };
  },
  evaluate(tensors, { axis, beta, recipe }) {
    const { x, sx, sy, zy } = tensors;
    if (recipe === 'ort') return softmaxNear(tensors, { axis });
    const softmax = { dtype: zy.dtype, sx: sx.data[0], beta, sy: sy.data[0], zy: zy.data[0] };
    return byRows(x, axis, zy.dtype, (length, from, to) => tfliteSoftmax(recipe, softmax, length, from, to));
  },
});

/** The result of the recipe ort, with quotients multiplied by `near`: see qlinearSoftmax. */
export function softmaxNear(
  { x, sx, sy, zy }: Omit<OperandTensors<typeof operands>, 'zx'>,
  { axis }: { readonly axis: number },
  near = 1,
): ITensor<ByteType> {
  const quantization = { dtype: x.dtype, sx: sx.data[0], sy: sy.data[0], zy: zy.data[0] };
  return byRows(x, axis, x.dtype, (length, from, to) => qlinearSoftmax(quantization, length, from, to, near));
}
