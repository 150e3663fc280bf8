import { quantizeByReciprocalInto, quantizedTypes, quantizeInto } from '../../numerics/index.ts';
import { zeros } from '../../tensors/index.ts';
import { attr, defineOp, optional, tensorOf } from '../define_op.ts';
import { checkParameter, checkZeroPoint, elementAt, forEachRun } from './qnn_parameters.ts';

/** ONNX QuantizeLinear: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html */
export const qnnQuantize = defineOp({
  name: 'qnn.quantize',
  doc: 'y = sat(rne(fl(x/scale)) + zp), of type `dtype`; with `arithmetic` reciprocal y = sat(rne(fl(x·fl(1/scale))) + zp), which is what PyTorch computes. scale, zp: scalar, [C] along `axis`, or broadcast to x; zp absent is 0.',
  traits: ['quantized'],
  operands: { x: tensorOf('f32'), scale: tensorOf('f32'), zp: optional(tensorOf(...quantizedTypes)) },
  attrs: {
    axis: attr.int(1),
    dtype: attr.oneOfOr('u8', ...quantizedTypes),
    arithmetic: attr.oneOfOr('divide', 'divide', 'reciprocal'),
  },
  results: { y: quantizedTypes },
  infer({ x, scale, zp }, { axis, dtype }, refuse) {
    checkParameter(scale, x.shape, axis, 'scale', refuse);
    checkZeroPoint(zp, { dtype }, scale.shape, 'zp', refuse);
    return { dtype, shape: x.shape };
  },
  evaluate({ x, scale, zp }, { axis, dtype, arithmetic }) {
    const y = zeros(dtype, x.shape);
    const into = arithmetic === 'reciprocal' ? quantizeByReciprocalInto : quantizeInto;
    forEachRun(x.shape, scale.shape, axis, (start, end, index) => {
      into(x.data.subarray(start, end), scale.data[index], elementAt(zp, index), dtype, y.data.subarray(start, end));
    });
    return y;
  },
});
