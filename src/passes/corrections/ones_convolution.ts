/**
 * conv(1, w): what a convolution makes of an input of ones. It is the factor of −zx in the law, constant per filter where
 * the window is inside the input and smaller where padding cuts taps off:
 *
 *   conv(1, w)[o, p] = Σ_{tap inside at p} S[o, tap],    S[o, tap] = Σ_c w[o, c, tap]
 */
import { type ITensor, sizeOf, tensor } from '../../ir/index.ts';
import { type ConvAttrs, windowedDim } from '../../ir/ops/conv_geometry.ts';

const known = new WeakMap<ITensor, Int32Array>();

/** S[o, tap], flattened [O × taps]; wraps modulo 2^32. w: [O, C/group, kernel…]. Every way asks, weights are read once. */
export function tapSums(w: ITensor<'s8' | 'u8'>): Int32Array {
  const sums = known.get(w) ?? addedTaps(w);
  known.set(w, sums);
  return sums;
}

function addedTaps(w: ITensor<'s8' | 'u8'>): Int32Array {
  const [filters, channels, ...kernel] = w.shape;
  const taps = sizeOf(kernel);
  const sums = new Int32Array(filters * taps);
  const { data } = w;
  if (taps === 1) {
    for (let o = 0; o < filters; o++) sums[o] = sumOf(data, o * channels, (o + 1) * channels);
    return sums;
  }
  for (let o = 0, at = 0; o < filters; o++) {
    const base = o * taps;
    for (let c = 0; c < channels; c++) for (let tap = 0; tap < taps; tap++) sums[base + tap] += data[at++];
  }
  return sums;
}

/** Of one line, in int32. */
function sumOf(data: Int8Array | Uint8Array | Int32Array, from: number, to: number): number {
  let sum = 0;
  let i = from;
  for (; i + 4 <= to; i += 4) sum = (sum + data[i] + data[i + 1] + data[i + 2] + data[i + 3]) | 0;
  for (; i < to; i++) sum = (sum + data[i]) | 0;
  return sum;
}

/** Σw per filter as [1, O, 1, …]: conv(1, w) wherever every tap is inside. */
export function filterSums(w: ITensor<'s8' | 'u8'>): ITensor<'s32'> {
  const [filters, , ...kernel] = w.shape;
  const [sums, taps] = [tapSums(w), sizeOf(kernel)];
  const totals = new Int32Array(filters);
  for (let o = 0; o < filters; o++) totals[o] = sumOf(sums, o * taps, (o + 1) * taps);
  return tensor('s32', totals, [1, filters, ...kernel.map(() => 1)]);
}

/** One spatial axis of a map over output positions. */
export interface MapAxis {
  /** Output positions. */
  readonly size: number;
  /** Whether tap k reaches output position p from inside the input. */
  readonly reaches: (k: number, p: number) => boolean;
}

/** Σ of the taps that reach each output position, as [1, O, output…]. Separable in the taps: one axis is summed at a time. */
export function tapMap(w: ITensor<'s8' | 'u8'>, axes: readonly MapAxis[]): ITensor<'s32'> {
  const [filters, , ...kernel] = w.shape;
  let map = tapSums(w); // [O, k0, k1, …]: axis by axis, kernel positions become output positions
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
export function onesConvolution(w: ITensor<'s8' | 'u8'>, input: readonly number[], attrs: ConvAttrs): ITensor<'s32'> {
  const rank = input.length;
  const axes = input.map((length, axis): MapAxis => {
    const [kernel, stride, dilation] = [w.shape[axis + 2], attrs.strides[axis], attrs.dilations[axis]];
    const [begin, end] = [attrs.pads[axis], attrs.pads[axis + rank]];
    const size = windowedDim(length, kernel, stride, dilation, begin, end);
    const from = (k: number, p: number): number => p * stride - begin + k * dilation;
    return { size, reaches: (k, p) => from(k, p) >= 0 && from(k, p) < length };
  });
  return tapMap(w, axes);
}
