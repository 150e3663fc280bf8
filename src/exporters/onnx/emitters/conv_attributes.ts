/** The attributes of every convolution of ONNX, those of the filter included. */
import type { Shape } from '../../../ir/index.ts';
import type { ConvAttrs } from '../../../ir/ops/conv_geometry.ts';
import { type Attributes, int, ints } from '../node_emitter.ts';

export const convAttributes = ({ strides, pads, dilations, group }: ConvAttrs, w: Shape): Attributes => ({
  kernel_shape: ints(w.slice(2) as readonly number[]),
  strides: ints(strides),
  pads: ints(pads),
  dilations: ints(dilations),
  group: int(group),
});
