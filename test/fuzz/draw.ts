/** Random choices that are a pure function of a seed. */

/** A number below a limit. */
export type Draw = (limit: number) => number;

/** Deterministic; seeds that follow one another have nothing in common, nor do their first draws (splitmix32). */
export function random(seed: number): Draw {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * limit);
  };
}

export const pick = <T>(draw: Draw, list: readonly T[]): T => list[draw(list.length)];

/** True once in `n` draws. */
export const once = (draw: Draw, n: number): boolean => draw(n) === 0;

/** Entries with weights, one drawn by its weight. */
export function weighted<T>(draw: Draw, entries: readonly (readonly [weight: number, value: T])[]): T {
  let left = draw(entries.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, value] of entries) {
    left -= weight;
    if (left < 0) return value;
  }
  return entries[entries.length - 1][1];
}

/** Integers that sizes, positions and counts go wrong at. */
export const hostileIntegers = [
  ...[0, -1, 1, 2, 3, 5, 7, 8, 16, 127, 128, 255, 256, 1000, 4097, 65536],
  ...[2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 33, 2 ** 53 - 1, 2 ** 53, -(2 ** 31), -(2 ** 63), -2, -3],
] as const;

export const hostileFloats = [
  ...[0, -0, 1, -1, 0.5, 2, 1e-3, 1e-10, 1e10, 3.4e38, -3.4e38, 2 ** -149, 2 ** -126, 1e300],
  ...[Number.NaN, Infinity, -Infinity, 255.5, 2 ** 24 + 1, 2 ** 31, 0.1],
] as const;

/** Changes a number into a hostile one, or into one nearby. */
export function changedNumber(draw: Draw, value: number, isFloat: boolean): number {
  switch (draw(isFloat ? 5 : 6)) {
    case 0:
      return value + 1;
    case 1:
      return value - 1;
    case 2:
      return isFloat ? -value : value * 2;
    case 3:
      return draw(9) - 2;
    default:
      return pick<number>(draw, isFloat ? hostileFloats : hostileIntegers);
  }
}
