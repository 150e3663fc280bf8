import { attr, defineOp, optional, tensorOf } from '../define_op.ts';
import { checkEpilogue, checkSourceZeroPoint, epilogue, epilogueAttrs, epilogueTypes, floatSteps } from './epilogue.ts';
import { matmulShape, matmulSum } from './matmul_sum.ts';
import { byte } from './operand_types.ts';

/** A matmul with all steps that one oneDNN primitive applies after it. */
export const dnnlMatmul = defineOp({
  name: 'dnnl.matmul',
  doc: 'acc = Σ_k (a − sourceZeroPoint)·b; v = acc + bias[n]; y = v (to s32) or clamp(rne(fl(t·multiplier[n])) + zeroPoint, low, high), t = fl(v) after the float steps scale and offset (see epilogue.ts). a: […,M,K], b: s8[…,K,N], bias: s32[N], multiplier, scale, offset: f32[N] or f32[1].',
  level: 'dnnl',
  operands: {
    a: byte,
    b: tensorOf('s8'),
    bias: optional(tensorOf('s32')),
    multiplier: optional(tensorOf('f32')),
    ...floatSteps,
  },
  attrs: { ...epilogueAttrs, sourceZeroPoint: attr.int(0) },
  results: { y: epilogueTypes },
  product: { kind: 'matmul', form: 'fused' },
  infer({ a, b, ...types }, attrs, refuse) {
    if (a.shape.length < 2 || b.shape.length < 2) refuse('needs matrices');
    const shape = matmulShape(a.shape, b.shape, refuse);
    checkEpilogue(types, shape[shape.length - 1], attrs, refuse);
    checkSourceZeroPoint(a, attrs.sourceZeroPoint, refuse);
    return { dtype: attrs.to, shape };
  },
  evaluate({ a, b, ...rest }, attrs, [{ shape }]) {
    const left = Float64Array.from(a.data, (v) => v - attrs.sourceZeroPoint);
    const sums = matmulSum({ a: left, aShape: a.shape, b: b.data, bShape: b.shape });
    return { dtype: attrs.to, shape, data: epilogue(sums, shape[shape.length - 1], 1, rest, attrs) };
  },
});
