/** Functions in fixed point: products against whole numbers without bounds, the others near the real functions. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  expOfNegative,
  highProduct,
  logOf,
  reciprocalOfOnePlus,
  reciprocalRoot,
  shifted,
} from '../../../src/numerics/fixed_point.ts';

const int32 = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, -1, 0, 1, 2 ** 30, -(2 ** 30)),
);

describe('numbers in fixed point', () => {
  it('a product is ⌊(a·b + 2^30)/2^31⌋, saturated', () => {
    fc.assert(
      fc.property(int32, int32, (a, b) => {
        const exact = (BigInt(a) * BigInt(b) + 2n ** 30n) >> 31n;
        expect(highProduct(a, b)).toBe(Number(exact > 2n ** 31n - 1n ? 2n ** 31n - 1n : exact));
      }),
      { numRuns: 3000 },
    );
  });

  it('a shift saturates upwards, and rounds ties away from zero downwards', () => {
    fc.assert(
      fc.property(int32, fc.integer({ min: 0, max: 31 }), (x, bits) => {
        const divisor = 2n ** BigInt(bits);
        const [size, sign] = [BigInt(Math.abs(x)), x < 0 ? -1n : 1n];
        expect(shifted(x, -bits) + 0).toBe(Number((sign * (size + divisor / 2n)) / divisor) + 0);
        const up = BigInt(x) * divisor;
        const limited = up > 2n ** 31n - 1n ? 2n ** 31n - 1n : up < -(2n ** 31n) ? -(2n ** 31n) : up;
        expect(shifted(x, bits)).toBe(Number(limited));
      }),
      { numRuns: 2000 },
    );
  });

  it('an exponential is within 2^-22 of the real one', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 0 }), (x) => {
        expect(Math.abs(expOfNegative(x) / 2 ** 31 - Math.exp(x / 2 ** 26))).toBeLessThan(2 ** -22);
      }),
      { numRuns: 2000 },
    );
  });

  it('a reciprocal is within 2^-28 of the real one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (x) => {
        expect(Math.abs(reciprocalOfOnePlus(x) / 2 ** 31 - 1 / (1 + x / 2 ** 31))).toBeLessThan(2 ** -28);
      }),
      { numRuns: 2000 },
    );
  });

  it('a logarithm is within 2^-24 of the real one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2 ** 19, max: 2 ** 31 - 1 }), (x) => {
        expect(Math.abs(logOf(x, 12) / 2 ** 26 - Math.log(x / 2 ** 19))).toBeLessThan(2 ** -24);
      }),
      { numRuns: 2000 },
    );
  });

  it('a reciprocal root is within 2^-19 of the real one, in units of itself', () => {
    const sums = fc.oneof(fc.integer({ min: 2, max: 5000 }), fc.integer({ min: 2, max: 2 ** 31 - 1 }));
    fc.assert(
      fc.property(sums, (x) => {
        const { mantissa, shift } = reciprocalRoot(x);
        expect(Math.abs(mantissa * 2 ** (shift - 31) * Math.sqrt(x) - 1)).toBeLessThan(2 ** -19);
      }),
      { numRuns: 2000 },
    );
    for (const x of [0, 1]) expect(reciprocalRoot(x)).toEqual({ mantissa: 2 ** 31 - 1, shift: 0 });
  });
});
