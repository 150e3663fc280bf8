/** Values that dimensions of several kinds share, with their meanings. */
import { type DType, dtypes } from '../../src/ir/index.ts';
import { type Strategy, strategyNames } from '../../src/passes/strategy_names.ts';
import type { Contents, Eight, Net, Quantization } from './net.ts';

export const eight = ['u8', 's8'] as const;
/** Around the blocks of kernels: 4, 8, 16, 32 and 64 channels, and one off. */
export const channels = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127] as const;
export const zeroPoints = ['none', 'zero', 'low', 'middle', 'odd', 'high'] as const;
export const contents = ['random', 'lowest', 'highest', 'alternating', 'bell', 'middle'] as const satisfies Contents[];
/** Seven bits: ±64, which ONNX Runtime adds without saturating on every processor. */
export const weightContents = [
  'seven bits',
  'seven bits at its ends',
  'random',
  'lowest',
  'highest',
  'middle',
] as const;
export const strategies = ['auto', ...strategyNames] as readonly Strategy[];
export const magnitudes = ['plain', 'power of two', 'tiny', 'huge'] as const;
/** The place of results in the range of their type. */
export const ranges = ['fit', 'ties', 'saturated', 'narrow'] as const;

export type ZeroPoint = (typeof zeroPoints)[number];
export type Magnitude = (typeof magnitudes)[number];

export function zeroPointOf(dtype: DType, which: ZeroPoint): number {
  const { min, max } = dtypes[dtype];
  const middle = min + (max - min + 1) / 2;
  return { none: 0, zero: 0, low: min, middle, odd: middle + 37, high: max }[which];
}

/** For one tensor: none where the operator may go without. */
export const zerosOf = (dtype: DType, which: ZeroPoint, count = 1): readonly number[] | undefined =>
  which === 'none' ? undefined : Array<number>(count).fill(zeroPointOf(dtype, which));

export function scaleOf(net: Net, magnitude: Magnitude): number {
  const near = 0.5 + net.random();
  return Math.fround(
    { plain: 0.02 * near, 'power of two': 2 ** -net.pick([3, 5, 7]), tiny: 1e-12 * near, huge: 1e9 * near }[magnitude],
  );
}

/** By channel: each another one; powers of two stay such. */
export const scalesOf = (net: Net, magnitude: Magnitude, count: number): readonly number[] => {
  const first = scaleOf(net, magnitude);
  return Array.from({ length: count }, (_, i) =>
    magnitude === 'power of two' ? first * 2 ** -(i % 3) : Math.fround(first * (0.3 + net.random())),
  );
};

export function weightsOf(dtype: Eight, which: (typeof weightContents)[number], net: Net): Contents {
  const middle = dtype === 'u8' ? 128 : 0;
  if (which === 'seven bits')
    return { of: Array.from({ length: 997 }, () => middle - 64 + Math.floor(net.random() * 129)) };
  if (which === 'seven bits at its ends') return { of: [middle - 64, middle + 64, middle] };
  return which;
}

/**
 * The scale of results whose integers are about `spread` large in units of `unit`: so that they fit, are ties (a multiplier
 * that is a power of two), go beyond the range, or are a handful of integers.
 */
export function resultScale(net: Net, range: (typeof ranges)[number], unit: number, spread: number): number {
  if (range === 'ties') return unit * 2 ** Math.max(1, Math.ceil(Math.log2(spread / 64)));
  const steps = { fit: 60, saturated: 1000, narrow: 3 }[range] * (0.7 + 0.6 * net.random());
  return Math.fround((unit * spread) / steps);
}

export const quantization = (
  dtype: DType,
  scales: readonly number[],
  zeros: readonly number[] | undefined,
): Quantization => ({ dtype, scales, zeros });
