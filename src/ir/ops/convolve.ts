/** The sum that every convolution is: accumulated in binary64, in which integer products of 8 and 16 bits are exact, or fused in binary32. */
import { fusedMultiplyAdd } from '../../numerics/index.ts';
import { sizeOf } from '../../tensors/index.ts';
import { type ConvAttrs, tapsOf } from './conv_geometry.ts';

export interface SumOptions<A> {
  readonly x: ArrayLike<number>;
  readonly xShape: readonly number[];
  readonly w: ArrayLike<number>;
  readonly wShape: readonly number[];
  readonly outShape: readonly number[];
  readonly attrs: A;
  /** The zero points to subtract: one from every x, and one per result channel from every w. */
  readonly zx?: number;
  readonly zw?: (filter: number) => number;
  /** One per result channel. */
  readonly bias?: ArrayLike<number>;
  /** True for binary32 numbers, of which each product is rounded together with the sum before it; a sum of −0 ends as +0. */
  readonly fused?: boolean;
}
export type ConvolveOptions = SumOptions<ConvAttrs>;

/**
 *   y[n, o, p] = 0 + bias[o] + Σ_{c, tap inside} (x[n, g·C/G + c, p·stride − pad + tap·dilation] − zx) · (w[o, c, tap] − zw[o])
 *
 * One filter tap at a time, added over all positions it reaches.
 */
export function convolve(options: ConvolveOptions): Float64Array {
  const { xShape, wShape, outShape, attrs, zx = 0, zw, bias } = options;
  const [batch, channels, ...input] = xShape;
  const [filters, perGroup, ...kernel] = wShape;
  const output = outShape.slice(2);
  const [inputSize, outputSize, tapCount] = [sizeOf(input), sizeOf(output), sizeOf(kernel)];
  const filtersPerGroup = filters / attrs.group;
  const x = shifted(options.x, zx);
  const w = new Float64Array(options.w);
  const y = new Float64Array(sizeOf(outShape));
  const taps = tapsOf(kernel, input, output, attrs);
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < filters; o++) {
      const firstChannel = Math.floor(o / filtersPerGroup) * perGroup;
      const yBase = (n * filters + o) * outputSize;
      const zero = zw?.(o) ?? 0;
      if (bias) y.fill(0 + bias[o], yBase, yBase + outputSize);
      for (let c = 0; c < perGroup; c++) {
        const xBase = (n * channels + firstChannel + c) * inputSize;
        for (const { index, inputAt, outputAt } of taps) {
          const weight = w[(o * perGroup + c) * tapCount + index] - zero;
          const at = { x, xBase, inputAt, y, yBase, outputAt };
          if (options.fused) addFused(at, weight);
          else for (let i = 0; i < outputAt.length; i++) y[yBase + outputAt[i]] += x[xBase + inputAt[i]] * weight;
        }
      }
    }
  }
  return options.fused ? withoutNegativeZero(y) : y;
}

interface Lane {
  readonly x: Float64Array;
  readonly xBase: number;
  readonly inputAt: ArrayLike<number>;
  readonly y: Float64Array;
  readonly yBase: number;
  readonly outputAt: ArrayLike<number>;
}

/** Adds x·weight to y at all positions, in binary32. */
export function addFused({ x, xBase, inputAt, y, yBase, outputAt }: Lane, weight: number): void {
  for (let i = 0; i < outputAt.length; i++) {
    const to = yBase + outputAt[i];
    y[to] = fusedMultiplyAdd(x[xBase + inputAt[i]], weight, y[to]);
  }
}

export function withoutNegativeZero(y: Float64Array): Float64Array {
  for (let i = 0; i < y.length; i++) y[i] += 0;
  return y;
}

/** The values, less a zero point, in binary64. */
export function shifted(values: ArrayLike<number>, zero: number): Float64Array {
  const result = new Float64Array(values);
  if (zero !== 0) for (let i = 0; i < result.length; i++) result[i] -= zero;
  return result;
}
