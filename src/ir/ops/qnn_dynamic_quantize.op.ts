import { dynamicQuantize } from '../../numerics/index.ts';
import { defineOp, tensorOf } from '../define_op.ts';
import { scalar, tensor } from '../tensor.ts';

/** ONNX DynamicQuantizeLinear: https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html */
export const qnnDynamicQuantize = defineOp({
  name: 'qnn.dynamic_quantize',
  doc: 'y = sat(rne(x/scale) + zp) with the scale and zero point that the range of x asks for, 0 included; see numerics/quantize_linear.ts. All zeros: scale 1 and zero point 0.',
  levels: ['qnn', 'nn', 'dnnl'],
  operands: { x: tensorOf('f32') },
  attrs: {},
  results: { y: ['u8'], scale: ['f32'], zp: ['u8'] },
  infer({ x }) {
    return [
      { dtype: 'u8', shape: x.shape },
      { dtype: 'f32', shape: [] },
      { dtype: 'u8', shape: [] },
    ];
  },
  evaluate({ x }) {
    const { data, scale, zeroPoint } = dynamicQuantize(x.data, 'u8');
    return [tensor('u8', data, x.shape), scalar('f32', scale), scalar('u8', zeroPoint)];
  },
});
