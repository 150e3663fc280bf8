/** Sums of weights over the source channels: the factors of a source zero point. */
import { type ByteType, type ITensor, layoutKey, type ProductLayout, rowsOf, weightsLayout } from '../../ir/index.ts';

const known = new WeakMap<ITensor, Map<string, Int32Array>>();

/**
 * Σ_c w in int32, wrapping, of all else as it lies in memory: [O, taps] of a convolution, transposed or not, [batches, N] of a
 * matrix product. Every way asks, weights are read once.
 */
export function channelSums(w: ITensor<ByteType>, of: ProductLayout): Int32Array {
  const own = known.get(w) ?? new Map<string, Int32Array>();
  known.set(w, own);
  const key = layoutKey(of);
  const sums = own.get(key) ?? added(w, of);
  own.set(key, sums);
  return sums;
}

function added({ data, shape }: ITensor<ByteType>, of: ProductLayout): Int32Array {
  const { blocks, rows, length } = rowsOf(weightsLayout(of, shape));
  const sums = new Int32Array(blocks * length);
  for (let block = 0, at = 0; block < blocks; block++) {
    if (length === 1) {
      sums[block] = sumOf(data, at, (at += rows));
      continue;
    }
    const own = sums.subarray(block * length, (block + 1) * length);
    let row = 0;
    for (; row + 8 <= rows; row += 8, at += 8 * length) addRows(data, at, length, own);
    for (; row < rows; row++) for (let i = 0; i < length; i++) own[i] += data[at++];
  }
  return sums;
}

/** Adds eight rows at a time: each sum is read and written once for all of them. */
function addRows(data: Int8Array | Uint8Array, at: number, length: number, sums: Int32Array): void {
  const [b, c, d, e] = [at + length, at + 2 * length, at + 3 * length, at + 4 * length];
  const [f, g, h] = [at + 5 * length, at + 6 * length, at + 7 * length];
  for (let i = 0; i < length; i++)
    sums[i] +=
      data[at + i] + data[b + i] + data[c + i] + data[d + i] + data[e + i] + data[f + i] + data[g + i] + data[h + i];
}

/** The sum of one line, in int32. */
export function sumOf(data: Int8Array | Uint8Array | Int32Array, from: number, to: number): number {
  let sum = 0;
  let i = from;
  for (; i + 4 <= to; i += 4) sum = (sum + data[i] + data[i + 1] + data[i + 2] + data[i + 3]) | 0;
  for (; i < to; i++) sum = (sum + data[i]) | 0;
  return sum;
}
