/** Normalizations of rows of bytes that TensorFlow Lite alone has for them. */
import { tfliteL2Normalization, tfliteLogSoftmax } from '../../numerics/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import { normalizeAxis } from './broadcast.ts';
import { byRows } from './byte_rows.ts';
import { byte } from './operand_types.ts';
import { checkScalar, checkZeroPoint } from './qnn_parameters.ts';

/** LOG_SOFTMAX: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/kernels/activations.cc */
export const qnnLogSoftmax = defineOp({
  name: 'qnn.log_softmax',
  doc: 'The logarithm of the softmax along `axis`, by `recipe` as the reference (tflite) or the optimized kernels (litert) of TensorFlow Lite compute it: see numerics/tflite_log_softmax.ts. y has the scale 1/16, and its greatest integer as zero point; the zero point of x cancels.',
  traits: ['quantized'],
  operands: { x: byte, sx: tensorOf('f32') },
  attrs: { axis: attr.int(), recipe: attr.oneOf('tflite', 'litert') },
  results: { y: { like: 'x' } },
  infer({ x, sx }, { axis }, refuse) {
    checkScalar(sx, 'sx', refuse);
    normalizeAxis(axis, x.shape.length, refuse);
    return x;
  },
  evaluate({ x, sx }, { axis, recipe }) {
    const parameters = { dtype: x.dtype, sx: sx.data[0] };
    return byRows(x, axis < 0 ? axis + x.shape.length : axis, x.dtype, (length, from, to) =>
      tfliteLogSoftmax(recipe, parameters, length, from, to),
    );
  },
});

/** L2_NORMALIZATION: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/kernels/l2norm.cc */
export const qnnL2Normalize = defineOp({
  name: 'qnn.l2_normalize',
  doc: 'x / √Σ x² along `axis`, as the kernels of TensorFlow Lite compute it: see numerics/tflite_l2_normalization.ts. y has the scale 1/128, and the middle of its range as zero point; the scale of x cancels.',
  traits: ['quantized'],
  operands: { x: byte, zx: byte },
  attrs: { axis: attr.int() },
  results: { y: { like: 'x' } },
  infer({ x, zx }, { axis }, refuse) {
    checkZeroPoint(zx, x, [], 'zx', refuse);
    normalizeAxis(axis, x.shape.length, refuse);
    return x;
  },
  evaluate: ({ x, zx }, { axis }) =>
    byRows(x, axis < 0 ? axis + x.shape.length : axis, x.dtype, (length, from, to) =>
      tfliteL2Normalization(x.dtype, zx.data[0], length, from, to),
    ),
});
