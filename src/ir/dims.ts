/** Arithmetic on dimensions that may be symbols. A derived symbol is the text of its expression, kept short and canonical. */
import type { Dim, Shape } from './types.ts';

const atom = (d: Dim): string => (typeof d === 'number' || /^[\w.]+$/.test(d) ? String(d) : `(${d})`);

export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (typeof a === 'number') return addDims(b, a);
  if (b === 0) return a;
  if (typeof b === 'string') return `${atom(a)}+${atom(b)}`;
  const [base, constant] = withoutConstant(a);
  if (constant !== 0) return addDims(base, constant + b);
  return b < 0 ? `${atom(a)}-${-b}` : `${atom(a)}+${b}`;
}

/** A sum that ends in a constant, taken apart: (H−1)+1 is H. */
function withoutConstant(sum: string): [Dim, number] {
  const match = /^([\w.]+|\(.*\))([-+]\d+)$/.exec(sum);
  if (!match) return [sum, 0];
  const base = match[1].startsWith('(') ? match[1].slice(1, -1) : match[1];
  return balanced(base) ? [base, Number(match[2])] : [sum, 0];
}

/** Whether no parenthesis closes before it opens: `(a)+(b)` is not one pair around `a)+(b`. */
function balanced(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === '(') depth++;
    else if (character === ')' && --depth < 0) return false;
  }
  return depth === 0;
}

export function mulDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  if (a === 1) return b;
  if (b === 1) return a;
  if (a === 0 || b === 0) return 0;
  return `${atom(a)}*${atom(b)}`;
}

/** ⌊a / b⌋ */
export function divDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.floor(a / b);
  if (b === 1) return a;
  if (a === b) return 1;
  return `${atom(a)}/${atom(b)}`;
}

/** The larger of two sizes. */
export function maxDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.max(a, b);
  return a === b ? a : `max(${a},${b})`;
}

/** The value of a dimension once its symbols are bound, or the dimension itself when one is unbound. */
export function bindDim(dim: Dim, bindings: ReadonlyMap<string, number>): Dim {
  if (typeof dim === 'number') return dim;
  const bound = bindings.get(dim);
  if (bound !== undefined) return bound;
  const value = evaluateExpression(dim, bindings);
  return value ?? dim;
}

/** The symbols of a dimension, which may be an expression. */
export const symbolsIn = (dim: Dim): readonly string[] =>
  typeof dim === 'number' ? [] : (dim.match(/[A-Za-z_][\w.]*/g) ?? []).filter((name) => name !== 'max');

/** The number of elements as one dimension. */
export const elementsOf = (shape: Shape): Dim => shape.reduce<Dim>((product, dim) => mulDims(product, dim), 1);

/** Recursive descent over `+ - * /` (floor division), `max(a,b)`, parentheses, numbers and symbols; undefined when a symbol is unbound. */
function evaluateExpression(text: string, bindings: ReadonlyMap<string, number>): number | undefined {
  const tokens = text.match(/[\w.]+|[-+*/(),]/g) ?? [];
  let at = 0;
  const primary = (): number | undefined => {
    const token = tokens[at++];
    if (token === '(') {
      const inner = sum();
      at++;
      return inner;
    }
    if (token === 'max' && tokens[at] === '(') {
      at++;
      const left = sum();
      at++;
      const right = sum();
      at++;
      return left === undefined || right === undefined ? undefined : Math.max(left, right);
    }
    if (token === undefined) return undefined;
    return /^\d+$/.test(token) ? Number(token) : bindings.get(token);
  };
  const binary = (next: () => number | undefined, apply: Record<string, (a: number, b: number) => number>) => () => {
    let left = next();
    while (at < tokens.length && Object.hasOwn(apply, tokens[at])) {
      const operator = tokens[at++];
      const right = next();
      left = left === undefined || right === undefined ? undefined : apply[operator](left, right);
    }
    return left;
  };
  const product = binary(primary, { '*': (a, b) => a * b, '/': (a, b) => Math.floor(a / b) });
  const sum: () => number | undefined = binary(product, { '+': (a, b) => a + b, '-': (a, b) => a - b });
  const value = sum();
  return at === tokens.length ? value : undefined;
}
