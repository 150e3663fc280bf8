/** The attributes and output shapes that pooling windows share. conv_geometry.ts finds the taps inside the input. */
import { type AttrValues, attr, type Refuse } from '../define_op.ts';
import { addDims, divDims } from '../dims.ts';
import type { Dim, Shape } from '../types.ts';
import { checkWindow, windowedDim } from './conv_geometry.ts';

/** Lists have one entry per spatial axis; pads are all begins, then all ends (ONNX order). */
export const poolAttrs = {
  kernel: attr.ints(),
  strides: attr.ints(),
  pads: attr.ints(),
  dilations: attr.ints(),
  /** Count windows that begin inside the padded input and reach beyond its end. */
  ceilMode: attr.bool(false),
} as const;

export type PoolAttrs = AttrValues<typeof poolAttrs>;

/**
 * ⌈(input + pads − extent) / stride⌉ + 1, less a last window that would begin in the padding at the end (ONNX 1.16):
 * together the same as ⌈(input + padBegin + min(0, padEnd + stride − extent)) / stride⌉, extent = dilation·(kernel − 1) + 1.
 */
function ceilWindowedDim(
  input: Dim,
  kernel: number,
  stride: number,
  dilation: number,
  padBegin: number,
  padEnd: number,
): Dim {
  const extent = dilation * (kernel - 1) + 1;
  return divDims(addDims(input, padBegin + Math.min(0, padEnd + stride - extent) + stride - 1), stride);
}

/** `[N, C, spatial…]` of a pool over `x: [N, C, spatial…]`; refuses a wrong shape. */
export function poolShape(x: Shape, attrs: PoolAttrs, refuse: Refuse): Shape {
  const rank = checkWindow(x, attrs, refuse);
  const { kernel, strides, pads, dilations, ceilMode } = attrs;
  pads.forEach((pad, i) => {
    const extent = dilations[i % rank] * (kernel[i % rank] - 1) + 1;
    if (pad >= extent) refuse(`pads[${i}] = ${pad} should be less than the window of ${extent}`);
  });
  const size = ceilMode ? ceilWindowedDim : windowedDim;
  const spatial = x.slice(2).map((dim, i) => {
    const out = size(dim, kernel[i], strides[i], dilations[i], pads[i], pads[i + rank]);
    if (typeof out === 'number' && out < 1)
      refuse.limit(`spatial axis ${i}: a window of ${kernel[i]} does not fit into ${dim} with these pads`, 'x');
    return out;
  });
  return [x[0], x[1], ...spatial];
}
