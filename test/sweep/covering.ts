/**
 * A covering design: few combinations in which every two values of two dimensions meet. Faults of kernels and rewrites sit
 * where two or three conditions meet, and blind draws take long to bring rare values together.
 */
export type Dimensions = Readonly<Record<string, readonly unknown[]>>;
/** One value of each dimension. */
export type Choice<D extends Dimensions = Dimensions> = { readonly [K in keyof D]: D[K][number] };

/** Candidates that are made of each row; the one that covers most is kept. */
const CANDIDATES = 6;

/** Pairs of values of two dimensions that no row has yet. */
class OpenPairs {
  readonly #sizes: readonly number[];
  /** The offsets of the pairs of dimensions a < b, at a · dimensions + b. */
  readonly #starts: Int32Array;
  readonly #isOpen: Uint8Array;
  readonly #order: Int32Array;
  #tried = 0;

  constructor(sizes: readonly number[], random: () => number) {
    this.#sizes = sizes;
    this.#starts = new Int32Array(sizes.length ** 2);
    let count = 0;
    for (let a = 0; a < sizes.length; a++)
      for (let b = a + 1; b < sizes.length; b++) {
        this.#starts[a * sizes.length + b] = count;
        count += sizes[a] * sizes[b];
      }
    this.#isOpen = new Uint8Array(count).fill(1);
    this.#order = Int32Array.from(shuffled(count, random));
  }

  #at(a: number, i: number, b: number, j: number): number {
    return a < b
      ? this.#starts[a * this.#sizes.length + b] + i * this.#sizes[b] + j
      : this.#starts[b * this.#sizes.length + a] + j * this.#sizes[a] + i;
  }
  has = (a: number, i: number, b: number, j: number): boolean => this.#isOpen[this.#at(a, i, b, j)] === 1;

  /** One of them as [a, i, b, j]; undefined when all are covered. */
  next(): readonly number[] | undefined {
    while (this.#tried < this.#order.length && !this.#isOpen[this.#order[this.#tried]]) this.#tried++;
    if (this.#tried === this.#order.length) return undefined;
    const at = this.#order[this.#tried];
    for (let a = this.#sizes.length - 2; a >= 0; a--)
      for (let b = this.#sizes.length - 1; b > a; b--) {
        const start = this.#starts[a * this.#sizes.length + b];
        if (at < start) continue;
        return [a, Math.floor((at - start) / this.#sizes[b]), b, (at - start) % this.#sizes[b]];
      }
    return undefined;
  }

  /** Counts the open pairs of a row. */
  count(row: readonly number[]): number {
    let open = 0;
    for (let a = 0; a < row.length; a++)
      for (let b = a + 1; b < row.length; b++) open += this.#isOpen[this.#at(a, row[a], b, row[b])];
    return open;
  }
  cover(row: readonly number[]): void {
    for (let a = 0; a < row.length; a++)
      for (let b = a + 1; b < row.length; b++) this.#isOpen[this.#at(a, row[a], b, row[b])] = 0;
  }
}

/** Rows of positions in the dimensions, made greedily. The same for the same source of numbers. */
export function coveringDesign(sizes: readonly number[], random: () => number): readonly (readonly number[])[] {
  if (sizes.length === 1) return Array.from({ length: sizes[0] }, (_, i) => [i]);
  const open = new OpenPairs(sizes, random);
  const rows: number[][] = [];
  for (let first = open.next(); first !== undefined; first = open.next()) {
    const from = first;
    const candidates = Array.from({ length: CANDIDATES }, () => candidate(sizes, from, open, random));
    const gains = candidates.map((row) => open.count(row));
    const best = candidates[gains.indexOf(Math.max(...gains))];
    open.cover(best);
    rows.push(best);
  }
  return rows;
}

/** A row that has the pair `first`, and for every other dimension takes the value that covers most. */
function candidate(
  sizes: readonly number[],
  first: readonly number[],
  open: OpenPairs,
  random: () => number,
): number[] {
  const row = Array<number>(sizes.length).fill(-1);
  row[first[0]] = first[1];
  row[first[2]] = first[3];
  for (const a of shuffled(sizes.length, random)) {
    if (row[a] >= 0) continue;
    let [most, best] = [-1, 0];
    for (const i of shuffled(sizes[a], random)) {
      let gain = 0;
      for (let b = 0; b < row.length; b++) if (row[b] >= 0 && open.has(a, i, b, row[b])) gain++;
      if (gain > most) [most, best] = [gain, i];
    }
    row[a] = best;
  }
  return row;
}

function shuffled(length: number, random: () => number): number[] {
  const order = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Uniform numbers in [0, 1), the same for the same seed (splitmix32). */
export function numbersFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let t = state ^ (state >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return ((t ^ (t >>> 15)) >>> 0) / 2 ** 32;
  };
}
