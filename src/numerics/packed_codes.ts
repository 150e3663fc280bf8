/** Integers of 2, 4 or 8 bits as codes of weights in blocks. */
import { dtypes, type ITensor } from '../tensors/index.ts';
import { bytesOfCodes } from './blocks.ts';

interface Codes {
  /** As many bits as the integers have, or fewer that hold them all. */
  readonly bits: number;
  /** The number that the code 0 stands for: 0, or the least of so many bits. */
  readonly least: number;
  /** The codes in each row; those behind the end of the integers are 0. */
  readonly wanted: number;
  /** A row for each column of the integers. */
  readonly isTurned?: boolean;
}

/** Codes of 4 bits in the other order: the highest bits of a byte are the second code or, as bitsandbytes has it, the first. */
export const withHalvesSwapped = (codes: Uint8Array): Uint8Array => codes.map((byte) => (byte << 4) | (byte >> 4));

/** So many columns are written at a time that the ends of their rows stay in the cache. */
const COLUMNS = 4096;

/** Each row of integers [rows, length], or each column, as codes in bytes of its own; packed integers are read where they lie. */
export function packedCodes(t: ITensor, { bits, least, wanted, isTurned = false }: Codes): Uint8Array {
  const { data } = t;
  const from = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const [count, length] = isTurned ? [t.shape[1], t.shape[0]] : t.shape;
  const line = bytesOfCodes(wanted, bits);
  const own = dtypes[t.dtype].bits;
  if (!isTurned && own === bits && (length * bits) % 8 === 0)
    return rowsOfBytes(from, { count, line, bytes: (length * bits) / 8, flipped: least === 0 ? 0 : signsOf(bits) });
  const codes = new Uint8Array(count * line);
  if (isTurned && own === 4 && bits === 4 && count % 2 === 0) {
    turnPairs(from, codes, { count, line, length, flipped: least === 0 ? 0 : signsOf(bits) });
    return codes;
  }
  const [byRow, byCode] = isTurned ? [1, count] : [length, 1];
  const [held, each, mask] = [8 / own, Math.log2(8 / bits), (1 << bits) - 1];
  for (let first = 0; first < count; first += COLUMNS) {
    const last = Math.min(count, first + COLUMNS);
    for (let k = 0; k < length; k++) {
      const [at, shift] = [k >> each, (k & ((1 << each) - 1)) * bits];
      for (let row = first; row < last; row++) {
        const flat = row * byRow + k * byCode;
        const pattern = from[Math.floor(flat / held)] >> ((flat % held) * own);
        codes[row * line + at] |= ((pattern - least) & mask) << shift;
      }
    }
  }
  return codes;
}

/** The highest bit of each code in a byte. */
const signsOf = (bits: number): number => (bits === 8 ? 0x80 : bits === 4 ? 0x88 : 0xaa);

interface Rows {
  readonly count: number;
  readonly line: number;
  readonly bytes: number;
  readonly flipped: number;
}

/** Columns of 4 bits: two of them, and two positions of each, at a time. */
function turnPairs(
  from: Uint8Array,
  codes: Uint8Array,
  sizes: Omit<Rows, 'bytes'> & { readonly length: number },
): void {
  const { count, line, length, flipped } = sizes;
  const bytes = count / 2;
  for (let first = 0; first < bytes; first += COLUMNS) {
    const last = Math.min(bytes, first + COLUMNS);
    for (let k = 0; k < length; k += 2) {
      const [one, other, at] = [k * bytes, (k + 1) * bytes, k / 2];
      const isLast = k + 1 === length;
      for (let i = first; i < last; i++) {
        const here = from[one + i] ^ flipped;
        const next = isLast ? 0 : from[other + i] ^ flipped;
        codes[2 * i * line + at] = (here & 15) | ((next & 15) << 4);
        codes[(2 * i + 1) * line + at] = (here >> 4) | (next & 0xf0);
      }
    }
  }
}

function rowsOfBytes(from: Uint8Array, { count, line, bytes, flipped }: Rows): Uint8Array {
  if (flipped === 0 && line === bytes) return from;
  const codes = new Uint8Array(count * line);
  for (let row = 0; row < count; row++) {
    codes.set(from.subarray(row * bytes, (row + 1) * bytes), row * line);
    for (let i = row * line; i < row * line + bytes; i++) codes[i] ^= flipped;
  }
  return codes;
}
