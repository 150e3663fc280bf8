import { byteTypes } from '../../../ir/index.ts';

/** Element types the addon computes with. */
export const nativeTypes = [...byteTypes, 's32', 'f32'] as const;
export type NativeType = (typeof nativeTypes)[number];

/** Element types that are cast, and compared. */
export const castTypes = [...nativeTypes, 's16'] as const;
export type CastType = (typeof castTypes)[number];

/**
 * The place of a tensor of bytes, channels last, within a larger one: the channels of a position lie together from `offset` on, and those of the
 * next one `stride` bytes behind them.
 */
export interface ChannelSlice {
  readonly offset: number;
  readonly stride: number;
}

export type Three = readonly [number, number, number];

/** The windows of pools over channels-last tensors: `batch` images of `channels`, up to three axes. */
export interface PoolWindows {
  readonly batch: number;
  readonly channels: number;
  readonly input: Three;
  readonly output: Three;
  readonly kernel: Three;
  readonly strides: Three;
  readonly dilations: Three;
  readonly padsBegin: Three;
}
