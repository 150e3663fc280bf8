import { defineOp, optional, tensorOf } from '../define_op.ts';
import { convAttrs, convShape } from './conv_geometry.ts';
import { convolve } from './convolve.ts';
import { deconvAttrs, deconvolve, deconvShape } from './deconvolve.ts';
import { checkBias, factor, type ProductType, productType, storeProducts } from './product_type.ts';

/** ONNX Conv (f32) and ConvInteger without zero points: https://onnx.ai/onnx/operators/onnx__Conv.html */
export const nnConv = defineOp({
  name: 'nn.conv',
  doc: 'y[n,o,p] = Σ x[n,c,p·stride − pad + tap·dilation]·w[o,c,tap] (+ bias[o]) over the taps inside the input. Integers: s32, wrapping, no bias; f32: from the bias or +0 on, each product is added channel after channel, within a channel tap after tap, and rounded together with the sum before it (fused), never −0; f64: summed in that order. x: [N,C,spatial…], w: [O,C/group,kernel…].',
  operands: { x: factor, w: factor, bias: optional(tensorOf('f32', 'f64')) },
  attrs: convAttrs,
  results: { y: { sumsOf: 'x' } },
  product: { kind: 'conv', form: 'plain' },
  infer({ x, w, bias }, attrs, refuse) {
    const dtype = productType(x, w, 'w', refuse);
    const shape = convShape(x.shape, w.shape, attrs, refuse);
    checkBias(bias, dtype, shape[1], refuse);
    return { dtype, shape };
  },
  evaluate({ x, w, bias }, attrs, [{ dtype, shape }]) {
    const geometry = {
      xShape: x.shape,
      wShape: w.shape,
      outShape: shape,
      attrs,
      bias: bias?.data,
      fused: dtype === 'f32',
    };
    return storeProducts(dtype as ProductType, shape, x, w, (x, w) => convolve({ ...geometry, x, w }));
  },
});

/** ONNX ConvTranspose: https://onnx.ai/onnx/operators/onnx__ConvTranspose.html */
export const nnConvTranspose = defineOp({
  name: 'nn.conv_transpose',
  doc: 'y[n,o,p·stride − pad + tap·dilation] += x[n,c,p]·w[c,o,tap] (+ bias[o]); what falls outside the output is dropped. Size: stride·(input − 1) + dilation·(kernel − 1) + 1 + outputPadding − pads. Integers: s32, wrapping, no bias; f32: from the bias or +0 on, each product is added channel after channel, within a channel tap after tap, and rounded together with the sum before it (fused), never −0; f64: summed in that order. x: [N,C,spatial…], w: [C,O/group,kernel…].',
  operands: { x: factor, w: factor, bias: optional(tensorOf('f32', 'f64')) },
  attrs: deconvAttrs,
  results: { y: { sumsOf: 'x' } },
  product: { kind: 'conv_transpose', form: 'plain' },
  infer({ x, w, bias }, attrs, refuse) {
    const dtype = productType(x, w, 'w', refuse);
    const shape = deconvShape(x.shape, w.shape, attrs, refuse);
    checkBias(bias, dtype, shape[1], refuse);
    return { dtype, shape };
  },
  evaluate({ x, w, bias }, attrs, [{ dtype, shape }]) {
    const geometry = {
      xShape: x.shape,
      wShape: w.shape,
      outShape: shape,
      attrs,
      bias: bias?.data,
      fused: dtype === 'f32',
    };
    return storeProducts(dtype as ProductType, shape, x, w, (x, w) => deconvolve({ ...geometry, x, w }));
  },
});
