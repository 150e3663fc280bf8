/** The attributes of every convolution of ONNX, those of the filter included. */
import type { ConvAttrs } from '../../../ir/index.ts';
import { type Attributes, int, ints } from '../node_writer.ts';

export const convAttributes = ({ strides, pads, dilations, group }: ConvAttrs, w: readonly number[]): Attributes => ({
  kernel_shape: ints(w.slice(2)),
  strides: ints(strides),
  pads: ints(pads),
  dilations: ints(dilations),
  group: int(group),
});
