/**
 * The occupied bytes of an arena over time: a segment tree over points of time. Each node has the bytes that are
 * occupied all the time that it stands for, and the ones that are occupied at any time of it. Ranges that touch grow
 * together, so that room is found in little more than the depth of the tree, however many buffers there are.
 */
export class Occupancy {
  readonly #points: number;
  readonly #always: (Ranges | undefined)[] = [];
  readonly #ever: (Ranges | undefined)[] = [];
  /**
   * The occupied bytes at a few points of time: where many lives meet, one of them tells how far up everything is full.
   */
  readonly #landmarks: { readonly point: number; readonly taken: Ranges }[] = [];

  /** @param points of time, from 0 */
  constructor(points: number) {
    this.#points = points;
    const step = Math.ceil(points / LANDMARKS);
    for (let point = points - 1; point >= 0; point -= step) this.#landmarks.push({ point, taken: new Ranges() });
  }

  /** The lowest offset at which so many bytes are free from one point of time to another, both included. */
  lowest(size: number, first: number, last: number): number {
    const taken = this.#landmarksIn(first, last)
      .sort((a, b) => b.total - a.total)
      .slice(0, 1);
    this.#visit(first, last, (node, isWhole) => {
      const ranges = isWhole ? this.#ever[node] : this.#always[node];
      if (ranges) taken.push(ranges);
    });
    let at = 0;
    for (let agreed = 0, i = 0; agreed < taken.length; i = (i + 1) % taken.length) {
      const free = taken[i].lowest(size, at);
      agreed = free === at ? agreed + 1 : 1;
      at = free;
    }
    return at;
  }

  take(at: number, size: number, first: number, last: number): void {
    if (size === 0) return;
    const add = (ranges: Ranges) => ranges.add(at, at + size);
    this.#landmarksIn(first, last).forEach(add);
    this.#visit(first, last, (node, isWhole) => {
      if (isWhole) add((this.#always[node] ??= new Ranges()));
      add((this.#ever[node] ??= new Ranges()));
    });
  }

  #landmarksIn(first: number, last: number): Ranges[] {
    return this.#landmarks.filter(({ point }) => first <= point && point <= last).map(({ taken }) => taken);
  }

  /** Visits the fewest nodes that stand for these points together, and their parents, which stand for more. */
  #visit(first: number, last: number, body: (node: number, isWhole: boolean) => void): void {
    const visit = (node: number, from: number, to: number): void => {
      if (to < first || last < from) return;
      const isWhole = first <= from && to <= last;
      body(node, isWhole);
      if (isWhole) return;
      const middle = (from + to) >>> 1;
      visit(2 * node, from, middle);
      visit(2 * node + 1, middle + 1, to);
    };
    visit(1, 0, this.#points - 1);
  }
}

const LANDMARKS = 64;

/** Disjoint ranges of numbers, in order; ranges that touch are joined. */
class Ranges {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** The sum of their lengths. */
  total = 0;

  add(start: number, end: number): void {
    const [starts, ends] = [this.#starts, this.#ends];
    const from = firstNotBelow(ends, start);
    let to = from;
    let replaced = 0;
    for (; to < starts.length && starts[to] <= end; to++) replaced += ends[to] - starts[to];
    const low = from === to ? start : Math.min(start, starts[from]);
    const high = from === to ? end : Math.max(end, ends[to - 1]);
    starts.splice(from, to - from, low);
    ends.splice(from, to - from, high);
    this.total += high - low - replaced;
  }

  /** The lowest number, from `at` on, from which so many are in none of the ranges. */
  lowest(size: number, at: number): number {
    const [starts, ends] = [this.#starts, this.#ends];
    for (let i = firstNotBelow(ends, at + 1); i < starts.length && starts[i] < at + size; i++) at = ends[i];
    return at;
  }
}

/** The first index in an ascending list whose number is not below `bound`. */
export function firstNotBelow(ascending: readonly number[], bound: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle] < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
