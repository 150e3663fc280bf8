import { defineOp } from '../define_op.ts';
import { deconvAttrs, deconvolve, deconvShape } from './deconvolve.ts';
import { checkFusedConv, finishedConv, fusedConvAttrs, fusedConvOperands } from './dnnl_conv.op.ts';
import { epilogueTypes } from './epilogue.ts';

/** A transposed convolution with all steps that one oneDNN primitive applies after it. */
export const dnnlConvTranspose = defineOp({
  name: 'dnnl.conv_transpose',
  doc: 'acc[n,o,p·stride − pad + tap·dilation] += (x[n,c,p] − sourceZeroPoint)·w[c,o,tap]; v = acc + bias[o] + map[o,p]; y = v (to s32) or clamp(rne(fl(t·multiplier[o])) + zeroPoint, low, high), t = fl(v) after the float steps scale and offset (see epilogue.ts). x: [N,C,spatial…], w: s8[C,O/group,kernel…], bias: s32[O], map: s32[1,O,spatial…], multiplier, scale, offset: f32[O] or f32[1].',
  level: 'dnnl',
  operands: fusedConvOperands,
  attrs: { ...deconvAttrs, ...fusedConvAttrs },
  results: { y: epilogueTypes },
  product: { kind: 'conv_transpose', form: 'fused' },
  infer(types, attrs, refuse) {
    const shape = deconvShape(types.x.shape, types.w.shape, attrs, refuse);
    checkFusedConv(types, shape, attrs, refuse);
    return { dtype: attrs.to, shape };
  },
  evaluate({ x, w, ...rest }, attrs, [{ shape }]) {
    const zx = attrs.sourceZeroPoint;
    const sums = deconvolve({ x: x.data, xShape: x.shape, w: w.data, wShape: w.shape, outShape: shape, attrs, zx });
    return finishedConv(sums, shape, rest, attrs);
  },
});
