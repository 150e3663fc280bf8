/** Kernels over floats and words. */
import type { CastType, Three } from './native_types.ts';

export type FloatKernel =
  /** destination s64[outer, inner]: the position of the largest element along `length`, of equal ones the first, or the last; NaN is largest at the start alone. */
  | {
      readonly name: 'arg-max';
      readonly type: CastType;
      readonly outer: number;
      readonly length: number;
      readonly inner: number;
      readonly last: boolean;
    }
  /** Pools of f32, channels last, over the taps inside the input (include-padding: divided by those inside the padded input); a maximum
   *  passes over NaN for any number; averages are summed in binary64 in the order of taps and rounded once. */
  | {
      readonly name: 'float-pool';
      readonly operation: 'max' | 'average-include-padding' | 'average-exclude-padding';
      readonly batch: number;
      readonly channels: number;
      readonly input: Three;
      readonly output: Three;
      readonly kernel: Three;
      readonly strides: Three;
      readonly dilations: Three;
      readonly padsBegin: Three;
      readonly padsEnd: Three;
    }
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
  /** f32[outer, length, inner] along `length`, in binary64, rounded once; NaN, +∞ or −∞ alone in a lane make all of it NaN. In place. */
  | { readonly name: 'softmax'; readonly outer: number; readonly length: number; readonly inner: number };
