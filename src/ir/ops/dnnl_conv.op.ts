import { attr, defineOp, optional, type Refuse, tensorOf } from '../define_op.ts';
import { elementsOf } from '../dims.ts';
import { sizeOf } from '../tensor.ts';
import type { Dim, TensorType } from '../types.ts';
import { convAttrs, convShape } from './conv_geometry.ts';
import { convolve } from './convolve.ts';
import { epilogue, epilogueAttrs } from './epilogue.ts';

/** One value per output channel, or a single one. */
export function checkPerChannel(type: TensorType | undefined, channels: Dim, name: string, refuse: Refuse): void {
  const count = type && elementsOf(type.shape);
  if (count !== undefined && count !== 1 && count !== channels)
    refuse(`'${name}' should have ${channels} elements, but has ${count}`, name);
}

/** A convolution with everything that one oneDNN primitive (or our depthwise kernel) does after it. */
export const dnnlConv = defineOp({
  name: 'dnnl.conv',
  doc: 'acc = Σ (x − sourceZeroPoint)·w over the taps inside; v = acc + bias[o] + map[o,p]; y = v (to s32) or clamp(rne(fl(fl(v)·multiplier[o])) + zeroPoint, low, high). x: [N,C,spatial…], w: s8[O,C/group,kernel…], bias: s32[O], map: s32[1,O,spatial…], multiplier: f32[O] or f32[1]. `by`: who computes it.',
  levels: ['dnnl'],
  operands: {
    x: tensorOf('u8', 's8'),
    w: tensorOf('s8'),
    bias: optional(tensorOf('s32')),
    map: optional(tensorOf('s32')),
    multiplier: optional(tensorOf('f32')),
  },
  attrs: {
    ...convAttrs,
    ...epilogueAttrs,
    sourceZeroPoint: attr.int(0),
    by: attr.oneOfOr('onednn', 'onednn', 'depthwise'),
  },
  results: { y: ['u8', 's8', 's32'] },
  infer({ x, w, bias, map, multiplier }, attrs, refuse) {
    const shape = convShape(x.shape, w.shape, attrs, refuse);
    checkPerChannel(bias, shape[1], 'bias', refuse);
    checkPerChannel(multiplier, shape[1], 'multiplier', refuse);
    if (map && elementsOf(map.shape) !== elementsOf(shape.slice(1)))
      refuse(`'map' should cover [${shape.slice(1)}], but has shape [${map.shape}]`, 'map');
    if ((multiplier === undefined) !== (attrs.to === 's32'))
      refuse(`a result of type ${attrs.to} ${multiplier ? 'takes no' : 'needs a'} multiplier`, 'multiplier');
    return { dtype: attrs.to, shape };
  },
  evaluate({ x, w, ...rest }, attrs, [{ shape }]) {
    const outShape = shape as number[];
    const sums = convolve({
      x: x.data,
      xShape: x.shape,
      w: w.data,
      wShape: w.shape,
      outShape,
      attrs,
      zx: attrs.sourceZeroPoint,
    });
    return {
      dtype: attrs.to,
      shape: outShape,
      data: epilogue(sums, outShape[1], sizeOf(outShape.slice(2)), rest, attrs),
    };
  },
});
