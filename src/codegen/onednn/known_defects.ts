/**
 * Implementations of oneDNN that give wrong integers, found by test/differential: each with what was seen. The lowering
 * goes around them.
 */
import type { ConvAttrs } from '../../ir/ops/conv_geometry.ts';

/**
 * How far an implementation can be trusted with a source zero point as its attribute. Of 2.6.3 (8000 random
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
 * Whether an implementation multiplies by one number for all channels, as a post-op of its own, in every channel. Those of
 * 2.6.3 for AVX2 (24 of 60 depthwise convolutions with two factors were wrong) leave 0 in all but the first of the channels behind the last eight.
 */
export const trustWithScalarPostOps = (implementation: string, channels: number): boolean =>
  channels % 8 <= 1 || !/avx2|sse41/.test(implementation);

/** What `create` makes; undefined where oneDNN has no such primitive, or none that gives right integers. */
export function offered<T>(create: () => T): T | undefined {
  try {
    return create();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('oneDNN has no')) return undefined;
    throw error;
  }
}
