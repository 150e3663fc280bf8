import {
  dynamicParameters,
  quantizeByReciprocalInto,
  quantizeInto,
  torchDynamicParameters,
} from '../../numerics/index.ts';
import { scalar, zeros } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';

/** ONNX DynamicQuantizeLinear: https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html */
export const qnnDynamicQuantize = defineOp({
  name: 'qnn.dynamic_quantize',
  doc: 'y = sat(rne(x/scale) + zp) with the scale and zero point that the range of x asks for, 0 included; see numerics/quantize_linear.ts. All zeros: scale 1 and zero point 0. With `recipe` torch as quantized::linear_dynamic of PyTorch does, in [0, high]; see numerics/torch.ts.',
  traits: ['quantized'],
  operands: { x: tensorOf('f32') },
  attrs: { recipe: attr.oneOfOr('onnx', 'onnx', 'torch'), high: attr.int(255) },
  results: { y: ['u8'], scale: ['f32'], zp: ['u8'] },
  infer({ x }, { recipe, high }, refuse) {
    if (high !== 255 && (recipe === 'onnx' || high !== 127)) refuse(`a range of [0, ${high}]`);
    return [
      { dtype: 'u8', shape: x.shape },
      { dtype: 'f32', shape: [] },
      { dtype: 'u8', shape: [] },
    ];
  },
  evaluate({ x }, { recipe, high }) {
    const isTorch = recipe === 'torch';
    const { scale, zeroPoint } = isTorch ? torchDynamicParameters(x.data, high) : dynamicParameters(x.data);
    const y = zeros('u8', x.shape);
    (isTorch ? quantizeByReciprocalInto : quantizeInto)(x.data, scale, zeroPoint, 'u8', y.data);
    return [y, scalar('f32', scale), scalar('u8', zeroPoint)];
  },
});
