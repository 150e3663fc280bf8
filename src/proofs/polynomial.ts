/** Polynomials with integer coefficients in normal form: monomials, variables in order, to coefficients that are not 0. */

export type Polynomial = ReadonlyMap<string, number>;

export const constant = (value: number): Polynomial => new Map(value === 0 ? [] : [['', value]]);
export const variable = (name: string): Polynomial => new Map([[name, 1]]);

export function add(a: Polynomial, b: Polynomial, sign: 1 | -1 = 1): Polynomial {
  const sum = new Map(a);
  for (const [monomial, coefficient] of b) {
    const value = (sum.get(monomial) ?? 0) + sign * coefficient;
    if (value === 0) sum.delete(monomial);
    else sum.set(monomial, value);
  }
  return sum;
}

export function multiply(a: Polynomial, b: Polynomial): Polynomial {
  let product: Polynomial = new Map();
  for (const [m, c] of a)
    for (const [n, d] of b)
      product = add(product, new Map([[[m, n].filter(Boolean).join('·').split('·').sort().join('·'), c * d]]));
  return product;
}

export const equal = (a: Polynomial, b: Polynomial): boolean => add(a, b, -1).size === 0;

/** For people: `−1·w·zx + x·w`. */
export const formatPolynomial = (p: Polynomial): string =>
  p.size === 0
    ? '0'
    : [...p]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([m, c]) => (m === '' ? `${c}` : c === 1 ? m : `${c}·${m}`))
        .join(' + ');
