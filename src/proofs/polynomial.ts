/** Polynomials with integer coefficients in normal form: monomials, variables in order, to coefficients that are not 0. */
import { assert } from '../diagnostics/index.ts';

export type Polynomial = ReadonlyMap<string, number>;

const constant = (value: number): Polynomial => new Map(value === 0 ? [] : [['', value]]);
const variable = (name: string): Polynomial => new Map([[name, 1]]);

export function add(a: Polynomial, b: Polynomial, sign: 1 | -1 = 1): Polynomial {
  const sum = new Map(a);
  for (const [monomial, coefficient] of b) {
    const value = (sum.get(monomial) ?? 0) + sign * coefficient;
    if (value === 0) sum.delete(monomial);
    else sum.set(monomial, value);
  }
  return sum;
}

function multiply(a: Polynomial, b: Polynomial): Polynomial {
  let product: Polynomial = new Map();
  for (const [m, c] of a)
    for (const [n, d] of b)
      product = add(product, new Map([[[m, n].filter(Boolean).join('·').split('·').sort().join('·'), c * d]]));
  return product;
}

/** Reads `+ − *`, parentheses, integers and names; names that are defined stand for their polynomial. */
export function polynomial(text: string, definitions: Readonly<Record<string, string>> = {}): Polynomial {
  const tokens = text.match(/[A-Za-z]\w*|\d+|[-+*()]/g) ?? [];
  let at = 0;
  const factor = (): Polynomial => {
    const token = tokens[at++];
    assert(token !== undefined, `'${text}' ends early`);
    if (token === '-') return add(constant(0), factor(), -1);
    if (token === '(') {
      const inner = sum();
      assert(tokens[at++] === ')', `'${text}' lacks a parenthesis`);
      return inner;
    }
    if (/^\d/.test(token)) return constant(Number(token));
    return Object.hasOwn(definitions, token) ? polynomial(definitions[token], definitions) : variable(token);
  };
  const term = (): Polynomial => {
    let product = factor();
    while (tokens[at] === '*') {
      at++;
      product = multiply(product, factor());
    }
    return product;
  };
  const sum = (): Polynomial => {
    let total = term();
    while (tokens[at] === '+' || tokens[at] === '-') {
      const sign = tokens[at++] === '+' ? 1 : -1;
      total = add(total, term(), sign);
    }
    return total;
  };
  const result = sum();
  assert(at === tokens.length, `'${text}' cannot be read beyond '${tokens.slice(0, at).join(' ')}'`);
  return result;
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
