import { zeros } from '../../tensors/index.ts';
import { defineOp, optional } from '../define_op.ts';
import { convAttrs, convShape } from './conv_geometry.ts';
import { convolve } from './convolve.ts';
import { byte } from './operand_types.ts';
import { checkZeroPoint, elementAt } from './qnn_parameters.ts';

/** ONNX ConvInteger: https://onnx.ai/onnx/operators/onnx__ConvInteger.html */
export const qnnConv = defineOp({
  name: 'qnn.conv',
  doc: 'y[n,o,p] = Σ (x − zx)·(w − zw[o]) in int32 over the taps inside the input; taps outside read zx, that is, contribute 0. N-D, grouped. x: [N,C,spatial…], w: [O,C/group,kernel…], zx: scalar, zw: scalar or [O].',
  traits: ['quantized'],
  operands: {
    x: byte,
    w: byte,
    zx: optional(byte),
    zw: optional(byte),
  },
  attrs: convAttrs,
  results: { y: ['s32'] },
  product: { kind: 'conv', form: 'quantized' },
  infer({ x, w, zx, zw }, attrs, refuse) {
    checkZeroPoint(zx, x, [], 'zx', refuse);
    checkZeroPoint(zw, w, w.shape.slice(0, 1), 'zw', refuse);
    return { dtype: 's32', shape: convShape(x.shape, w.shape, attrs, refuse) };
  },
  evaluate({ x, w, zx, zw }, attrs, [type]) {
    const y = zeros('s32', type.shape);
    const sums = convolve({
      x: x.data,
      xShape: x.shape,
      w: w.data,
      wShape: w.shape,
      outShape: y.shape,
      attrs,
      zx: elementAt(zx, 0),
      zw: (filter) => elementAt(zw, filter),
    });
    for (let i = 0; i < sums.length; i++) y.data[i] = sums[i]; // wraps modulo 2^32
    return y;
  },
});
