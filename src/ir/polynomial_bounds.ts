/** Bounds of polynomials: a symbol is a size; what divides is not 0. */
import { type Atom, add, atomsIn, combined, constantOf, numberOf, type Polynomial } from './polynomial_terms.ts';

/**
 * The function that tells a number that no value of a polynomial is below, −Infinity where it sees none.
 *
 * @param least no symbol is smaller
 */
export function lowerBoundWith(atomOf: (text: string) => Atom, least: number): (p: Polynomial) => number {
  return (p) => bound(p, 0);

  function bound(p: Polynomial, depth: number): number {
    let sum = 0;
    for (const [key, coefficient] of p) {
      const [low, high] = rangeOf(atomsIn(key), depth);
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

  function rangeOf(parts: readonly string[], depth: number): readonly [number, number] {
    return parts
      .map((part) => rangeOfAtom(part, depth))
      .reduce<readonly [number, number]>(
        ([a, b], [low, high]) =>
          low >= 0 && a >= 0 ? [a * low, b * high] : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
        [1, 1],
      );
  }

  function rangeOfAtom(text: string, depth: number): readonly [number, number] {
    const made = atomOf(text);
    if (made.kind === 'symbol') return [least, Number.POSITIVE_INFINITY];
    if (depth > 4) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const range = (p: Polynomial): readonly [number, number] => [
      bound(p, depth + 1),
      -bound(combined(new Map(), p, -1), depth + 1),
    ];
    if (made.kind === 'quotient') {
      const [low, high] = range(made.above);
      const below = numberOf(made.below);
      if (below !== undefined && below > 0) return [Math.floor(low / below), Math.floor(high / below)];
      return low >= 0 && bound(made.below, depth + 1) >= 0
        ? [0, high]
        : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    }
    if (made.name === 'wrap') return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const [[a, b], [c, d]] = made.args.map(range);
    if (made.name === 'broadcast') return [Math.min(a, c), Math.max(b, d)];
    return made.name === 'max' ? [Math.max(a, c), Math.max(b, d)] : [Math.min(a, c), Math.min(b, d)];
  }
}
