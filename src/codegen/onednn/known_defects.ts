/**
 * Implementations of oneDNN that give wrong integers, found by test/differential, each with the observations. The
 * lowering avoids them.
 */
import type { ConvAttrs } from '../../ir/index.ts';

/**
 * The trust in an implementation with a source zero point as its attribute. Measured on 2.6.3 (8000 random
 * convolutions; 0 mismatches without a zero point):
 *
 * - `jit:avx512_core_amx_int8`, 3-D and padded: 19 of 138 wrong, as with kernel 2x2x2 and pads 0,0,0 / 0,0,1; padding
 *   written out with the zero point is right.
 * - `x64:gemm_*`, grouped with one filter a group and a 1x1 kernel: about 1 in 150 wrong, padded or not.
 */
export function trustWithZeroPoint(
  implementation: string,
  { pads, strides }: ConvAttrs,
): 'whole' | 'unpadded' | 'none' {
  if (implementation.includes('gemm')) return 'none';
  const isPadded = pads.some((p) => p > 0);
  return isPadded && implementation.includes('amx') && strides.length === 3 ? 'unpadded' : 'whole';
}

/**
 * True when an implementation applies a `binary` post-op to every channel. Those of 2.6.3 for AVX2 and SSE4.1 read 0 in
 * all but the first of the channels behind the last eight of a depthwise convolution: of a factor for all channels (24
 * of 60 convolutions were wrong) and of one for each, by itself, behind a map or behind another (all with 2 to 7
 * channels behind the last eight; none of those with groups of several channels).
 */
export const trustWithBinaryPostOps = (implementation: string, { group }: ConvAttrs, channels: number): boolean =>
  channels % 8 <= 1 || group < channels || !/avx2|sse41/.test(implementation);

/** The result of `create`; undefined when oneDNN lacks the primitive, or has none that gives right integers. */
export function offered<T>(create: () => T): T | undefined {
  try {
    return create();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('oneDNN has no')) return undefined;
    throw error;
  }
}
