/**
 * Processors without VNNI multiply u8 by s8 with vpmaddubsw, which adds two neighbouring products and saturates the sum to
 * int16. With sources of at most r,
 *
 *   −32768 ≤ r·(w_a + w_b) ≤ 32767     for all weights a, b that meet
 *
 * makes sums exact. In all layouts that interleave four source channels, the weights that meet are those of channels 2k
 * and 2k + 1 of one filter and tap. Layers that hold offending pairs are given the same sum in other lanes: a lane reads a
 * channel and has that channel's weights, or zeros.
 */
import { filtersFirst, type ITensor, type ProductLayout, tensorOfType, weightsLayout } from '../../ir/index.ts';

/** Weights seen as filter × source channel × tap; a filter belongs to one of `groups`, which share no source channels. */
export interface FilterView {
  readonly data: Int8Array;
  readonly filters: number;
  /** Source channels of one group. */
  readonly channels: number;
  readonly taps: number;
  readonly groups: number;
  readonly order: 'filters first' | 'channels first';
}

/** Steps from filter to filter, channel to channel, tap to tap. */
export const stepsOf = ({ order, filters, channels, taps }: FilterView): readonly [number, number, number] =>
  order === 'filters first' ? [channels * taps, taps, 1] : [1, filters, channels * filters];

/** The weights of a product. Columns of matrices are filters, and batches are taps, which meet no other. */
export function filterView(w: ITensor, of: ProductLayout): FilterView {
  const isMatmul = of.kind === 'matmul';
  const { data } = tensorOfType(isMatmul ? w : filtersFirst(w, of), 's8');
  const { group: groups, filter, channel: channels, tap: taps } = weightsLayout(of, w.shape).sizes;
  return {
    data,
    filters: groups * filter,
    channels,
    taps,
    groups,
    order: isMatmul ? 'channels first' : 'filters first',
  };
}

/** True when the product of any source from 0 to `reach` with this sum of two weights stays within int16. */
export const pairFits = (reach: number, sum: number): boolean => reach * sum <= 32767 && reach * sum >= -32768;

/** Sums of pairs of weights: least and largest. */
export interface Pairs {
  readonly low: number;
  readonly high: number;
}

export const pairsFit = (reach: number, { low, high }: Pairs): boolean => pairFits(reach, low) && pairFits(reach, high);

/** Over any two weights of a filter. */
export function anyPairs(view: FilterView): Pairs {
  const { data, filters, channels, taps } = view;
  const [byFilter, byChannel, byTap] = stepsOf(view);
  let [low, high] = [0, 0];
  for (let o = 0; o < filters; o++) {
    let [top, next, bottom, last] = [0, 0, 0, 0];
    for (let c = 0; c < channels; c++) {
      for (let t = 0, i = o * byFilter + c * byChannel; t < taps; t++, i += byTap) {
        const v = data[i];
        if (v > top) [top, next] = [v, top];
        else if (v > next) next = v;
        if (v < bottom) [bottom, last] = [v, bottom];
        else if (v < last) last = v;
      }
    }
    low = Math.min(low, bottom + last);
    high = Math.max(high, top + next);
  }
  return { low, high };
}

/** Over the weights that two channels of a group have in a filter and tap. */
export function pairsOf(view: FilterView, group: number, a: number, b: number): Pairs {
  const { data, filters, taps, groups } = view;
  const [byFilter, byChannel, byTap] = stepsOf(view);
  const each = filters / groups;
  let [low, high] = [0, 0];
  for (let o = group * each; o < (group + 1) * each; o++) {
    let [i, j] = [o * byFilter + a * byChannel, o * byFilter + b * byChannel];
    for (let t = 0; t < taps; t++, i += byTap, j += byTap) {
      const sum = data[i] + data[j];
      if (sum < low) low = sum;
      else if (sum > high) high = sum;
    }
  }
  return { low, high };
}

/** Over the neighbours 2k and 2k + 1 of every group. */
export function neighbouringPairs(view: FilterView): Pairs {
  let [low, high] = [0, 0];
  for (let g = 0; g < view.groups; g++) {
    for (let c = 0; c < view.channels; c += 2) {
      const pairs = pairsOf(view, g, c, Math.min(c + 1, view.channels - 1));
      // The last of an odd number has no neighbour.
      const scale = c + 1 < view.channels ? 1 : 2;
      low = Math.min(low, pairs.low / scale);
      high = Math.max(high, pairs.high / scale);
    }
  }
  return { low, high };
}
