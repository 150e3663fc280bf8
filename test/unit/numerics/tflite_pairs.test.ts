/** Functions of two bytes in TensorFlow Lite that are not sums or products, against exact integers and against their laws. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  floorDivided,
  floorRest,
  type TfliteQuantized,
  tfliteComparable,
  tfliteDiv,
  tfliteSquaredDifference,
} from '../../../src/numerics/index.ts';
import { clamp, two } from '../../tflite/exact.ts';

const scale = fc.oneof(
  fc.integer({ min: -8, max: -1 }).map((e) => 2 ** e),
  fc.float({ min: Math.fround(2 ** -8), max: Math.fround(0.99), noNaN: true }),
);
const quantized: fc.Arbitrary<TfliteQuantized> = fc
  .record({ scale, zeroPoint: fc.oneof(fc.integer({ min: -128, max: 127 }), fc.constantFrom(-128, 0, 127)) })
  .map((parameters) => ({ dtype: 's8', ...parameters }));
const byte = fc.integer({ min: -128, max: 127 });
const whole = { low: -128, high: 127 };

describe('SQUARED_DIFFERENCE', () => {
  it('moves operands by 7 bits, and rounds three times twice', () => {
    fc.assert(
      fc.property(quantized, quantized, quantized, byte, byte, (a, b, y, p, q) => {
        const t = 2 * Math.max(a.scale, b.scale);
        const of = (v: number, scale: number) => two(BigInt(v) << 7n, scale / t);
        const difference = of(p - a.zeroPoint, a.scale) - of(q - b.zeroPoint, b.scale);
        const exact = two(difference * difference, t ** 2 / (2 ** 14 * y.scale)) + BigInt(y.zeroPoint);
        expect(tfliteSquaredDifference(a, b, y)(p, q)).toBe(clamp(-128, 127, exact));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('comparisons', () => {
  it('are of the numbers in steps of 2^-8, rounded twice', () => {
    fc.assert(
      fc.property(quantized, byte, (a, q) => {
        expect(tfliteComparable(a)(q)).toBe(Number(two(BigInt(q - a.zeroPoint) << 8n, a.scale)));
      }),
      { numRuns: 1000 },
    );
  });

  it('never put a smaller byte above a larger one; small scales make neighbours equal', () => {
    fc.assert(
      fc.property(quantized, (a) => {
        const of = tfliteComparable(a);
        for (let q = -128; q < 127; q++) expect(of(q + 1)).toBeGreaterThanOrEqual(of(q));
      }),
    );
    const of = tfliteComparable({ dtype: 's8', scale: 2 ** -10, zeroPoint: 0 });
    expect([0, 1, 2, 3].map(of)).toEqual([0, 0, 1, 1]);
  });
});

describe('DIV', () => {
  it('is within a step of the real quotient, but for dividends so small that the shift runs out', () => {
    fc.assert(
      fc.property(quantized, quantized, quantized, byte, byte, (a, b, y, p, q) => {
        const [v, w] = [p - a.zeroPoint, q - b.zeroPoint];
        fc.pre(w !== 0);
        const factor = a.scale / (b.scale * y.scale);
        const shift =
          Math.floor(Math.log2(Math.abs(w))) + Math.clz32(Math.abs(v)) - 1 - Math.floor(Math.log2(factor)) - 1;
        fc.pre(shift < 31);
        const real = Math.min(Math.max((v / w) * factor + y.zeroPoint, -128), 127);
        expect(Math.abs(tfliteDiv(a, b, y, whole)(p, q) - real)).toBeLessThan(0.51);
      }),
      { numRuns: 2000 },
    );
  });

  it('of 0 is one step above 0 where the shift runs out: x86 shifts by as many bits modulo 32', () => {
    const one: TfliteQuantized = { dtype: 's8', scale: 0.5, zeroPoint: 0 };
    expect(tfliteDiv(one, one, one, whole)(0, 1)).toBe(0);
    expect(tfliteDiv(one, one, { ...one, scale: 2 }, whole)(0, 4)).toBe(1);
  });

  it('by 0 is the end of the range', () => {
    const one: TfliteQuantized = { dtype: 's8', scale: 0.5, zeroPoint: 0 };
    expect([-3, 3].map((p) => tfliteDiv(one, one, one, { low: -5, high: 6 })(p, 0))).toEqual([-5, 6]);
  });
});

describe('FLOOR_DIV and FLOOR_MOD', () => {
  it('give a quotient that is floored and the rest: a = q·b + r, r of the sign of b', () => {
    fc.assert(
      fc.property(byte, byte, (a, b) => {
        fc.pre(b !== 0);
        const [q, r] = [floorDivided(a, b), floorRest(a, b)];
        expect(q * b + r).toBe(a);
        expect(b > 0 ? r >= 0 && r < b : r <= 0 && r > b).toBe(true);
      }),
    );
  });
});
