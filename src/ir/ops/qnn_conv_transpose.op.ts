import { zeros } from '../../tensors/index.ts';
import { defineOp, optional } from '../define_op.ts';
import { deconvAttrs, deconvolve, deconvShape } from './deconvolve.ts';
import { byte } from './operand_types.ts';
import { checkZeroPoint, elementAt } from './qnn_parameters.ts';

/** ONNX ConvTranspose between DequantizeLinear and QuantizeLinear; PyTorch quantized::conv_transpose. */
export const qnnConvTranspose = defineOp({
  name: 'qnn.conv_transpose',
  doc: 'y[n,o,p·stride − pad + tap·dilation] += (x[n,c,p] − zx)·(w[c,o,tap] − zw[o]) in int32, what falls outside the output is dropped; N-D, grouped. x: [N,C,spatial…], w: [C,O/group,kernel…], zx: scalar, zw: scalar or [O].',
  traits: ['quantized'],
  operands: {
    x: byte,
    w: byte,
    zx: optional(byte),
    zw: optional(byte),
  },
  attrs: deconvAttrs,
  results: { y: ['s32'] },
  product: { kind: 'conv_transpose', form: 'quantized' },
  infer({ x, w, zx, zw }, attrs, refuse) {
    const shape = deconvShape(x.shape, w.shape, attrs, refuse);
    checkZeroPoint(zx, x, [], 'zx', refuse);
    checkZeroPoint(zw, w, [shape[1]], 'zw', refuse);
    return { dtype: 's32', shape };
  },
  evaluate({ x, w, zx, zw }, attrs, [type]) {
    const y = zeros('s32', type.shape);
    const sums = deconvolve({
      x: x.data,
      xShape: x.shape,
      w: w.data,
      wShape: w.shape,
      outShape: y.shape,
      attrs,
      zx: elementAt(zx, 0),
      zw: (filter) => elementAt(zw, filter),
    });
    y.data.set(sums); // wraps modulo 2^32
    return y;
  },
});
