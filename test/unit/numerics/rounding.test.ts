import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fusedMultiplyAdd } from '../../../src/numerics/fused_multiply_add.ts';
import { clampTo, roundHalfAway, roundHalfEven, roundHalfUp, saturate } from '../../../src/numerics/rounding.ts';

const ties = [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5];

describe('rounding', () => {
  test('ties', () => {
    expect(ties.map((x) => roundHalfEven(x) + 0)).toEqual([-4, -2, -2, 0, 0, 2, 2, 4]);
    expect(ties.map((x) => roundHalfUp(x) + 0)).toEqual([-3, -2, -1, 0, 1, 2, 3, 4]);
    expect(ties.map((x) => roundHalfAway(x) + 0)).toEqual([-4, -3, -2, -1, 1, 2, 3, 4]);
  });

  test('next to a tie, and where binary64 has few or no fraction bits', () => {
    const below = 0.5 - 2 ** -54;
    for (const round of [roundHalfEven, roundHalfUp, roundHalfAway]) {
      expect([below, -below].map((x) => round(x) + 0)).toEqual([0, 0]);
      for (const big of [2 ** 52 + 1, 2 ** 53 - 1, 2 ** 60, 1e300, Infinity]) {
        expect([round(big), round(-big)]).toEqual([big, -big]);
      }
      expect(round(Number.NaN)).toBeNaN();
    }
    expect(roundHalfEven(2 ** 51 + 0.5)).toBe(2 ** 51);
    expect(roundHalfEven(2 ** 51 + 1.5)).toBe(2 ** 51 + 2);
    expect(roundHalfEven(-(2 ** 51) - 1.5)).toBe(-(2 ** 51) - 2);
  });

  test('half even against integer arithmetic on x = n / 2^k', () => {
    const cases = fc.tuple(fc.bigInt(-(2n ** 52n), 2n ** 52n), fc.integer({ min: 1, max: 52 }));
    fc.assert(
      fc.property(cases, ([n, k]) => {
        const unit = 2n ** BigInt(k);
        const floor = n >> BigInt(k);
        const twice = 2n * (n - floor * unit);
        const up = twice > unit || (twice === unit && floor % 2n !== 0n);
        expect(roundHalfEven(Number(n) / 2 ** k) + 0).toBe(Number(floor + (up ? 1n : 0n)));
      }),
      { numRuns: 2000 },
    );
  });

  test('saturation', () => {
    expect([-1, 0, 255, 256, Infinity, Number.NaN].map((x) => saturate('u8', x))).toEqual([0, 0, 255, 255, 255, 0]);
    expect([-129, 127.5].map((x) => saturate('s8', x))).toEqual([-128, 127]);
    expect(clampTo(-2, 2, -3)).toBe(-2);
  });
});

describe('fusedMultiplyAdd', () => {
  test('rounds the exact sum once', () => {
    const int24 = fc.integer({ min: -(2 ** 24), max: 2 ** 24 });
    const exponent = fc.integer({ min: -30, max: 30 });
    fc.assert(
      fc.property(int24, int24, int24, exponent, exponent, (a, b, c, e, g) => {
        const scaled = (n: bigint, by: number) => n * 2n ** BigInt(by);
        const exact = scaled(BigInt(a) * BigInt(b), e + 60) + scaled(BigInt(c), g + 60);
        expect(fusedMultiplyAdd(a * 2 ** e, b, c * 2 ** g) + 0).toBe(nearest32(exact) / 2 ** 60);
      }),
      { numRuns: 5000 },
    );
  });

  test('differs from two roundings to binary64 and binary32', () => {
    // p² = 1 + 2^-11 + 2^-24 is a tie of binary32; r is beyond binary64 and decides it.
    const [p, q, r] = [1 + 2 ** -12, 1 + 2 ** -12, 2 ** -60];
    expect(Math.fround(p * q + r)).toBe(1 + 2 ** -11);
    expect(fusedMultiplyAdd(p, q, r)).toBe(1 + 2 ** -11 + 2 ** -23);
  });
});

/** The binary32 number next to an integer, ties to even. */
function nearest32(n: bigint): number {
  const magnitude = n < 0n ? -n : n;
  const drop = BigInt(Math.max(0, magnitude.toString(2).length - 24));
  const unit = 1n << drop;
  const floor = magnitude >> drop;
  const twice = 2n * (magnitude - floor * unit);
  const up = drop > 0n && (twice > unit || (twice === unit && floor % 2n === 1n));
  return Number((n < 0n ? -1n : 1n) * (floor + (up ? 1n : 0n)) * unit) + 0;
}
