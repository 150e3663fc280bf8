/** The geometry of pooling: ONNX MaxPool and AveragePool with explicit pads. */
import { type AttrValues, attr, type Refuse } from '../define_op.ts';
import { addDims, divDims } from '../dims.ts';
import { sizeOf } from '../tensor.ts';
import type { Dim, Shape } from '../types.ts';
import { type Tap, tapsOf, windowedDim } from './conv_geometry.ts';

export const poolAttrs = {
  kernel: attr.ints(),
  strides: attr.ints(),
  pads: attr.ints(),
  dilations: attr.ints(),
  ceilMode: attr.bool(false),
} as const;

export type PoolAttrs = AttrValues<typeof poolAttrs>;

/**
 * The number of windows. In ceil mode a last, partial window counts when it starts inside the input or its left padding:
 *
 *   min(⌈(input + pads − extent) / stride⌉ + 1, ⌈(input + padBegin) / stride⌉),   extent = dilation·(kernel − 1) + 1
 */
function pooledDim(input: Dim, axis: number, { kernel, strides, pads, dilations, ceilMode }: PoolAttrs): Dim {
  const [begin, end] = [pads[axis], pads[axis + kernel.length]];
  const [stride, dilation] = [strides[axis], dilations[axis]];
  if (!ceilMode) return windowedDim(input, kernel[axis], stride, dilation, begin, end);
  const partial = Math.min(end + stride - dilation * (kernel[axis] - 1) - 1, 0);
  return divDims(addDims(input, begin + partial + stride - 1), stride);
}

/** `[N, C, spatial…]` of a pooling of `x: [N, C, spatial…]`; refuses what does not fit. */
export function poolShape(x: Shape, attrs: PoolAttrs, refuse: Refuse): Shape {
  const rank = x.length - 2;
  if (rank < 1)
    refuse(`the input needs a batch, a channel and at least one spatial axis, but has rank ${x.length}`, 'x');
  const { kernel, strides, pads, dilations } = attrs;
  if ([kernel, strides, dilations].some((list) => list.length !== rank) || pads.length !== 2 * rank)
    refuse(`kernel, strides and dilations need ${rank} entries each, pads ${2 * rank}`);
  if ([...kernel, ...strides, ...dilations].some((v) => v < 1))
    refuse('kernel, strides and dilations should be positive');
  if (pads.some((p) => p < 0)) refuse('negative pads are not allowed');
  const spatial = x.slice(2).map((dim, axis) => {
    const size = pooledDim(dim, axis, attrs);
    if (typeof size === 'number' && size < 1)
      refuse(`spatial axis ${axis}: a window of ${kernel[axis]} does not fit into ${dim} with these pads`);
    return size;
  });
  return [x[0], x[1], ...spatial];
}

/** Calls `visit(tap, xBase, yBase)` for every tap of the window on every plane of `[N, C, spatial…]`. */
export function forEachTapOfPlanes(
  xShape: readonly number[],
  yShape: readonly number[],
  attrs: PoolAttrs,
  visit: (tap: Tap, xBase: number, yBase: number) => void,
): void {
  const [input, output] = [xShape.slice(2), yShape.slice(2)];
  const [inputSize, outputSize] = [sizeOf(input), sizeOf(output)];
  const taps = tapsOf(attrs.kernel, input, output, attrs);
  for (let plane = 0; plane < xShape[0] * xShape[1]; plane++) {
    for (const tap of taps) visit(tap, plane * inputSize, plane * outputSize);
  }
}

/** What an average over each window of one plane is divided by: the taps inside the input or, with the pads, inside both. */
export function windowCounts(
  xShape: readonly number[],
  yShape: readonly number[],
  attrs: PoolAttrs,
  includePad: boolean,
): Float64Array {
  const rank = attrs.kernel.length;
  const input = xShape.slice(2).map((size, a) => size + (includePad ? attrs.pads[a] + attrs.pads[a + rank] : 0));
  const pads = includePad ? attrs.pads.map(() => 0) : attrs.pads;
  const output = yShape.slice(2);
  const counts = new Float64Array(sizeOf(output));
  for (const { outputAt } of tapsOf(attrs.kernel, input, output, { ...attrs, pads })) {
    for (const at of outputAt) counts[at]++;
  }
  return counts;
}
