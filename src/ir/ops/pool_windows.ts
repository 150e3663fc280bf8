/** Walking over the windows of a pool; their geometry is in pool_geometry.ts. */
import { sizeOf } from '../tensor.ts';
import { type Tap, tapsOf } from './conv_geometry.ts';
import type { PoolAttrs } from './pool_geometry.ts';

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
