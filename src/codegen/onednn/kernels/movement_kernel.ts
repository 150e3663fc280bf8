/** Kernels that move elements, or make them of nothing. */

/** Element types of ranges. */
export const rangeTypes = ['s16', 's32', 's64', 'f32', 'f64'] as const;

export type MovementKernel =
  /** N-D gather-scatter copy of elements of 1, 2, 4 or 8 bytes: transposes, concatenations, slices, layout changes. */
  | {
      readonly name: 'copy';
      readonly elementBytes: number;
      readonly shape: readonly number[];
      readonly sourceStrides: readonly number[];
      readonly destinationStrides: readonly number[];
      readonly sourceOffset: number;
      readonly destinationOffset: number;
    }
  /** destination[o, i, k] = source[o, positions[i], k], source dense over [outer, size, inner]. */
  | {
      readonly name: 'gather';
      readonly elementBytes: number;
      readonly outer: number;
      readonly size: number;
      readonly inner: number;
      readonly positions: readonly number[];
    }
  /** destination[o, j, k] = source[o, at, k], `at` being the place within `sizes` that row j of `positions` names (row o·count + j where they are
   *  byOuter); negative positions count from the end. A run fails with ERR_POSITION when one is outside of its axis. */
  | {
      readonly name: 'gather-at';
      readonly elementBytes: number;
      readonly outer: number;
      readonly sizes: readonly number[];
      readonly part: number;
      readonly count: number;
      readonly byOuter: boolean;
      readonly positions: 's32' | 's64';
    }
  /** With `at` the place in `source` (`elements` elements) of coordinates of `shape` under `strides`, that of `axis`, which has `size`,
   *  given by `positions`: destination = source[at], or where it `scatters`, destination = source with `updates` at these places, in place.
   *  Negative positions count from the end; a run fails with ERR_POSITION when one is outside. */
  | {
      readonly name: 'along';
      readonly elementBytes: number;
      readonly shape: readonly number[];
      readonly strides: readonly number[];
      readonly axis: number;
      readonly size: number;
      readonly elements: number;
      readonly scatters: boolean;
      readonly positions: 's32' | 's64';
    }
  /** destination = source [sizes…, part], whose part at the place that row j of `positions` names is `updates` [count, part], row after row;
   *  in place. Positions as in gather-at. */
  | {
      readonly name: 'scatter-at';
      readonly elementBytes: number;
      readonly sizes: readonly number[];
      readonly part: number;
      readonly count: number;
      readonly positions: 's32' | 's64';
    }
  /** destination[i] = table[source[i]], positions s32 and below 0 counted from the end of `size` entries; beyond them it is the entry next to it. */
  | {
      readonly name: 'lookup';
      readonly elementBytes: number;
      readonly size: number;
      readonly count: number;
    }
  /** destination (dense, `shape` + pads) = source surrounded by `value` (raw bits of one element). Pads are not negative. */
  | {
      readonly name: 'pad';
      readonly elementBytes: number;
      readonly shape: readonly number[];
      readonly padsBegin: readonly number[];
      readonly padsEnd: readonly number[];
      readonly value: number;
    }
  /** destination u8[rows, lanes], of which lane i is channel lanes[i] of source [rows, channels]; `flip`: u8 = s8 + 128. */
  | {
      readonly name: 'gather-channels';
      readonly rows: number;
      readonly channels: number;
      readonly lanes: readonly number[];
      readonly flip: boolean;
    }
  /** destination[i] = start + i·delta, integers modulo 2^bits, floats in binary64, rounded once. */
  | { readonly name: 'range'; readonly type: (typeof rangeTypes)[number]; readonly count: number }
  /** destination s64 = values. */
  | { readonly name: 'numbers'; readonly values: readonly number[] };
