/** The sum that every convolution is: accumulated in binary64, in which integer products of 8 and 16 bits are exact. */
import { sizeOf } from '../tensor.ts';
import { type ConvAttrs, forEachTapPosition, indicesOf } from './conv_geometry.ts';

export interface ConvolveOptions {
  readonly x: ArrayLike<number>;
  readonly xShape: readonly number[];
  readonly w: ArrayLike<number>;
  readonly wShape: readonly number[];
  readonly outShape: readonly number[];
  readonly attrs: ConvAttrs;
  /** What is subtracted from every x and, per filter, from every w. */
  readonly zx?: number;
  readonly zw?: (filter: number) => number;
}

/**
 *   y[n, o, p] = Σ_{c, tap inside} (x[n, g·C/G + c, p·stride − pad + tap·dilation] − zx) · (w[o, c, tap] − zw[o])
 *
 * One filter tap at a time, added over all positions it reaches.
 */
export function convolve({
  x,
  xShape,
  w,
  wShape,
  outShape,
  attrs,
  zx = 0,
  zw = () => 0,
}: ConvolveOptions): Float64Array {
  const [batch, channels, ...input] = xShape;
  const [filters, perGroup, ...kernel] = wShape;
  const output = outShape.slice(2);
  const [inputSize, outputSize, taps] = [sizeOf(input), sizeOf(output), sizeOf(kernel)];
  const filtersPerGroup = filters / attrs.group;
  const y = new Float64Array(sizeOf(outShape));
  [...indicesOf(kernel)].forEach((kernelIndex, tap) => {
    const outputAt: number[] = [];
    const inputAt: number[] = [];
    forEachTapPosition(kernelIndex, input, output, attrs, (o, i) => {
      outputAt.push(o);
      inputAt.push(i);
    });
    for (let n = 0; n < batch; n++) {
      for (let o = 0; o < filters; o++) {
        const firstChannel = Math.floor(o / filtersPerGroup) * perGroup;
        const yBase = (n * filters + o) * outputSize;
        for (let c = 0; c < perGroup; c++) {
          const weight = w[(o * perGroup + c) * taps + tap] - zw(o);
          if (weight === 0) continue;
          const xBase = (n * channels + firstChannel + c) * inputSize;
          for (let k = 0; k < outputAt.length; k++) y[yBase + outputAt[k]] += (x[xBase + inputAt[k]] - zx) * weight;
        }
      }
    }
  });
  return y;
}
