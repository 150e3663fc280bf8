/** Floats of 8 bits: every pattern, and the numbers between patterns. */
import { describe, expect, it } from 'vitest';
import { float8ToNumber, numberToFloat8 } from '../../../src/numerics/index.ts';
import { dtypes, float8Types } from '../../../src/tensors/dtype.ts';

const patterns = Array.from({ length: 256 }, (_, i) => i);

describe.each(float8Types)('%s', (type) => {
  const { max } = dtypes[type];
  const finite = patterns.filter((p) => Number.isFinite(float8ToNumber(type, p)));

  it('gives every pattern back', () => {
    for (const p of finite) expect(numberToFloat8(type, float8ToNumber(type, p), true)).toBe(p);
    expect(Math.max(...finite.map((p) => float8ToNumber(type, p)))).toBe(max);
    expect(float8ToNumber(type, numberToFloat8(type, Number.NaN, true))).toBeNaN();
  });

  it('rounds to the nearest pattern, ties to even', () => {
    const positive = finite.filter((p) => p < 0x80).sort((a, b) => float8ToNumber(type, a) - float8ToNumber(type, b));
    for (let i = 0; i + 1 < positive.length; i++) {
      const [low, high] = [positive[i], positive[i + 1]];
      const [a, b] = [low, high].map((p) => float8ToNumber(type, p));
      const middle = (a + b) / 2;
      const even = low % 2 === 0 ? low : high;
      expect(numberToFloat8(type, middle, true)).toBe(even);
      expect(numberToFloat8(type, middle - (b - a) / 1024, true)).toBe(low);
      expect(numberToFloat8(type, middle + (b - a) / 1024, true)).toBe(high);
      if (even !== 0) expect(numberToFloat8(type, -middle, true)).toBe(even | 0x80);
    }
  });

  it('ends at the greatest number, or at infinity or NaN', () => {
    for (const far of [max * 2, Infinity]) {
      expect(float8ToNumber(type, numberToFloat8(type, far, true))).toBe(max);
      expect(float8ToNumber(type, numberToFloat8(type, -far, true))).toBe(-max);
      const beyond = float8ToNumber(type, numberToFloat8(type, far, false));
      if (type === 'f8e5m2') expect(beyond).toBe(Infinity);
      else expect(beyond).toBeNaN();
    }
  });
});

it('has no −0 in the types without', () => {
  expect(float8Types.map((type) => numberToFloat8(type, -0, true))).toEqual([0x80, 0, 0x80, 0]);
});
