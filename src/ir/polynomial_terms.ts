/** Sums of products of atoms, an atom being known by its text: see polynomial.ts. */

/** The functions that expressions may call, besides `+ - * /`, each of two sizes. */
export const dimFunctions: Readonly<Record<string, (a: number, b: number) => number>> = {
  max: Math.max,
  min: Math.min,
  /** The size to which two broadcast: both are the same, or one is 1. */
  broadcast: (a, b) => (a === 1 ? b : a),
  /** A position that counts from the end where it is negative. */
  wrap: (position, size) => (position < 0 ? position + size : position),
};

/** Coefficients by monomial: the texts of its atoms in order, '' for the constant. */
export type Polynomial = ReadonlyMap<string, number>;

/** The content of a factor, found by its text. */
export type Atom =
  | { readonly kind: 'symbol' }
  | { readonly kind: 'quotient'; readonly above: Polynomial; readonly below: Polynomial }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Polynomial[] };

const SEPARATOR = '·';

export const constantOf = (value: number): Polynomial => (value === 0 ? new Map() : new Map([['', value]]));

/** The number that a polynomial is, undefined where symbols remain. */
export function numberOf(p: Polynomial): number | undefined {
  if (p.size === 0) return 0;
  return p.size === 1 ? p.get('') : undefined;
}

export const symbol = (text: string): Polynomial => new Map([[text, 1]]);

export function combined(a: Polynomial, b: Polynomial, factor: number): Map<string, number> {
  const sum = new Map(a);
  for (const [key, coefficient] of b) {
    const total = (sum.get(key) ?? 0) + factor * coefficient;
    if (total === 0) sum.delete(key);
    else sum.set(key, total);
  }
  return sum;
}

export const add = (a: Polynomial, b: Polynomial): Polynomial => combined(a, b, 1);

export const subtract = (a: Polynomial, b: Polynomial): Polynomial => combined(a, b, -1);

/** The atoms of a monomial. */
export const atomsIn = (key: string): readonly string[] => (key === '' ? [] : key.split(SEPARATOR));

export const keyOf = (parts: readonly string[]): string => [...parts].sort().join(SEPARATOR);

export const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? Math.abs(a) : greatestCommonDivisor(b, a % b);

/** The term that comes first by degree, then by the powers of atoms in their order: an order that products keep. */
export const leadingTerm = (p: Polynomial): readonly [string, number] =>
  [...p].reduce((first, term) => (comesBefore(atomsIn(term[0]), atomsIn(first[0])) ? term : first));

function comesBefore(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return a.length > b.length;
  const at = a.findIndex((part, i) => part !== b[i]);
  return at >= 0 && a[at] < b[at];
}

/** The list without each of `removed`, undefined where one of them is not in it. */
export function without(list: readonly string[], removed: readonly string[]): readonly string[] | undefined {
  const rest = [...list];
  for (const item of removed) {
    const at = rest.indexOf(item);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  return rest;
}
