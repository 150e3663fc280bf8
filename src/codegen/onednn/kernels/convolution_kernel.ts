/** Convolutions over bytes. */
import type { ByteType } from '../../../ir/index.ts';
import type { ChannelSlice } from './native_types.ts';

/**
 * The fields that our convolution kernels share, in two dimensions; the result has the rows and columns of `output`.
 */
interface WindowKernel {
  readonly sourceType: ByteType;
  readonly weightsType: ByteType;
  readonly type: ByteType | 's32';
  readonly batch: number;
  readonly channels: number;
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly padsBegin: readonly [number, number];
  /** Absent: the argument `sourceZeroPoint`, one element of the type of the source, read in each run. */
  readonly sourceZeroPoint?: number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
  /** `after` unless given. */
  readonly zeroPointAt?: 'before' | 'after';
  readonly floats?: FloatEnd;
}

/**
 * The end of a sum of type s32 that becomes float: clip(fl(fl(fl(acc)·scale) + offset), low, high); NaN stays. Arguments `scale` f32[scales] and,
 * with `hasOffset`, `offset` f32[channels], which a run may compute.
 */
export interface FloatEnd {
  readonly low: number;
  readonly high: number;
  /** 1, or one for each channel of the result. */
  readonly scales: number;
  readonly hasOffset: boolean;
}

export type ConvolutionKernel =
  /** Depthwise convolution, channels last, any padding: padded taps read the source zero point, so they contribute 0.
   *  acc = Σ (x − zeroPoint)·(w − weightsZeroPoint[c]) + bias[c]; then as in requantize, in f32 and half to even (type 's32' gives acc). The output has channels · multiplier
   *  channels; output channel o reads input channel floor(o / multiplier). Arguments `weights` [output channels, kh·kw], `weightsZeroPoint` [output channels] [?] of the same type,
   *  `bias` s32[output channels] [?], `multiplier` f32[output channels] (absent for 's32'), and for bytes `scale` and `offset`
   *  f32[output channels] [? both]: these are constants, packed when the session is made. */
  | (WindowKernel & {
      readonly name: 'depthwise';
      readonly multiplier: number;
    })
  /** Convolution, channels last, of constant weights; the sum, `multiplier`, types and padding as in `depthwise`. Arguments `weights`
   *  [outputChannels, channels / groups, kh, kw], `weightsZeroPoint` [outputChannels] [?] of the same type, `bias` s32[outputChannels] [?], `multiplier` f32[outputChannels]
   *  (absent for 's32'), and for bytes `scale` and `offset` f32[outputChannels] [? both]: these are constants, packed when the session is made. */
  | (WindowKernel & {
      readonly name: 'convolution';
      readonly outputChannels: number;
      readonly groups: number;
      /** The place of results of bytes; absent: positions one after another. */
      readonly slice?: ChannelSlice;
      /** True for weights [channels, outputChannels, kh, kw], of one group; false unless given. */
      readonly channelsFirst?: boolean;
    })
  /** Products of matrices that only a run knows, y[…][m][n] = Σ (a[…][m][k] − za)·(b[…][k][n] − zb) in s32. Arguments source [rows, inner] and weights [inner, columns]
   *  of each position of the batch `shape`, which begin at multiples of the strides, in elements; `sourceZeroPoint` [?] and `weightsZeroPoint` [?], one
   *  element of the type of source or weights; destination s32[…shape, rows, columns]. */
  | {
      readonly name: 'matrix-product';
      readonly sourceType: ByteType;
      readonly weightsType: ByteType;
      readonly shape: readonly number[];
      readonly sourceStrides: readonly number[];
      readonly weightsStrides: readonly number[];
      readonly rows: number;
      readonly inner: number;
      readonly columns: number;
      readonly floats?: FloatEnd;
    }
  /** The slow, obvious convolution Σ (x − zx)(w − zw[o]) in s32 for whatever no fast route covers; row major, N-D (spatial rank 3, leading 1s).
   *  arguments source [N, C, d, h, w], weights [O, C/groups, kd, kh, kw] (transposed: [C, O/groups, …] as in ONNX),
   *  `sourceZeroPoint` s32[1] [?], `weightsZeroPoint` s32[weightsZeroPoints] [?], destination s32[N, O, …]. */
  | {
      readonly name: 'reference-convolution';
      readonly sourceType: ByteType;
      readonly weightsType: ByteType;
      readonly batch: number;
      readonly inputChannels: number;
      readonly outputChannels: number;
      readonly groups: number;
      /** 1, or outputChannels. */
      readonly weightsZeroPoints: number;
      readonly input: readonly [number, number, number];
      readonly output: readonly [number, number, number];
      readonly kernel: readonly [number, number, number];
      readonly strides: readonly [number, number, number];
      readonly dilations: readonly [number, number, number];
      readonly padsBegin: readonly [number, number, number];
      readonly transposed: boolean;
    };
