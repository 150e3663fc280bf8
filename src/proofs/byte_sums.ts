/**
 * Sums of signed bytes, four at a time. A word holds the bytes b₃b₂b₁b₀. With the signs in bits of their own,
 *
 *   negative = word >>> 7 & 0x01010101            1 for each byte below 0
 *   low      = word & 0x7f7f7f7f                  b, or b + 128 where b is below 0
 *   positive = low & ~(negative·127)              b, or 0 where b is below 0
 *
 * Σb = Σlow − 128·Σnegative. The bytes of two words add up to no more than 254, so they are added as words; then
 *
 *   (v & 0x00ff00ff) + (v >>> 8 & 0x00ff00ff)     two lanes of 16 bits
 *
 * are added until a lane might overflow.
 */

/**
 * The sums over the rows, by block and column of blocks × rows × length bytes: of all bytes, and of the positive ones.
 */
export interface Sums {
  readonly sums: Int32Array | Float64Array;
  readonly aboves: Int32Array | Float64Array;
}

/** Takes fewer than 2^24 rows, so that every sum fits int32. */
export type ByteSums = (bytes: Int8Array, blocks: number, rows: number, length: number) => Sums;
export const MOST_ROWS = 2 ** 24 - 1;

export const byteSums: ByteSums = (bytes, blocks, rows, length) => {
  const [sums, aboves] = [new Int32Array(blocks * length), new Int32Array(blocks * length)];
  if (length === 1) {
    const [words, out] = [wordsOf(bytes), { sum: 0, above: 0 }];
    for (let block = 0; block < blocks; block++) {
      sumRun(bytes, words, block * rows, rows, out);
      sums[block] = out.sum;
      aboves[block] = out.above;
    }
  } else if (length > 1) {
    const columns = new ColumnSums(bytes, length);
    for (let block = 0; block < blocks; block++) columns.add(block * rows * length, rows, sums, aboves, block * length);
  }
  return { sums, aboves };
};

interface RunSums {
  sum: number;
  above: number;
}

const LANES = 0x00ff00ff;
const SIGNS = 0x01010101;
const LOW = 0x7f7f7f7f;
/** Words, or rows, whose lanes are added before they are taken apart: 128 signs fit into a byte, 64 · 508 into 16 bits. */
const RUN = 128;

const total = (lanes: number): number => (lanes & 0xffff) + (lanes >>> 16);

/** Words of the buffer that bytes lie in; up to three bytes at its end are in none. */
const wordsOf = ({ buffer }: Int8Array): Int32Array => new Int32Array(buffer, 0, buffer.byteLength >> 2);

/** Sums `count` bytes from `at` on; `words` are the words of their buffer. */
function sumRun(bytes: Int8Array, words: Int32Array, at: number, count: number, out: RunSums): void {
  const head = Math.min(-(bytes.byteOffset + at) & 3, count);
  const inPairs = (count - head) & ~7;
  sumBytes(bytes, at, head, out);
  let { sum, above } = out;
  const first = (bytes.byteOffset + at + head) >> 2;
  for (let from = first, end = first + (inPairs >> 2); from < end; from += RUN) {
    const to = Math.min(from + RUN, end);
    let signs = 0;
    let all = 0;
    let kept = 0;
    for (let i = from; i < to; i += 2) {
      const a = words[i];
      const b = words[i + 1];
      const p = (a >>> 7) & SIGNS;
      const q = (b >>> 7) & SIGNS;
      const lows = ((a & LOW) + (b & LOW)) | 0;
      const positives = ((a & LOW & ~((p << 7) - p)) + (b & LOW & ~((q << 7) - q))) | 0;
      signs = (signs + p + q) | 0;
      all = (all + (lows & LANES) + ((lows >>> 8) & LANES)) | 0;
      kept = (kept + (positives & LANES) + ((positives >>> 8) & LANES)) | 0;
    }
    sum += total(all) - 128 * total((signs & LANES) + ((signs >>> 8) & LANES));
    above += total(kept);
  }
  sumBytes(bytes, at + head + inPairs, count - head - inPairs, out);
  out.sum += sum;
  out.above += above;
}

/** One at a time. */
function sumBytes(bytes: Int8Array, at: number, count: number, out: RunSums): void {
  let sum = 0;
  let above = 0;
  for (let i = at; i < at + count; i++) {
    const v = bytes[i];
    sum += v;
    above += Math.max(v, 0);
  }
  out.sum = sum;
  out.above = above;
}

/**
 * Sums by column of rows of `length` bytes. When a row does not fill whole words, several rows are taken at once: four
 * rows of 9 bytes are 9 words.
 */
class ColumnSums {
  readonly #bytes: Int8Array;
  readonly #words: Int32Array;
  readonly #length: number;
  /** The number of rows that are read as one, which is `#columns` long. */
  readonly #joined: number;
  readonly #columns: number;
  /** By word of the joined row: lanes of positive bytes 0 and 2 and of bytes 1 and 3, the same of low bytes, and signs. */
  readonly #lanes: Int32Array;
  readonly #zeros: Int32Array;

  constructor(bytes: Int8Array, length: number) {
    this.#bytes = bytes;
    this.#words = wordsOf(bytes);
    this.#length = length;
    this.#joined = length % 4 === 0 ? 1 : length % 2 === 0 ? 2 : 4;
    this.#columns = length * this.#joined;
    this.#lanes = new Int32Array((5 * this.#columns) / 4);
    this.#zeros = new Int32Array(this.#columns / 4);
  }

  /** Adds the sums of `rows` rows from `at` on to `sums` and `aboves` from `to` on. */
  add(at: number, rows: number, sums: Int32Array, aboves: Int32Array, to: number): void {
    const count = rows * this.#length;
    const skipped = Math.min(-(this.#bytes.byteOffset + at) & 3, count);
    const joined = Math.floor((count - skipped) / this.#columns);
    this.#addBytes(at, 0, skipped, sums, aboves, to);
    for (let row = 0; row < joined; row += RUN) {
      const first = this.#bytes.byteOffset + at + skipped + row * this.#columns;
      this.#fillLanes(first >> 2, Math.min(RUN, joined - row));
      this.#empty(skipped, sums, aboves, to);
    }
    this.#addBytes(at, skipped + joined * this.#columns, count, sums, aboves, to);
  }

  /** Bytes [from, end) of the rows that begin at `at`. */
  #addBytes(at: number, from: number, end: number, sums: Int32Array, aboves: Int32Array, to: number): void {
    for (let i = from, column = to + (from % this.#length); i < end; i++) {
      const v = this.#bytes[at + i];
      sums[column] += v;
      aboves[column] += Math.max(v, 0);
      if (++column === to + this.#length) column = to;
    }
  }

  #fillLanes(word: number, rows: number): void {
    const perRow = this.#zeros.length;
    const [words, lanes] = [this.#words, this.#lanes.fill(0)];
    const end = word + rows * perRow;
    for (; word + perRow < end; word += 2 * perRow) addRows(words, word, words, word + perRow, lanes);
    if (word < end) addRows(words, word, this.#zeros, 0, lanes);
  }

  /** The sums of the lanes, whose first byte is in column `first`. */
  #empty(first: number, sums: Int32Array, aboves: Int32Array, to: number): void {
    for (let column = 0, own = to + (first % this.#length); column < this.#columns; column++) {
      // Byte k of a word is in lane k >> 1 of pair k & 1.
      const i = (column >> 2) * 5;
      const lane = i + (column & 1);
      const shift = (column & 2) * 8;
      const negative = (this.#lanes[i + 4] >>> ((column & 3) * 8)) & 0xff;
      aboves[own] += (this.#lanes[lane] >>> shift) & 0xffff;
      sums[own] += ((this.#lanes[lane + 2] >>> shift) & 0xffff) - 128 * negative;
      if (++own === to + this.#length) own = to;
    }
  }
}

function addRows(a: Int32Array, first: number, b: Int32Array, second: number, lanes: Int32Array): void {
  for (let i = 0; i < lanes.length; i += 5) {
    const v = a[first++];
    const w = b[second++];
    const p = (v >>> 7) & SIGNS;
    const q = (w >>> 7) & SIGNS;
    const lows = ((v & LOW) + (w & LOW)) | 0;
    const positives = ((v & LOW & ~((p << 7) - p)) + (w & LOW & ~((q << 7) - q))) | 0;
    lanes[i] += positives & LANES;
    lanes[i + 1] += (positives >>> 8) & LANES;
    lanes[i + 2] += lows & LANES;
    lanes[i + 3] += (lows >>> 8) & LANES;
    lanes[i + 4] += p + q;
  }
}
