/** Walking over the windows of a pool; their geometry is in pool_geometry.ts. */
import { sizeOf } from '../../tensors/index.ts';
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

/**
 * The divisors of an average over each window of one plane: its taps inside the input or, with the pads, inside both.
 */
export function windowCounts(
  xShape: readonly number[],
  yShape: readonly number[],
  attrs: PoolAttrs,
  includePad: boolean,
): Float64Array {
  const rank = attrs.kernel.length;
  const output = yShape.slice(2);
  // the taps inside are a box: their number is the product over the axes
  let counts = Float64Array.of(1);
  output.forEach((size, axis) => {
    const [begin, end] = [attrs.pads[axis], attrs.pads[axis + rank]];
    const [first, past] = includePad ? [-begin, xShape[axis + 2] + end] : [0, xShape[axis + 2]];
    const ofAxis = Float64Array.from({ length: size }, (_, o) => {
      const start = o * attrs.strides[axis] - begin;
      const tap = (position: number) => Math.ceil((position - start) / attrs.dilations[axis]);
      return Math.max(0, Math.min(attrs.kernel[axis], tap(past)) - Math.max(0, tap(first)));
    });
    counts = Float64Array.from(
      { length: counts.length * size },
      (_, i) => counts[Math.floor(i / size)] * ofAxis[i % size],
    );
  });
  return counts;
}
