/** Bounds of polynomials: a symbol is a size; what divides is not 0. */
import { type Atom, add, atomsIn, combined, constantOf, numberOf, type Polynomial } from './polynomial_terms.ts';

/** The number of ranges to remember; more are computed again. */
const MOST_KEPT = 20_000;

/**
 * The function that tells a number that no value of a polynomial is below, −Infinity where it sees none.
 *
 * @param least no symbol is smaller
 */
export function lowerBoundWith(atomOf: (text: string) => Atom, least: number): (p: Polynomial) => number {
  const bounds = new WeakMap<Polynomial, number>();
  /** The ranges of atoms, by their texts. */
  const ranges = new Map<string, readonly [number, number]>();
  return lowerBound;

  /** A polynomial that was read is asked again and again. */
  function lowerBound(p: Polynomial): number {
    const known = bounds.get(p);
    if (known !== undefined) return known;
    const made = bound(p, 0);
    bounds.set(p, made);
    return made;
  }

  function bound(p: Polynomial, depth: number): number {
    let sum = 0;
    for (const [key, coefficient] of p) {
      const [low, high] = rangeOf(atomsIn(key));
      sum += coefficient > 0 ? coefficient * low : coefficient * high;
    }
    if (Number.isNaN(sum)) sum = Number.NEGATIVE_INFINITY;
    if (depth > 2) return sum;
    // −min(a, b) is at least −a, and max(a, b) at least a; ⌊a/b⌋ is at most a/b, and at least (a − b + 1)/b
    let best = sum;
    for (const [key, coefficient] of p) {
      const made = atomOf(key);
      const below = made.kind === 'quotient' ? (numberOf(made.below) ?? 0) : 0;
      if (made.kind === 'quotient' && below > 0) {
        const rest = combined(new Map(), p, below);
        rest.delete(key);
        const nearest = coefficient < 0 ? made.above : add(made.above, constantOf(1 - below));
        best = Math.max(best, Math.ceil(bound(combined(rest, nearest, coefficient), depth + 1) / below));
      }
      if (made.kind !== 'call' || made.name !== (coefficient < 0 ? 'min' : 'max')) continue;
      const rest = new Map(p);
      rest.delete(key);
      for (const arg of made.args) best = Math.max(best, bound(combined(rest, arg, coefficient), depth + 1));
    }
    return best;
  }

  function rangeOf(parts: readonly string[]): readonly [number, number] {
    return parts
      .map(rangeOfAtom)
      .reduce<readonly [number, number]>(
        ([a, b], [low, high]) =>
          low >= 0 && a >= 0 ? [a * low, b * high] : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
        [1, 1],
      );
  }

  function rangeOfAtom(text: string): readonly [number, number] {
    const known = ranges.get(text);
    if (known !== undefined) return known;
    const made = rangeOfNew(text);
    if (ranges.size >= MOST_KEPT) ranges.clear();
    ranges.set(text, made);
    return made;
  }

  function rangeOfNew(text: string): readonly [number, number] {
    const made = atomOf(text);
    if (made.kind === 'symbol') return [least, Number.POSITIVE_INFINITY];
    const range = (p: Polynomial): readonly [number, number] => [lowerBound(p), -bound(combined(new Map(), p, -1), 0)];
    if (made.kind === 'quotient') {
      const [low, high] = range(made.above);
      const below = numberOf(made.below);
      if (below !== undefined && below > 0) return [Math.floor(low / below), Math.floor(high / below)];
      return low >= 0 && lowerBound(made.below) >= 0 ? [0, high] : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    }
    if (made.name === 'wrap') return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const [[a, b], [c, d]] = made.args.map(range);
    if (made.name === 'broadcast') return [Math.min(a, c), Math.max(b, d)];
    return made.name === 'max' ? [Math.max(a, c), Math.max(b, d)] : [Math.min(a, c), Math.min(b, d)];
  }
}
