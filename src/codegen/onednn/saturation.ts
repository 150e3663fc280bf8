/**
 * Processors without VNNI multiply u8 by s8 with vpmaddubsw, which adds two neighbouring products and saturates the sum
 * to int16: 255·(w_i + w_j) must stay within −32768 … 32767. Which weights meet depends on oneDNN's layout, so the test
 * asks it of any two weights of a filter: the two largest of one sign may add up to 128 at most. s8 sources are worse
 * off (oneDNN halves their weights and loses the last bit), so they are never safe there.
 */
import type { ITensor } from '../../ir/index.ts';
import type { OneDnnBinding } from './binding.ts';

const PAIR_LIMIT = 128; // ⌊32767 / 255⌋ and ⌊32768 / 255⌋

export const hasVnni = (isa: OneDnnBinding['isa']): boolean => isa === 'vnni' || isa === 'amx';

/** Whether primitives of this ISA compute the product exactly. `w`: filters first; per column for a matmul's right side. */
export function productIsExact(
  isa: OneDnnBinding['isa'],
  source: 'u8' | 's8',
  w: ITensor<'s8'> | undefined,
  filterStride: number,
): boolean {
  if (hasVnni(isa)) return true;
  if (source === 's8' || w === undefined) return false;
  return pairsFit(w.data, filterStride);
}

/** Weights of filter f: at f·stride … when `stride` > 0 (conv), at f, f − stride, … when negative (columns). */
function pairsFit(w: Int8Array, stride: number): boolean {
  const filters = stride > 0 ? w.length / stride : -stride;
  for (let f = 0; f < filters; f++) {
    const [start, end, step] = stride > 0 ? [f * stride, (f + 1) * stride, 1] : [f, w.length, -stride];
    let [high, nextHigh, low, nextLow] = [0, 0, 0, 0];
    for (let i = start; i < end; i += step) {
      const v = w[i];
      if (v > high) [high, nextHigh] = [v, high];
      else if (v > nextHigh) nextHigh = v;
      if (v < low) [low, nextLow] = [v, low];
      else if (v < nextLow) nextLow = v;
    }
    if (high + nextHigh > PAIR_LIMIT || low + nextLow < -PAIR_LIMIT) return false;
  }
  return true;
}
