import { assert } from '../../diagnostics/index.ts';
import { defineOp, optional, type Refuse, tensorOf } from '../define_op.ts';
import { zeros } from '../tensor.ts';
import type { Dim, TensorType } from '../types.ts';
import { convAttrs, convShape } from './conv_geometry.ts';
import { convolve } from './convolve.ts';

/** A zero point is a scalar or, for weights, one per filter. */
export function checkZeroPoint(
  type: TensorType | undefined,
  of: TensorType,
  perChannel: Dim | undefined,
  name: string,
  refuse: Refuse,
): void {
  if (type === undefined) return;
  if (type.dtype !== of.dtype)
    refuse(`'${name}' is of type ${type.dtype}, what it belongs to of type ${of.dtype}`, name);
  const one = type.shape.length === 0 || (type.shape.length === 1 && type.shape[0] === 1);
  if (one || (perChannel !== undefined && type.shape.length === 1 && type.shape[0] === perChannel)) return;
  refuse(
    `'${name}' should be a scalar${perChannel === undefined ? '' : ` or have ${perChannel} elements`}, but has shape [${type.shape.join(', ')}]`,
    name,
  );
}

/** ONNX ConvInteger: https://onnx.ai/onnx/operators/onnx__ConvInteger.html */
export const qnnConv = defineOp({
  name: 'qnn.conv',
  doc: 'y[n,o,p] = Σ (x − zx)·(w − zw[o]) in int32 over the taps inside the input; taps outside read zx, that is, contribute 0. N-D, grouped. x: [N,C,spatial…], w: [O,C/group,kernel…], zx: scalar, zw: scalar or [O].',
  levels: ['qnn', 'nn', 'dnnl'],
  operands: {
    x: tensorOf('u8', 's8'),
    w: tensorOf('u8', 's8'),
    zx: optional(tensorOf('u8', 's8')),
    zw: optional(tensorOf('u8', 's8')),
  },
  attrs: convAttrs,
  results: { y: ['s32'] },
  infer({ x, w, zx, zw }, attrs, refuse) {
    checkZeroPoint(zx, x, undefined, 'zx', refuse);
    checkZeroPoint(zw, w, w.shape[0], 'zw', refuse);
    return { dtype: 's32', shape: convShape(x.shape, w.shape, attrs, refuse) };
  },
  evaluate({ x, w, zx, zw }, attrs, [type]) {
    const y = zeros('s32', type.shape as number[]);
    const zwData = zw?.data;
    assert(zwData === undefined || zwData.length === 1 || zwData.length === w.shape[0], 'zw was verified');
    const sums = convolve({
      x: x.data,
      xShape: x.shape,
      w: w.data,
      wShape: w.shape,
      outShape: y.shape,
      attrs,
      zx: zx?.data[0] ?? 0,
      zw: zwData && ((o) => zwData[zwData.length === 1 ? 0 : o]),
    });
    for (let i = 0; i < sums.length; i++) y.data[i] = sums[i]; // wraps modulo 2^32
    return y;
  },
});
