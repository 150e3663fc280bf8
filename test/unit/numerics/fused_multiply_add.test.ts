/** Against the exact sum, rounded once. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fusedMultiplyAdd } from '../../../src/numerics/index.ts';

const LEAST = -149;

/** A finite binary32 number as an integer of units of 2^-298, the least product of two of them. */
function exactly(x: number): bigint {
  let [mantissa, power] = [x, 0];
  while (!Number.isInteger(mantissa)) [mantissa, power] = [mantissa * 2, power - 1];
  return BigInt(mantissa) << BigInt(power - 2 * LEAST);
}

/** An integer of such units, rounded to binary32, ties to even. */
function rounded(units: bigint): number {
  const [sign, size] = units < 0n ? [-1, -units] : [1, units];
  const bits = size.toString(2).length;
  const shift = Math.max(bits - 24, -LEAST);
  const low = size >> BigInt(shift);
  const rest = size - (low << BigInt(shift));
  const half = shift === 0 ? 0n : 1n << BigInt(shift - 1);
  const isUp = rest > half || (rest === half && rest > 0n && low % 2n === 1n);
  const value = Number(low + (isUp ? 1n : 0n)) * 2 ** Math.max(shift + 2 * LEAST, -1000);
  return sign * (value >= 2 ** 128 ? Number.POSITIVE_INFINITY : value);
}

const float = fc.float({ noNaN: true, noDefaultInfinity: true });
/** Numbers of few bits, and of all bits set, whose sums lie in the middle of two others. */
const short = fc
  .tuple(fc.integer({ min: -(2 ** 12), max: 2 ** 12 }), fc.integer({ min: -60, max: 60 }))
  .map(([mantissa, power]) => Math.fround(mantissa * 2 ** power));
const long = fc
  .tuple(fc.integer({ min: 2 ** 23, max: 2 ** 24 - 1 }), fc.integer({ min: -149, max: 104 }), fc.boolean())
  .map(([mantissa, power, negative]) => Math.fround((negative ? -mantissa : mantissa) * 2 ** power));
const number = fc.oneof(float, short, long);

it('rounds the exact sum once', () => {
  fc.assert(
    fc.property(number, number, number, (a, b, c) => {
      const product = exactly(a) * exactly(b);
      const units = product + (exactly(c) << BigInt(-2 * LEAST));
      expect(fusedMultiplyAdd(a, b, c) + 0).toBe(rounded(units >> BigInt(-2 * LEAST)) + 0);
    }),
    { numRuns: 50_000 },
  );
});

it('in the middle of two numbers goes to where the exact sum lies', () => {
  const one = 1 + 2 ** -12;
  // 1 + 2^-11 + 2^-24, and 2^-24 and a little more
  expect(fusedMultiplyAdd(one, one, 0)).toBe(1 + 2 ** -11);
  expect(fusedMultiplyAdd(one, one, 2 ** -100)).toBe(1 + 2 ** -11 + 2 ** -23);
  expect(fusedMultiplyAdd(one, one, -(2 ** -100))).toBe(1 + 2 ** -11);
  const greatest = Math.fround(2 ** 128 - 2 ** 104);
  expect(fusedMultiplyAdd(2 ** 52, 2 ** 51, greatest)).toBe(Number.POSITIVE_INFINITY);
  expect(fusedMultiplyAdd(2 ** 52, Math.fround(2 ** 51 - 2 ** 27), greatest)).toBe(greatest);
  expect(fusedMultiplyAdd(Number.POSITIVE_INFINITY, 0, 1)).toBeNaN();
});
