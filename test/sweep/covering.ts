/**
 * A covering design: few combinations in which every two values of two dimensions meet. Faults of kernels and rewrites sit
 * where two or three conditions meet, and blind draws take long to bring rare values together.
 */
export type Dimensions = Readonly<Record<string, readonly unknown[]>>;
/** One value of each dimension. */
export type Choice<D extends Dimensions = Dimensions> = { readonly [K in keyof D]: D[K][number] };

/** Candidates that are made of each row; the one that covers most is kept. */
const CANDIDATES = 6;

/** Rows of positions in the dimensions, made greedily. The same for the same source of numbers. */
export function coveringDesign(sizes: readonly number[], random: () => number): readonly (readonly number[])[] {
  const open = new Set<string>();
  const key = (a: number, i: number, b: number, j: number) => (a < b ? `${a} ${i} ${b} ${j}` : `${b} ${j} ${a} ${i}`);
  for (let a = 0; a < sizes.length; a++)
    for (let b = a + 1; b < sizes.length; b++)
      for (let i = 0; i < sizes[a]; i++) for (let j = 0; j < sizes[b]; j++) open.add(key(a, i, b, j));
  const rows: number[][] = [];
  if (open.size === 0) return sizes.length === 1 ? Array.from({ length: sizes[0] }, (_, i) => [i]) : [[]];
  const covered = (row: readonly number[]): string[] =>
    row.flatMap((i, a) => row.slice(0, a).flatMap((j, b) => (open.has(key(a, i, b, j)) ? [key(a, i, b, j)] : [])));
  const pairs = [...open];
  const order = shuffled(pairs.length, random);
  while (open.size > 0) {
    while (!open.has(pairs[order[order.length - 1]])) order.pop();
    const first = pairs[order[order.length - 1]].split(' ').map(Number);
    const candidates = Array.from({ length: CANDIDATES }, () => candidate(sizes, first, (...at) => open.has(key(...at)), random));
    const gains = candidates.map((row) => covered(row).length);
    const best = candidates[gains.indexOf(Math.max(...gains))];
    for (const pair of covered(best)) open.delete(pair);
    rows.push(best);
  }
  return rows;
}

/** A row that has the pair `first`, and for every other dimension takes what covers most. */
function candidate(
  sizes: readonly number[],
  first: readonly number[],
  isOpen: (a: number, i: number, b: number, j: number) => boolean,
  random: () => number,
): number[] {
  const row = Array<number>(sizes.length).fill(-1);
  row[first[0]] = first[1];
  row[first[2]] = first[3];
  for (const a of shuffled(sizes.length, random)) {
    if (row[a] >= 0) continue;
    let [most, best] = [-1, 0];
    for (const i of shuffled(sizes[a], random)) {
      const gain = row.filter((j, b) => j >= 0 && isOpen(a, i, b, j)).length;
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
