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
  /** Convolutions and transposed convolutions of f32, channels last: per result the bias, then Σ over channels and
   *  within them over the taps inside the input, ascending: in binary32 from the bias on, each product rounded together with the sum before it, a sum of −0 as +0. Arguments
   *  source, `weights` f32[groups, channels / groups, kernel…, outputs / groups],
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
    }
  /** Batches of matrix products: bias + Σ source[row, k]·weights[k, column], each product added in the order of k and rounded together with the
   *  sum before it. Strides go along the axes of `shape`, then of source and destination from row to row, of the weights along the depth and
   *  from column to column; the depth of the source and the columns of the destination lie one after another. Arguments source, `weights`,
   *  `bias` f32[columns] [?]. */
  | {
      readonly name: 'fused-product';
      readonly shape: readonly number[];
      readonly rows: number;
      readonly depth: number;
      readonly columns: number;
      readonly sourceStrides: readonly number[];
      readonly weightsStrides: readonly number[];
      readonly destinationStrides: readonly number[];
    }
  /** qnn.block_matmul, as its declaration states it. Arguments source f32[rows, depth], constants `weights`, `scale`,
   *  `zeroPoint` [?], destination f32[rows, columns]. */
  | {
      readonly name: 'block-product';
      readonly rows: number;
      readonly depth: number;
      readonly columns: number;
      readonly block: number;
      readonly bits: 2 | 4 | 8;
      readonly zero: 'middle' | 'bytes' | 'floats';
      readonly activations: 'f32' | 's8';
      readonly levels: 'affine' | 'fp4' | 'nf4';
    }
  /** qnn.block_gather, as its declaration states it. Arguments source u8[rows, length·bits / 8], `indices` [count], `scale`, `zeroPoint` [?]. */
  | {
      readonly name: 'block-gather';
      readonly rows: number;
      readonly length: number;
      readonly block: number;
      readonly bits: 2 | 4 | 8;
      readonly count: number;
      readonly indexType: 's32' | 's64';
    }
  /** The steps of a recurrent layer behind the sums of its input, as ir/ops/recurrence.ts states them, in all directions: the only one
   *  goes backwards where it is said, a second one always. Arguments `sums` f32[length, batch, directions, gates·hidden], `weights`
   *  f32[directions, gates·hidden, hidden], `ownBias` f32[directions, hidden] [?] of gru-linear, `h` and `c` f32[directions, batch,
   *  hidden] [?], `destination` f32[length, directions, batch, hidden], `lastH`, and of lstm `lastC`, f32[directions, batch, hidden]. */
  | {
      readonly name: 'recurrent';
      readonly cell: 'lstm' | 'gru' | 'gru-linear';
      readonly length: number;
      readonly batch: number;
      readonly hidden: number;
      readonly directions: number;
      readonly backwards: boolean;
    }
  /** qnn.dynamic_lstm, as its declaration states it: weights of bytes, with `scales` scales for each direction, and zero points for each column.
   *  Arguments source f32[length, batch, size], `weights` [directions, size, 4·hidden], `scale` f32[directions, scales], `zeroPoint` [directions,
   *  4·hidden] [?], `stateWeights` [directions, hidden, 4·hidden], `stateScale` and `stateZeroPoint` likewise, `bias` f32[directions, 4·hidden] [?],
   *  the sum of both halves, and states and results of `recurrent`. Weights and zero points are constants. */
  | {
      readonly name: 'dynamic-lstm';
      readonly weightsType: 'u8' | 's8';
      readonly length: number;
      readonly batch: number;
      readonly size: number;
      readonly hidden: number;
      readonly directions: number;
      readonly scales: number;
      readonly backwards: boolean;
    }
  /** destination[o, i, k] = Σ over four taps t of weights[i, t]·source[o, places[i, t], k] in binary64, tap after tap, along `size` positions that
   *  become `count`; `from` and `to` say which of both are rounded. `places` s32[count, 4], `weights` f64[count, 4]. */
  | {
      readonly name: 'resample';
      readonly from: 'f32' | 'f64';
      readonly to: 'f32' | 'f64';
      readonly outer: number;
      readonly size: number;
      readonly count: number;
      readonly inner: number;
    }
  /** Samples of images f32[batch, height, width, channels] at the points of `grid` f32[batch, positions, 2], as ir/ops/nn_grid_sample.op.ts
   *  states it: destination f32[batch, positions, channels]. */
  | {
      readonly name: 'grid-sample';
      readonly batch: number;
      readonly channels: number;
      readonly height: number;
      readonly width: number;
      readonly positions: number;
      readonly mode: 'linear' | 'nearest';
      readonly padding: 'zeros' | 'border' | 'reflection';
      readonly alignsCorners: boolean;
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
