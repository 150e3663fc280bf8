import { type ITensor, sizeOf } from '../../tensors/index.ts';
import { type AttrValues, attr, defineOp, type OperandTypes, optional, type Refuse, tensorOf } from '../define_op.ts';
import { elementsOf } from '../dims.ts';
import type { Shape } from '../types.ts';
import { convAttrs, convShape } from './conv_geometry.ts';
import { convolve } from './convolve.ts';
import {
  checkEpilogue,
  checkSourceZeroPoint,
  type EpilogueTensors,
  epilogue,
  epilogueAttrs,
  epilogueTypes,
  floatSteps,
} from './epilogue.ts';
import { byte } from './operand_types.ts';
import { checkZeroPoint, elementAt } from './qnn_parameters.ts';

export const fusedConvOperands = {
  x: byte,
  w: tensorOf('s8'),
  bias: optional(tensorOf('s32')),
  map: optional(tensorOf('s32')),
  multiplier: optional(tensorOf('f32')),
  ...floatSteps,
} as const;
export const fusedConvAttrs = { ...epilogueAttrs, sourceZeroPoint: attr.int(0) } as const;

/** Refuses operands and attributes that do not fit a result of this shape. */
export function checkFusedConv(
  { map, ...types }: Omit<OperandTypes<typeof fusedConvOperands>, 'w'>,
  shape: Shape,
  attrs: AttrValues<typeof fusedConvAttrs>,
  refuse: Refuse,
): void {
  checkEpilogue(types, shape[1], attrs, refuse);
  checkSourceZeroPoint(types.x, attrs.sourceZeroPoint, refuse);
  if (map && elementsOf(map.shape) !== elementsOf(shape.slice(1)))
    refuse(`'map' should cover [${shape.slice(1)}], but has shape [${map.shape}]`, 'map');
}

/** Applies the epilogue to the sums of a convolution. */
export const finishedConv = (
  sums: Float64Array,
  shape: readonly number[],
  tensors: EpilogueTensors,
  attrs: AttrValues<typeof fusedConvAttrs>,
): ITensor => ({
  dtype: attrs.to,
  shape,
  data: epilogue(sums, shape[1], sizeOf(shape.slice(2)), tensors, attrs),
});

/** A convolution with all steps that one oneDNN primitive (or kernel of ours) applies after it. */
export const dnnlConv = defineOp({
  name: 'dnnl.conv',
  doc: 'acc = Σ (x − sourceZeroPoint)·(w − zw[o]) over the taps inside; v = acc + bias[o] + map[o,p]; y = v (to s32) or clamp(rne(fl(t·multiplier[o])) + zeroPoint, low, high), t = fl(v) after the float steps scale and offset (see epilogue.ts). x: [N,C,spatial…], w: [O,C/group,kernel…], zw: of the type of w, a scalar or [O], bias: s32[O], map: s32[1,O,spatial…], multiplier, scale, offset: f32[O] or f32[1]. `by`: who computes it; `onednn` leaves the choice between a primitive and our convolution kernel to the machine. Only our kernels take weights that are u8 or have a zero point.',
  level: 'dnnl',
  operands: { ...fusedConvOperands, w: byte, zw: optional(byte) },
  attrs: { ...convAttrs, ...fusedConvAttrs, by: attr.oneOfOr('onednn', 'onednn', 'depthwise') },
  results: { y: epilogueTypes },
  product: { kind: 'conv', form: 'fused' },
  infer({ zw, ...types }, attrs, refuse) {
    const shape = convShape(types.x.shape, types.w.shape, attrs, refuse);
    checkZeroPoint(zw, types.w, types.w.shape.slice(0, 1), 'zw', refuse);
    checkFusedConv(types, shape, attrs, refuse);
    return { dtype: attrs.to, shape };
  },
  evaluate({ x, w, zw, ...rest }, attrs, [{ shape }]) {
    const sums = convolve({
      x: x.data,
      xShape: x.shape,
      w: w.data,
      wShape: w.shape,
      outShape: shape,
      attrs,
      zx: attrs.sourceZeroPoint,
      zw: (filter) => elementAt(zw, filter),
    });
    return finishedConv(sums, shape, rest, attrs);
  },
});
