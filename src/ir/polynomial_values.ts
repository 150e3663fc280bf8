/** Evaluation of a polynomial: its value for sizes, its symbols, the same arithmetic by other means. */
import { atomOf } from './polynomial.ts';
import { atomsIn, dimFunctions, type Polynomial } from './polynomial_terms.ts';

/** The value once symbols are sizes, undefined where one is not, or where 0 divides. */
export function valueWith(p: Polynomial, bindings: ReadonlyMap<string, number>): number | undefined {
  let sum = 0;
  for (const [key, coefficient] of p) {
    let term = coefficient;
    for (const text of atomsIn(key)) {
      const value = valueOfAtom(text, bindings);
      if (value === undefined) return undefined;
      term *= value;
    }
    sum += term;
  }
  return sum;
}

function valueOfAtom(text: string, bindings: ReadonlyMap<string, number>): number | undefined {
  const bound = bindings.get(text);
  if (bound !== undefined) return bound;
  const made = atomOf(text);
  if (made.kind === 'symbol') return undefined;
  const [a, b] = made.kind === 'quotient' ? [made.above, made.below] : made.args;
  const [x, y] = [valueWith(a, bindings), valueWith(b, bindings)];
  if (x === undefined || y === undefined || (y === 0 && made.kind === 'quotient')) return undefined;
  return made.kind === 'quotient' ? Math.floor(x / y) : dimFunctions[made.name](x, y);
}

/** The symbols of a polynomial. */
export function symbolsOf(p: Polynomial): ReadonlySet<string> {
  const found = new Set<string>();
  for (const key of p.keys())
    for (const text of atomsIn(key)) {
      const made = atomOf(text);
      if (made.kind === 'symbol') found.add(text);
      else
        for (const part of made.kind === 'quotient' ? [made.above, made.below] : made.args)
          for (const name of symbolsOf(part)) found.add(name);
    }
  return found;
}

/** The operations that rebuild a polynomial by other means, such as nodes of a file. */
export interface DimAlgebra<T> {
  number(value: number): T;
  symbol(name: string): T;
  /** `+ - * /`, or one of `dimFunctions`. */
  apply(operation: string, a: T, b: T): T;
}

export function madeWith<T>(p: Polynomial, algebra: DimAlgebra<T>): T {
  const factor = (text: string): T => {
    const made = atomOf(text);
    if (made.kind === 'symbol') return algebra.symbol(text);
    const [a, b] = (made.kind === 'quotient' ? [made.above, made.below] : made.args).map((q) => madeWith(q, algebra));
    return algebra.apply(made.kind === 'quotient' ? '/' : made.name, a, b);
  };
  const terms = [...p].map(([key, coefficient]) => {
    const factors = [
      ...atomsIn(key).map(factor),
      ...(coefficient === 1 && key !== '' ? [] : [algebra.number(coefficient)]),
    ];
    return factors.reduce((a, b) => algebra.apply('*', a, b));
  });
  return terms.length === 0 ? algebra.number(0) : terms.reduce((a, b) => algebra.apply('+', a, b));
}
