/** Numbers, lists and words that nobody expects, and the baselines that they are put into. */
export const hostileIntegers = [0, -1, 2, 7, 2 ** 31, 2 ** 33, -(2 ** 31) - 1, 2 ** 48, 2 ** 53, -(2 ** 62)] as const;
export const hostileFloats = [0, -1, Number.NaN, Infinity, -Infinity, 3e38, 1e-45, 2 ** 31, 0.3] as const;
export const hostileWords = ['', 'x', 'NaN', 'SAME_UPPER', '9007199254740993'] as const;
/** Sizes of axes: none, more than 32 bits, more than there is memory, a symbol. */
export const hostileSizes = [0, 2 ** 31, 2 ** 33, 2 ** 40, 'K'] as const;

/** Lists around a list: one entry replaced, one more, one less, all replaced, none. */
export function hostileLists<T>(list: readonly T[], values: readonly T[]): T[][] {
  const single = list.length > 0 ? list : values.slice(0, 1);
  return [
    [],
    single.slice(1),
    [...single, single[0]],
    ...values.flatMap((value) => [
      ...single.map((_, i) => single.with(i, value)),
      single.map(() => value),
      [value, value, value, value],
    ]),
  ];
}

/** Deterministic numbers below a limit. */
export function drawer(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** `count` of the list, spread over it; all of it where `count` is more. */
export function sampled<T>(list: readonly T[], count: number, seed: number): readonly T[] {
  if (list.length <= count) return list;
  const draw = drawer(seed);
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [i, i + 1].map((k) => Math.floor((k * list.length) / count));
    return list[from + draw(to - from)];
  });
}
