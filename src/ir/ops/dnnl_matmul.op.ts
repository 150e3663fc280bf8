import { attr, defineOp, optional, tensorOf } from '../define_op.ts';
import { checkEpilogue, checkSourceZeroPoint, epilogue, epilogueAttrs, epilogueTypes, floatSteps } from './epilogue.ts';
import { matmulShape, matmulSum } from './matmul_sum.ts';
import { byte } from './operand_types.ts';
import { checkZeroPoint, elementAt } from './qnn_parameters.ts';

/** A matmul with all steps that one oneDNN primitive applies after it. */
export const dnnlMatmul = defineOp({
  name: 'dnnl.matmul',
  doc: 'acc = Σ_k (a − sourceZeroPoint)·(b − zb[n]); v = acc + bias[n]; y = v (to s32) or clamp(rne(fl(t·multiplier[n])) + zeroPoint, low, high), t = fl(v) after the float steps scale and offset (see epilogue.ts). a: […,M,K], b: […,K,N], zb: of the type of b, a scalar or [N], bias: s32[N], multiplier, scale, offset: f32[N] or f32[1]. Only our convolution kernel, over known weights of one matrix, takes b that is u8 or has a zero point.',
  level: 'dnnl',
  operands: {
    a: byte,
    b: byte,
    zb: optional(byte),
    bias: optional(tensorOf('s32')),
    multiplier: optional(tensorOf('f32')),
    ...floatSteps,
  },
  attrs: { ...epilogueAttrs, sourceZeroPoint: attr.int(0) },
  results: { y: epilogueTypes },
  product: { kind: 'matmul', form: 'fused' },
  infer({ a, b, zb, ...types }, attrs, refuse) {
    if (a.shape.length < 2 || b.shape.length < 2) refuse('needs matrices');
    const shape = matmulShape(a.shape, b.shape, refuse);
    checkZeroPoint(zb, b, shape.slice(-1), 'zb', refuse);
    checkEpilogue(types, shape[shape.length - 1], attrs, refuse);
    checkSourceZeroPoint(a, attrs.sourceZeroPoint, refuse);
    return { dtype: attrs.to, shape };
  },
  evaluate({ a, b, zb, ...rest }, attrs, [{ shape }]) {
    const columns = shape[shape.length - 1];
    const left = Float64Array.from(a.data, (v) => v - attrs.sourceZeroPoint);
    const right = Float64Array.from(b.data, (v, i) => v - elementAt(zb, i % columns));
    const sums = matmulSum({ a: left, aShape: a.shape, b: right, bShape: b.shape });
    return { dtype: attrs.to, shape, data: epilogue(sums, columns, 1, rest, attrs) };
  },
});
