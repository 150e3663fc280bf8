import { dequantize, quantizedTypes } from '../../numerics/index.ts';
import { zeros } from '../../tensors/index.ts';
import { attr, defineOp, optional, tensorOf } from '../define_op.ts';
import { checkParameter, checkZeroPoint, elementAt, forEachRun } from './qnn_parameters.ts';

const quantized = tensorOf(...quantizedTypes, 's32');

/** ONNX DequantizeLinear: https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html */
export const qnnDequantize = defineOp({
  name: 'qnn.dequantize',
  doc: 'y = fl(fl(x − zp)·scale), x − zp in int32. scale, zp: scalar, [C] along `axis`, or broadcast to x; zp absent is 0.',
  traits: ['quantized'],
  operands: { x: quantized, scale: tensorOf('f32'), zp: optional(quantized) },
  attrs: { axis: attr.int(1) },
  results: { y: ['f32'] },
  infer({ x, scale, zp }, { axis }, refuse) {
    checkParameter(scale, x.shape, axis, 'scale', refuse);
    checkZeroPoint(zp, x, scale.shape, 'zp', refuse);
    return { dtype: 'f32', shape: x.shape };
  },
  evaluate({ x, scale, zp }, { axis }) {
    const y = zeros('f32', x.shape);
    forEachRun(x.shape, scale.shape, axis, (start, end, index) => {
      const [s, z] = [scale.data[index], elementAt(zp, index)];
      for (let i = start; i < end; i++) y.data[i] = dequantize(x.data[i], s, z);
    });
    return y;
  },
});
