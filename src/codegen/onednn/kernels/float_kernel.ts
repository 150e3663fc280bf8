/** Kernels over floats and words. */
import type { PoolWindows, Three } from './native_types.ts';

export type FloatKernel =
  /** Pools of f32, channels last, over the taps inside the input (include-padding: divided by those inside the padded input); a maximum
   *  passes over NaN for any number; averages are summed in binary64 in the order of taps and rounded once. */
  | (PoolWindows & {
      readonly name: 'float-pool';
      readonly operation: 'max' | 'average-include-padding' | 'average-exclude-padding';
      readonly padsEnd: Three;
    })
  /** Convolutions, transposed convolutions and matrix products of f32, channels last: per result the bias, then Σ over channels and
   *  within them over the taps inside the input, ascending, in binary64 (where each product is exact), rounded once. Arguments
   *  source, `weights` f32[groups, channels / groups, kernel…, outputs / groups] (by batch: one such for each element of it),
   *  `bias` f32[outputs] [?]. Padding is skipped, so that it meets no infinite weight. */
  | {
      readonly name: 'float-product';
      readonly batch: number;
      readonly channels: number;
      readonly outputs: number;
      readonly groups: number;
      readonly input: Three;
      readonly output: Three;
      readonly kernel: Three;
      readonly strides: Three;
      readonly dilations: Three;
      readonly padsBegin: Three;
      readonly transposed: boolean;
      readonly weightsByBatch: boolean;
    }
  /** Linear interpolation along the neighbouring axes `input`, one to three, as ir/ops/linear_resize.ts states it. Arguments source[outer,
   *  input…, inner]; `places` s32 and `weights` f32, for each axis the lower and then the upper neighbours of its positions. */
  | {
      readonly name: 'interpolate';
      readonly type: 'f32' | 's32' | 's8' | 'u8';
      readonly outer: number;
      readonly input: readonly number[];
      readonly output: readonly number[];
      readonly inner: number;
      readonly tenBits: boolean;
    };
