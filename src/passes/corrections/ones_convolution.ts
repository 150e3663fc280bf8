/**
 * conv(1, w): the convolution of an input of ones. It is the factor of −zx in the law, constant per filter when the
 * window is inside the input and smaller when padding cuts taps off:
 *
 *   conv(1, w)[o, p] = Σ_{tap inside at p} S[o, tap],    S[o, tap] = Σ_c w[o, c, tap]
 */
import {
  type ByteType,
  type ConvAttrs,
  filterCount,
  type ITensor,
  type ProductLayout,
  sizeOf,
  tensor,
  windowedDim,
} from '../../ir/index.ts';
import { channelSums, sumOf } from './channel_sums.ts';

/** Σw per filter as [1, O, 1, …]: conv(1, w) wherever every tap is inside. */
export function filterSums(w: ITensor<ByteType>, of: ProductLayout): ITensor<'s32'> {
  const kernel = w.shape.slice(2);
  const [sums, taps, filters] = [channelSums(w, of), sizeOf(kernel), filterCount(of, w.shape)];
  const totals = new Int32Array(filters);
  for (let o = 0; o < filters; o++) totals[o] = sumOf(sums, o * taps, (o + 1) * taps);
  return tensor('s32', totals, [1, filters, ...kernel.map(() => 1)]);
}

/** One spatial axis of a map over output positions. */
export interface MapAxis {
  /** Output positions. */
  readonly size: number;
  /** True when tap k reaches output position p from inside the input. */
  readonly reaches: (k: number, p: number) => boolean;
}

/** Σ of the taps that reach each output position, as [1, O, output…]. Separable in the taps: one axis is summed at a time. */
export function tapMap(w: ITensor<ByteType>, of: ProductLayout, axes: readonly MapAxis[]): ITensor<'s32'> {
  const [kernel, filters] = [w.shape.slice(2), filterCount(of, w.shape)];
  let map = channelSums(w, of); // [O, k0, k1, …]: axis by axis, kernel positions become output positions
  const output: number[] = [];
  axes.forEach(({ size, reaches }, axis) => {
    const outer = filters * sizeOf(output);
    const inner = sizeOf(kernel.slice(axis + 1));
    const next = new Int32Array(outer * size * inner);
    for (let position = 0; position < size; position++) {
      for (let k = 0; k < kernel[axis]; k++) {
        if (!reaches(k, position)) continue;
        for (let row = 0; row < outer; row++) {
          const to = (row * size + position) * inner;
          const from = (row * kernel[axis] + k) * inner;
          for (let i = 0; i < inner; i++) next[to + i] += map[from + i];
        }
      }
    }
    map = next;
    output.push(size);
  });
  return tensor('s32', map, [1, filters, ...output]);
}

/** conv(1, w) over an input of spatial size `input`, as [1, O, output…]. */
export function onesConvolution(w: ITensor<ByteType>, input: readonly number[], attrs: ConvAttrs): ITensor<'s32'> {
  const rank = input.length;
  const axes = input.map((length, axis): MapAxis => {
    const [kernel, stride, dilation] = [w.shape[axis + 2], attrs.strides[axis], attrs.dilations[axis]];
    const [begin, end] = [attrs.pads[axis], attrs.pads[axis + rank]];
    const size = windowedDim(length, kernel, stride, dilation, begin, end);
    const from = (k: number, p: number): number => p * stride - begin + k * dilation;
    return { size, reaches: (k, p) => from(k, p) >= 0 && from(k, p) < length };
  });
  return tapMap(w, { kind: 'conv', group: attrs.group }, axes);
}
