/**
 * The greatest of a list, in the order in which std::partial_sort of GNU's libstdc++ puts them: a heap of the best so far whose top is the
 * least of them, taken apart from the top. Equal numbers stay in no simple order, and LiteRT's builds show that one.
 */

/** Places of numbers; no child comes after its parent in the order `isBefore`, in which greater numbers are first. */
class Heap {
  readonly #heap: number[];
  readonly #isBefore: (a: number, b: number) => boolean;

  constructor(places: readonly number[], isBefore: (a: number, b: number) => boolean) {
    this.#heap = [...places];
    this.#isBefore = isBefore;
    for (let parent = Math.floor(places.length / 2) - 1; parent >= 0; parent--)
      this.#settle(parent, places.length, places[parent]);
  }

  get top(): number {
    return this.#heap[0];
  }

  replaceTop(place: number): void {
    this.#settle(0, this.#heap.length, place);
  }

  /** A hole goes down along the children that come last, the right one of equal ones, and the place up again from where it ends. */
  #settle(start: number, length: number, place: number): void {
    const heap = this.#heap;
    let hole = start;
    while (2 * hole + 1 < length) {
      const right = 2 * hole + 2;
      const child = right === length || this.#isBefore(heap[right], heap[right - 1]) ? right - 1 : right;
      heap[hole] = heap[child];
      hole = child;
    }
    while (hole > start) {
      const parent = Math.floor((hole - 1) / 2);
      if (!this.#isBefore(heap[parent], place)) break;
      heap[hole] = heap[parent];
      hole = parent;
    }
    heap[hole] = place;
  }

  /** Takes the heap apart: the top of what is left goes to its end. */
  sorted(): readonly number[] {
    const heap = this.#heap;
    for (let end = heap.length - 1; end > 0; end--) {
      const place = heap[end];
      heap[end] = heap[0];
      this.#settle(0, end, place);
    }
    return heap;
  }
}

/** The places of the `count` greatest values, which is at least 1, greatest first. */
export function greatestPlaces(values: readonly number[], count: number): readonly number[] {
  const places = [...values.keys()];
  const heap = new Heap(places.slice(0, count), (a, b) => values[a] > values[b]);
  for (const place of places.slice(count)) if (values[place] > values[heap.top]) heap.replaceTop(place);
  return heap.sorted();
}
