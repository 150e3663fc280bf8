/** Sizes that grow by the same from run to run, as the past of a decoder does: the session of the next run is made while this one computes. */

type Sizes = ReadonlyMap<string, number>;

export class Foresight {
  #latest: Sizes = new Map();
  #growth: Sizes = new Map();

  /** The sizes of the runs before and behind this one, where sizes have grown twice by the same. To be asked once in each run. */
  around(sizes: Sizes): { readonly before: Sizes; readonly next: Sizes } | undefined {
    const before = this.#latest;
    const growth = grownFrom(before, sizes);
    const isSteady = isEqual(growth, this.#growth) && [...growth.values()].some((more) => more !== 0);
    [this.#latest, this.#growth] = [sizes, growth];
    if (!isSteady) return undefined;
    return { before, next: new Map([...sizes].map(([symbol, size]) => [symbol, size + (growth.get(symbol) ?? 0)])) };
  }
}

const grownFrom = (before: Sizes, sizes: Sizes): Sizes =>
  new Map([...sizes].map(([symbol, size]) => [symbol, size - (before.get(symbol) ?? Number.NaN)]));

/** Where a size is not known there is NaN, which equals nothing. */
const isEqual = (a: Sizes, b: Sizes): boolean =>
  a.size === b.size && [...a].every(([symbol, more]) => more === b.get(symbol));
