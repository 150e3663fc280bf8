/** Polynomials through the points of a simplex are the polynomials that gave the values. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SimplexPolynomials, simplex } from '../../../src/codegen/simplex_polynomials.ts';

it('has every multi-index of the degree once, larger ones behind smaller ones', () => {
  expect(simplex(1, 3)).toEqual([[0], [1], [2], [3]]);
  expect(simplex(2, 2)).toEqual([
    [0, 0],
    [0, 1],
    [0, 2],
    [1, 0],
    [1, 1],
    [2, 0],
  ]);
});

const coefficient = fc.integer({ min: -5000, max: 5000 });
const size = fc.integer({ min: 0, max: 300 });

it.each([1, 2, 3])('gives the values of polynomials of %i numbers at any point', (count) => {
  const monomials = simplex(count, 3);
  const polynomial = fc.array(coefficient, { minLength: monomials.length, maxLength: monomials.length });
  const point = fc.array(size, { minLength: count, maxLength: count });
  fc.assert(
    fc.property(fc.array(polynomial, { maxLength: 6 }), point, point, (polynomials, base, at) => {
      const values = (x: readonly number[]) =>
        Float64Array.from(polynomials, (coefficients) =>
          coefficients.reduce((sum, c, i) => sum + c * monomials[i].reduce((p, power, k) => p * x[k] ** power, 1), 0),
        );
      const found = new SimplexPolynomials(
        base,
        monomials,
        monomials.map((index) => values(base.map((n, k) => n + index[k]))),
      );
      expect([...found.at(at)]).toEqual([...values(at)]);
    }),
  );
});

it('leaves numbers that are the same everywhere as they are, whole or not', () => {
  const constants = Float64Array.of(1e-5, Number.NaN, -0, Number.POSITIVE_INFINITY);
  const found = new SimplexPolynomials([7], simplex(1, 3), [constants, constants, constants, constants]);
  expect([...found.at([12])]).toEqual([...constants]);
});
