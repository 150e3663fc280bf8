/**
 * Marks coordinates along an axis that are alike. Each has the number of its class, and a class is the same one for
 * every value and in every size of a region: a class that was compared in one size needs no comparison in another
 * (classes.ts).
 */

/** The class of each coordinate. A number is never used twice, which takes more than 32 bits. */
export type Marks = Float64Array;

let given = 0;
const distinct = new WeakSet<Marks>();

/** Marks coordinates as different from each other, and from all others. */
export function apart(n: number): Marks {
  const made = new Float64Array(n);
  for (let i = 0; i < n; i++) made[i] = given++;
  distinct.add(made);
  return made;
}

/** True when each coordinate has a class of its own, as `apart` makes them. */
export const areApart = (marks: Marks): boolean => distinct.has(marks);

const byLength = new Map<number, Marks>();
/** The coordinates of an axis of this length, unlike each other: one list for each length. */
export function positions(n: number): Marks {
  const known = byLength.get(n) ?? apart(n);
  byLength.set(n, known);
  return known;
}

const byKey = new Map<string, number>();
/**
 * The number of keys to remember. A forgotten one gets another number: one class then counts as two, compared twice.
 */
const MOST_KEYS = 2 ** 17;

function numberOf(key: string): number {
  const known = byKey.get(key);
  if (known !== undefined) return known;
  if (byKey.size >= MOST_KEYS) byKey.clear();
  byKey.set(key, given);
  return given++;
}

/** Marks coordinates with equal keys as alike: a key states everything that matters, for any size of the axis. */
export function marked(n: number, keyOf: (i: number) => string): Marks {
  const made = new Float64Array(n);
  for (let i = 0; i < n; i++) made[i] = numberOf(keyOf(i));
  return made;
}

const joins = new WeakMap<Marks, WeakMap<Marks, Marks>>();

/** Coordinates are alike where they are in both. */
export function joined(a: Marks | undefined, b: Marks | undefined): Marks | undefined {
  if (a === undefined || b === undefined || a === b) return a ?? b;
  const withA = joins.get(a) ?? new WeakMap<Marks, Marks>();
  joins.set(a, withA);
  const known = withA.get(b);
  if (known) return known;
  const made = areApart(a) || areApart(b) ? apart(a.length) : marked(a.length, (i) => `${a[i]} ${b[i]}`);
  withA.set(b, made);
  return made;
}
