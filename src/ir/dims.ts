/**
 * Arithmetic on dimensions that may be symbols. A derived symbol is the text of its expression; equal ones have one
 * text.
 */
import { call, dimOf, divide, lowerBound, lowerBoundOfSome, multiply, polynomialOf } from './polynomial.ts';
import { add, dimFunctions, subtract } from './polynomial_terms.ts';
import { type DimAlgebra, madeWith, symbolsOf, valueWith } from './polynomial_values.ts';
import type { Dim, Shape } from './types.ts';

type Polynomial = ReturnType<typeof polynomialOf>;

/** Numbers take the short way: most sizes are. */
function operation(numbers: (a: number, b: number) => number, dims: (a: Polynomial, b: Polynomial) => Polynomial) {
  function apply(a: number, b: number): number;
  function apply(a: Dim, b: Dim): Dim;
  function apply(a: Dim, b: Dim): Dim {
    return typeof a === 'number' && typeof b === 'number'
      ? numbers(a, b) + 0
      : dimOf(dims(polynomialOf(a), polynomialOf(b)));
  }
  return apply;
}

export const addDims = operation((a, b) => a + b, add);
export const subDims = operation((a, b) => a - b, subtract);
export const mulDims = operation((a, b) => a * b, multiply);
/** ⌊a / b⌋ */
export const divDims = operation((a, b) => Math.floor(a / b), divide);
/** The larger of two sizes. */
export const maxDims = operation(Math.max, (a, b) => call('max', a, b));
export const minDims = operation(Math.min, (a, b) => call('min', a, b));
/** The size to which two sizes broadcast that are the same, or of which one is 1. */
export const broadcastDims = operation(dimFunctions.broadcast, (a, b) => call('broadcast', a, b));
/** A position that counts from the end of an axis where it is negative. */
export const wrapDims = operation(
  (a, b) => (a < 0 ? a + b : a),
  (a, b) => call('wrap', a, b),
);

/** By their names in expressions. */
const operations: Readonly<Record<string, (a: Dim, b: Dim) => Dim>> = {
  '+': addDims,
  '-': subDims,
  '*': mulDims,
  '/': divDims,
  max: maxDims,
  min: minDims,
  broadcast: broadcastDims,
  wrap: wrapDims,
};

/** ⌈a / b⌉ for a positive b. */
export const ceilDims = (a: Dim, b: Dim): Dim => divDims(addDims(a, subDims(b, 1)), b);

/** ⌊a · scale⌋ for a scale ≥ 0; of a symbol undefined where the scale is not a multiple of 1/16. */
export function scaledDim(a: Dim, scale: number): Dim | undefined {
  if (typeof a === 'number') return Math.floor(a * scale);
  const parts = [1, 2, 4, 8, 16].find((n) => Number.isInteger(scale * n));
  return parts && divDims(mulDims(a, scale * parts), parts);
}

/** A number that the dimension is never below, a symbol being at least 0; −Infinity where none is seen. */
export const leastOf = (dim: Dim): number => (typeof dim === 'number' ? dim : lowerBound(polynomialOf(dim)));

/** The same where no symbol is 0: the least that is worth a look at the memory there is. */
export const leastOfSome = (dim: Dim): number => (typeof dim === 'number' ? dim : lowerBoundOfSome(polynomialOf(dim)));

/** The one spelling of an expression. */
export const canonicalDim = (dim: Dim): Dim => (typeof dim === 'number' ? dim : dimOf(polynomialOf(dim)));

/** The value of a dimension once its symbols are bound; where some of them are not, the expression of these. */
export function bindDim(dim: Dim, bindings: ReadonlyMap<string, number>): Dim {
  if (typeof dim === 'number') return dim;
  return bindings.get(dim) ?? valueWith(polynomialOf(dim), bindings) ?? partlyBound(dim, bindings);
}

function partlyBound(dim: string, bindings: ReadonlyMap<string, number>): Dim {
  if (!symbolsIn(dim).some((symbol) => bindings.has(symbol))) return dim;
  return buildDim<Dim>(dim, {
    number: (value) => value,
    symbol: (name) => bindings.get(name) ?? name,
    apply: (name, a, b) => operations[name](a, b),
  });
}

/** The symbols of a dimension, which may be an expression. */
export const symbolsIn = (dim: Dim): readonly string[] =>
  typeof dim === 'number' ? [] : [...symbolsOf(polynomialOf(dim))];

/** The number of elements as one dimension. */
export const elementsOf = (shape: Shape): Dim => shape.reduce<Dim>((product, dim) => mulDims(product, dim), 1);

/** The expression of a dimension, made with something else. */
export const buildDim = <T>(dim: Dim, algebra: DimAlgebra<T>): T => madeWith(polynomialOf(dim), algebra);
