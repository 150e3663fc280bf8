/**
 * Sizes that are not known yet, in one spelling each: a sum of products of atoms, an atom being a symbol, ⌊a/b⌋ or a
 * call of one of `dimFunctions`. Expressions that are equal by the laws of sums and products, and by
 *
 *   ⌊(b·q + r)/b⌋ = q + ⌊r/b⌋        ⌊(⌊x/a⌋ + c)/b⌋ = ⌊(x + a·c)/(a·b)⌋
 *
 * have the same text. The text is kept in graphs, so it reads back as the same polynomial.
 */
import { lowerBoundWith } from './polynomial_bounds.ts';
import {
  type Atom,
  add,
  atomsIn,
  constantOf,
  dimFunctions,
  greatestCommonDivisor,
  keyOf,
  leadingTerm,
  numberOf,
  type Polynomial,
  subtract,
  symbol,
  without,
} from './polynomial_terms.ts';
import type { Dim } from './types.ts';

/** A number that no value is below, −Infinity where none is seen; symbols may be 0. */
export const lowerBound = lowerBoundWith((text) => atomOf(text), 0);
/** The same where no symbol is 0. */
export const lowerBoundOfSome = lowerBoundWith((text) => atomOf(text), 1);

/** Products of longer sums stay products. */
const MOST_TERMS = 64;
const DEEPEST = 256;

const read = new Map<string, Polynomial>();
const atoms = new Map<string, Atom>();
/** The number of texts to remember; more are read again. */
const MOST_KEPT = 20_000;

export function polynomialOf(dim: Dim): Polynomial {
  if (typeof dim === 'number') return constantOf(dim);
  const known = read.get(dim);
  if (known !== undefined) return known;
  const made = new Reader(dim).read() ?? symbol(dim);
  if (read.size >= MOST_KEPT) read.clear();
  read.set(dim, made);
  return made;
}

export const dimOf = (p: Polynomial): Dim => numberOf(p) ?? textOf(p);

export function multiply(a: Polynomial, b: Polynomial): Polynomial {
  if (a.size * b.size > MOST_TERMS) return symbol(keyOf([a, b].map((p) => `(${textOf(p)})`))); // sums as atoms
  let product: Polynomial = new Map();
  for (const [left, c] of a)
    for (const [right, d] of b)
      product = add(product, new Map([[keyOf([...atomsIn(left), ...atomsIn(right)]), c * d]]));
  return product;
}

/** ⌊a / b⌋ */
export function divide(a: Polynomial, b: Polynomial): Polynomial {
  const [above, below] = [numberOf(a), numberOf(b)];
  if (below === undefined) return divideBySymbols(a, b);
  if (above !== undefined && below !== 0) return constantOf(Math.floor(above / below));
  return below > 0 ? divideByNumber(a, below) : quotient(a, b);
}

function divideByNumber(a: Polynomial, b: number): Polynomial {
  const whole = new Map<string, number>();
  const rest = new Map<string, number>();
  for (const [key, coefficient] of a) {
    const times = Math.floor(coefficient / b);
    if (times !== 0) whole.set(key, times);
    if (coefficient - times * b !== 0) rest.set(key, coefficient - times * b);
  }
  const constant = rest.get('') ?? 0;
  rest.delete('');
  if (rest.size === 0) return whole;
  const common = [...rest.values()].reduce(greatestCommonDivisor, b);
  const reduced = add(
    new Map([...rest].map(([key, c]) => [key, c / common])),
    constantOf(Math.floor(constant / common)),
  );
  const by = b / common;
  if (by === 1) return add(whole, reduced);
  const [[key, coefficient] = ['', 0], ...others] = [...reduced].filter(([k]) => k !== '');
  const inner = others.length === 0 && coefficient === 1 ? atoms.get(key) : undefined;
  const innerBelow = inner?.kind === 'quotient' ? numberOf(inner.below) : undefined;
  if (inner?.kind === 'quotient' && innerBelow !== undefined && innerBelow > 0) {
    const above = add(inner.above, constantOf((reduced.get('') ?? 0) * innerBelow));
    return add(whole, divide(above, constantOf(innerBelow * by)));
  }
  return add(whole, quotient(reduced, constantOf(by)));
}

/** Divides term by term: multiples of the divisor exactly, the rest as a quotient. */
function divideBySymbols(a: Polynomial, b: Polynomial): Polynomial {
  if (b.size > 1) return exactQuotient(a, b) ?? quotient(a, b);
  const [[key, coefficient]] = b;
  const whole = new Map<string, number>();
  const rest = new Map<string, number>();
  for (const [term, c] of a) {
    const left = without(atomsIn(term), atomsIn(key));
    if (left !== undefined && c % coefficient === 0) whole.set(keyOf(left), c / coefficient);
    else rest.set(term, c);
  }
  return rest.size === 0 ? whole : add(whole, quotient(rest, b));
}

/** a / b where b divides a, by long division; undefined elsewhere. */
function exactQuotient(a: Polynomial, b: Polynomial): Polynomial | undefined {
  if (a.size * b.size > MOST_TERMS) return undefined;
  const [lead, divisor] = leadingTerm(b);
  const result = new Map<string, number>();
  for (let rest = a, steps = 0; rest.size > 0; steps++) {
    const [term, coefficient] = leadingTerm(rest);
    const left = without(atomsIn(term), atomsIn(lead));
    if (left === undefined || coefficient % divisor !== 0 || steps >= MOST_TERMS) return undefined;
    const times = new Map([[keyOf(left), coefficient / divisor]]);
    result.set(keyOf(left), coefficient / divisor);
    rest = subtract(rest, multiply(times, b));
  }
  return result;
}

const enclosed = (p: Polynomial): string => {
  const text = textOf(p);
  return /^[\w.]+$/.test(text) ? text : `(${text})`;
};

const quotient = (above: Polynomial, below: Polynomial): Polynomial =>
  atom(`${enclosed(above)}/${enclosed(below)}`, { kind: 'quotient', above, below });

function atom(text: string, made: Atom): Polynomial {
  if (atoms.size >= MOST_KEPT) atoms.clear();
  atoms.set(text, made);
  return symbol(text);
}

export function call(name: string, a: Polynomial, b: Polynomial): Polynomial {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) return constantOf(dimFunctions[name](x, y));
  if (name === 'wrap') {
    if (lowerBound(a) >= 0) return a;
    if (add(a, b).size === 0) return add(a, b); // the first position, where there is one
    if (lowerBound(subtract(constantOf(-1), a)) >= 0) return add(a, b);
    return atom(`wrap(${textOf(a)},${textOf(b)})`, { kind: 'call', name, args: [a, b] });
  }
  if (name === 'broadcast') return broadcast([a, b]);
  const [larger, smaller] = name === 'max' ? [a, b] : [b, a];
  if (lowerBound(subtract(larger, smaller)) >= 0) return a;
  if (lowerBound(subtract(smaller, larger)) >= 0) return b;
  return madeCall(name, a, b);
}

function madeCall(name: string, a: Polynomial, b: Polynomial): Polynomial {
  const args = [a, b].sort((p, q) => (textOf(p) < textOf(q) ? -1 : 1));
  return atom(`${name}(${args.map(textOf).join(',')})`, { kind: 'call', name, args });
}

/** Each size counts once, and 1 does not count; another number is the result. */
function broadcast(sizes: readonly Polynomial[]): Polynomial {
  const texts = [...new Set(sizes.flatMap(broadcastFrom).map(textOf))].filter((text) => text !== '1').sort();
  const all = texts.map(polynomialOf);
  const parts = all.filter((p) => !isBounded(p, texts) && !isAtLeastOne(p, all));
  return parts.find((p) => numberOf(p) !== undefined) ?? parts.reduceRight((a, b) => madeCall('broadcast', b, a));
}

/** True for min(a, b) where a is one of the sizes, and b at least 1: it is 1 where a is, and else a, or a size that does not fit. */
function isBounded(p: Polynomial, sizes: readonly string[]): boolean {
  const [a, b] = argsOf(p, 'min') ?? [];
  const isIn = (size: Polynomial, other: Polynomial) => lowerBound(other) >= 1 && sizes.includes(textOf(size));
  return a !== undefined && (isIn(a, b) || isIn(b, a));
}

/** True for max(1, a) where a is one of the sizes: it is 1 where a is 0, which broadcasts to 0. */
function isAtLeastOne(p: Polynomial, sizes: readonly Polynomial[]): boolean {
  const text = textOf(p);
  if (!text.startsWith('max(')) return false;
  const one = constantOf(1);
  return sizes.some((size) => {
    if (size === p || lowerBound(size) < 0) return false;
    const same = [call('max', one, size), add(call('max', constantOf(0), subtract(size, one)), one)];
    return same.some((q) => textOf(q) === text);
  });
}

/** The sizes that broadcast to a size. */
function broadcastFrom(p: Polynomial): readonly Polynomial[] {
  return argsOf(p, 'broadcast')?.flatMap(broadcastFrom) ?? [p];
}

/** The operands of a polynomial that is nothing but a call. */
function argsOf(p: Polynomial, name: string): readonly Polynomial[] | undefined {
  const [key] = p.keys();
  const made = p.size === 1 && p.get(key) === 1 ? atomOf(key) : undefined;
  return made?.kind === 'call' && made.name === name ? made.args : undefined;
}

export function atomOf(text: string): Atom {
  const known = atoms.get(text);
  if (known !== undefined) return known;
  if (/^[\w.]+$/.test(text)) return { kind: 'symbol' };
  if (text.startsWith('(') && isOne(text))
    return { kind: 'quotient', above: polynomialOf(text.slice(1, -1)), below: constantOf(1) };
  new Reader(text).read(); // records the atoms of the text
  return atoms.get(text) ?? { kind: 'symbol' };
}

// ---- text

const factorText = (text: string): string =>
  /^([\w.]+|\w+\(.*\)|\(.*\))$/.test(text) && isOne(text) ? text : `(${text})`;

/** True when the parenthesis that ends the text closes the first one. */
function isOne(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')' && --depth === 0 && i < text.length - 1) return false;
  }
  return true;
}

function textOf(p: Polynomial): string {
  const constant = p.get('') ?? 0;
  const terms = [...p].filter(([key]) => key !== '').sort(([a], [b]) => (a < b ? -1 : 1));
  if (terms.length === 0) return constant < 0 ? `0-${-constant}` : String(constant);
  const [[only, coefficient], ...others] = terms;
  if (others.length === 0 && coefficient === 1) {
    if (constant === 0) return atomsIn(only).length === 1 ? only : product(only, 1);
    // ⌊a/b⌋ + c is shown as ⌊(a + b·c)/b⌋
    const made = atomOf(only);
    const below = made.kind === 'quotient' ? numberOf(made.below) : undefined;
    if (made.kind === 'quotient' && below !== undefined && below > 1)
      return `${enclosed(add(made.above, constantOf(constant * below)))}/${below}`;
  }
  const positive = terms.filter(([, c]) => c > 0).map(([key, c]) => product(key, c));
  const negative = terms.filter(([, c]) => c < 0).map(([key, c]) => `-${product(key, -c)}`);
  const head = positive.length === 0 ? String(Math.max(constant, 0)) : positive.join('+');
  const isShown = positive.length === 0 && constant >= 0;
  const tail = isShown || constant === 0 ? '' : constant > 0 ? `+${constant}` : String(constant);
  return `${head}${negative.join('')}${tail}`;
}

const product = (key: string, coefficient: number): string =>
  [...atomsIn(key).map(factorText), ...(coefficient === 1 ? [] : [String(coefficient)])].join('*');

/** Recursive descent over `+ - * /`, calls, parentheses, numbers and symbols. */
class Reader {
  readonly #tokens: readonly string[];
  readonly #isText: boolean;
  #at = 0;

  constructor(text: string) {
    this.#tokens = text.match(/[\w.]+|[-+*/(),]/g) ?? [];
    this.#isText = this.#tokens.join('') === text.replace(/\s+/g, '');
  }

  /** @returns undefined for text that is not an expression */
  read(): Polynomial | undefined {
    const made = this.#isText ? this.#sum(0) : undefined;
    return this.#at === this.#tokens.length ? made : undefined;
  }

  #sum(depth: number): Polynomial | undefined {
    return this.#chain(() => this.#product(depth), { '+': add, '-': subtract });
  }

  #product(depth: number): Polynomial | undefined {
    return this.#chain(() => this.#primary(depth), { '*': multiply, '/': divide });
  }

  #chain(
    next: () => Polynomial | undefined,
    apply: Readonly<Record<string, (a: Polynomial, b: Polynomial) => Polynomial>>,
  ): Polynomial | undefined {
    let left = next();
    while (left !== undefined && Object.hasOwn(apply, this.#tokens[this.#at] ?? '')) {
      const operator = apply[this.#tokens[this.#at++]];
      const right = next();
      left = right && operator(left, right);
    }
    return left;
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  #primary(depth: number): Polynomial | undefined {
    if (depth > DEEPEST) return undefined;
    if (this.#take('(')) {
      const inner = this.#sum(depth + 1);
      return this.#take(')') ? inner : undefined;
    }
    const token = this.#tokens[this.#at++] ?? '';
    if (/^\d+$/.test(token)) return constantOf(Number(token));
    if (!/^[A-Za-z_]/.test(token)) return undefined;
    if (!Object.hasOwn(dimFunctions, token) || !this.#take('(')) return symbol(token);
    const a = this.#sum(depth + 1);
    const b = this.#take(',') ? this.#sum(depth + 1) : undefined;
    return a && b && this.#take(')') ? call(token, a, b) : undefined;
  }
}
