/** Kernels over runs of elements: reductions and normalizations. Sums are in the order of numerics/partial_sums.ts. */

/** Element types that are reduced. */
export const rowTypes = ['f32', 'f64', 's32', 'u32', 's64', 'u64', 's16', 'u16', 's8', 'u8'] as const;
export type RowType = (typeof rowTypes)[number];

export type RowKernel =
  /** destination[outer, inner] of source[outer, length, inner]: floats in binary64, rounded once, integers modulo 2^bits. NaN is the maximum
   *  and the minimum of floats that hold one, and −0 lies below +0. mean, l1, l2, sum-square and log-sum are of floats only. */
  | {
      readonly name: 'reduce';
      readonly operation: 'sum' | 'mean' | 'l1' | 'l2' | 'sum-square' | 'log-sum' | 'product' | 'maximum' | 'minimum';
      readonly type: RowType;
      readonly outer: number;
      readonly length: number;
      readonly inner: number;
    }
  /** destination s64[outer, inner]: the position of the largest or smallest element along `length`, of equal ones the first, or the last; NaN
   *  takes over from no element. */
  | {
      readonly name: 'arg-max';
      readonly type: RowType;
      readonly outer: number;
      readonly length: number;
      readonly inner: number;
      readonly largest: boolean;
      readonly last: boolean;
    }
  /** The `count` largest or smallest elements along `length` in their order, of equal ones the first in front, NaN last: `destination`
   *  [outer, count, inner], and their `positions`, s64. */
  | {
      readonly name: 'top-k';
      readonly type: RowType;
      readonly outer: number;
      readonly length: number;
      readonly inner: number;
      readonly count: number;
      readonly largest: boolean;
    }
  /** Sums up to each element along `length`, without itself when exclusive, from the end when reverse: in order, floats in binary64. In place. */
  | {
      readonly name: 'cumulative-sum';
      readonly type: 'f32' | 'f64' | 's32' | 'u32' | 's64' | 'u64';
      readonly outer: number;
      readonly length: number;
      readonly inner: number;
      readonly exclusive: boolean;
      readonly reverse: boolean;
    }
  /** f32[outer, length, inner] along `length`, in binary64, rounded once, the maximum taken out first; NaN or +∞ in a lane, or −∞ alone, make all of
   *  it NaN. In place. log-sum-exp: destination[outer, inner], an infinite maximum being the result. */
  | {
      readonly name: 'softmax';
      readonly operation: 'softmax' | 'log-softmax' | 'log-sum-exp';
      readonly outer: number;
      readonly length: number;
      readonly inner: number;
    }
  /** f32[rows, length]: (x − mean) / √(mean of (x − mean)² + epsilon)·scale + bias, mean being 0 unless `centre`. Element i of row r has entry
   *  (r mod factorRows)·perRow + ⌊i·perRow / length⌋ of `scale` and `bias` [?]. In place. */
  | {
      readonly name: 'normalize';
      readonly rows: number;
      readonly length: number;
      readonly centre: boolean;
      readonly epsilon: number;
      readonly factorRows: number;
      readonly perRow: number;
    }
  /** `destination` s64: the positions of the elements of source[shape] that are not zero, [rank, count] row major; the count is the element behind
   *  the room for all, [rank · elements]. */
  | { readonly name: 'non-zero'; readonly type: RowType; readonly shape: readonly number[] }
  /** Chooses boxes of each batch and class: those whose score is above `score`, the best first (of equal scores, the box with the smaller number),
   *  leaving out each box that overlaps a chosen one by more than `overlap`, until there are `most`. `boxes` f32[batches, boxes, 4] are corners in any order, or centre and size; `scores` f32[batches,
   *  classes, boxes]; `destination` s64: batch, class and box, [count, 3]; the count is the element behind the room for batches · classes · most. */
  | {
      readonly name: 'non-max-suppression';
      readonly batches: number;
      readonly classes: number;
      readonly boxes: number;
      readonly most: number;
      readonly byCentre: boolean;
      readonly overlap: number;
      readonly score: number;
    }
  /** f32[outer, channels, inner]: (x − mean)·factor + offset in binary64, rounded once; `mean`, `factor`, `offset` f64[channels]. In place. */
  | { readonly name: 'channel-affine'; readonly outer: number; readonly channels: number; readonly inner: number };
