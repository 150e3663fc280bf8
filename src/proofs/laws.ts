/**
 * The laws of the correction rules for all shapes at once, read from the text that the rule states.
 *
 * Every result is a sum over taps (a filter position and an input channel; for a matmul an inner index) of a polynomial
 * in what that tap reads, and for each result the taps fall into those inside of the input and those outside of it.
 * Values of different taps are independent, and so are the numbers of taps inside and outside; therefore two sums are
 * equal for all shapes and all values if and only if their polynomials are, for each of the two sets. For a transposed
 * convolution the taps are those that reach a result.
 *
 *   conv(a, b), matmul(a, b)   a·b over the taps inside; a constant is one that is spread over the input
 *   qconv(a, b; za, zb)        conv(a − za, b − zb); a single zero point belongs to the operand whose letter it has
 *   pad(a, z)                  a inside and z outside: then no tap is out of the input
 *   concat(a, b)               a and b one after the other, over taps of their own
 *   Σ b[o]                     b over all taps of the filter       Σ_k b[k, n]   b over the inner index
 *   s32(a), reshape(a), …      a: casts and movements change no number
 *
 * A law is one or more equations with `and` between them, and what is behind three spaces or a comma and three spaces:
 * equations there define names or hold by the condition of the rule, and words are for people.
 */
import { assert } from '../diagnostics/index.ts';
import { add, constant, equal, formatPolynomial, multiply, type Polynomial, variable } from './polynomial.ts';

/** The sum over the taps of each set; a factor that is the same at all taps is the same in both. */
interface Sum {
  readonly inside: Polynomial;
  readonly outside: Polynomial;
  /** True for a padded source, which has values outside too. */
  readonly isPadded?: true;
  /** The part behind, of several parts one after the other: each of them has taps of its own. */
  readonly next?: Sum;
}
type Definitions = ReadonlyMap<string, string>;
interface Equation {
  readonly left: string;
  readonly right: string;
}

const everywhere = (p: Polynomial): Sum => ({ inside: p, outside: p });
const plus = (a: Sum, b: Sum, sign: 1 | -1 = 1): Sum => ({
  inside: add(a.inside, b.inside, sign),
  outside: add(a.outside, b.outside, sign),
  // a number is the same in all parts
  ...(a.next && { next: plus(a.next, b, sign) }),
});
const times = (a: Sum, b: Sum): Sum => ({
  inside: multiply(a.inside, b.inside),
  outside: multiply(a.outside, b.outside),
});
const NOTHING = everywhere(constant(0));

/** The sum over the products of two operands, of all their parts. */
function product(a: Sum, b: Sum): Sum {
  assert(!a.next === !b.next, 'both operands of a product have as many parts');
  const own = a.isPadded ? times(a, b) : { ...times(a, b), outside: constant(0) };
  return a.next && b.next ? plus(own, product(a.next, b.next)) : own;
}

type Argument = { readonly text: string; readonly value: Sum };

/** Less its zero point: with two of them by position, a single one by its letter (zw and ẑw belong to w and ŵ). */
function quantized([a, b]: readonly Argument[], zeros: readonly Argument[]): Sum {
  const isOfRight = ({ text }: Argument): boolean => /^(zw|ẑw|zb)/.test(text);
  const [za, zb] = zeros.length === 2 ? zeros : isOfRight(zeros[0] ?? { text: '' }) ? [undefined, zeros[0]] : zeros;
  return product(plus(a.value, za?.value ?? NOTHING, -1), plus(b.value, zb?.value ?? NOTHING, -1));
}

/** A cast or a movement. */
const same = ([a]: readonly Argument[]): Sum => a.value;

const functions: Readonly<Record<string, (of: readonly Argument[], after: readonly Argument[]) => Sum>> = {
  conv: ([a, b]) => product(a.value, b.value),
  convᵀ: ([a, b]) => product(a.value, b.value),
  matmul: ([a, b]) => product(a.value, b.value),
  qconv: quantized,
  qconvᵀ: quantized,
  qmatmul: quantized,
  pad: ([a, z]) => ({ inside: a.value.inside, outside: z.value.outside, isPadded: true }),
  concat: ([a, b]) => ({ ...a.value, next: b.value }),
  s32: same,
  f32: same,
  broadcast: same,
  reshape: same,
};

const TOKEN = /Σ_k|Σ|[\p{L}][\p{L}\p{M}\p{N}_]*|\d+|[-+·−(),;]/gu;

/** Reads a sum; a defined name stands for its definition. */
function sumOf(text: string, definitions: Definitions): Sum {
  // An index says which element, which each tap knows; so do rows and columns, and the pads of a window.
  const tokens = text.replace(/\[[^\]]*\]|\b(rows|columns) of |, pads\b|; pads\b/g, '').match(TOKEN) ?? [];
  let at = 0;
  const take = (token: string): boolean => tokens[at] === token && at++ >= 0;
  const need = (token: string): void =>
    assert(take(token), `'${text}' lacks '${token}' behind '${tokens.slice(0, at).join(' ')}'`);
  const list = (): Argument[] => {
    const found: Argument[] = [];
    do {
      const from = at;
      found.push({ value: sum(), text: tokens.slice(from, at).join('') });
    } while (take(','));
    return found;
  };
  const factor = (): Sum => {
    const token = tokens[at++];
    assert(token !== undefined, `'${text}' ends early`);
    if (token === '−') return plus(NOTHING, factor(), -1);
    if (token === 'Σ') return factor();
    if (token === 'Σ_k') return { ...factor(), outside: constant(0) };
    if (token === '(') {
      const inner = sum();
      need(')');
      return inner;
    }
    if (/^\d/.test(token)) return everywhere(constant(Number(token)));
    if (take('(')) {
      const call = functions[token];
      assert(call !== undefined, `'${token}' is not a function that laws are told in`);
      const of = list();
      const after = take(';') ? list() : [];
      need(')');
      return call(of, after);
    }
    const definition = definitions.get(token);
    return definition === undefined ? everywhere(variable(token)) : sumOf(definition, definitions);
  };
  const term = (): Sum => {
    let total = factor();
    while (take('·')) total = times(total, factor());
    return total;
  };
  const sum = (): Sum => {
    let total = term();
    for (;;) {
      if (take('+')) total = plus(total, term());
      else if (take('−')) total = plus(total, term(), -1);
      else return total;
    }
  };
  const result = sum();
  assert(at === tokens.length, `'${text}' cannot be read beyond '${tokens.slice(0, at).join(' ')}'`);
  return result;
}

const NAME = /^[\p{L}][\p{L}\p{M}\p{N}]*$/u;

/** `ŵ = w − 128` defines ŵ, `conv(1, w) = s[o] everywhere` s, and `w − zw = wa + wb` wb. */
function definitionIn(text: string): [string, string][] {
  const [left, right] = text.replace(/^when |\[o\]| everywhere| for .*/g, '').split(' = ');
  if (right === undefined) return [];
  if (NAME.test(left)) return [[left, right]];
  const terms = right.split(' + ');
  const name = terms.pop() ?? '';
  return NAME.test(name) ? [[name, [left, ...terms].join(' − ')]] : [];
}

function read(law: string): { readonly equations: readonly Equation[]; readonly definitions: Definitions } {
  const [told, ...conditions] = law.replaceAll('   and   ', ' and ').split(/,? {3}/);
  const equations = told.split(' and ').map((equation) => {
    const [left, right] = equation.split(' = ');
    assert(right !== undefined, `'${equation}' is not an equation`);
    return { left, right };
  });
  const parts = conditions.flatMap((condition) => condition.split(/, (?![^(]*\))| and /));
  return { equations, definitions: new Map(parts.flatMap(definitionIn)) };
}

/** The first difference between the sides of a law; undefined when it holds for all shapes and values. */
export function differenceOf(law: string): string | undefined {
  const { equations, definitions } = read(law);
  for (const { left, right } of equations) {
    const [a, b] = [sumOf(left, definitions), sumOf(right, definitions)];
    const set = (['inside', 'outside'] as const).find((s) => !equal(a[s], b[s]));
    if (set)
      return `over the taps ${set}: ${formatPolynomial(a[set])} on the left, ${formatPolynomial(b[set])} on the right`;
  }
  return undefined;
}
