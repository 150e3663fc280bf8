/** Requantization against rational arithmetic in BigInt. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { qnnRequantize } from '../../../src/ir/ops/qnn_requantize.op.ts';
import { multiplier, type RequantizeProfile, requantizeModes, requantizerOf } from '../../../src/numerics/index.ts';
import { dtypes } from '../../../src/tensors/dtype.ts';
import { type ITensor, scalar, tensor, zeros } from '../../../src/tensors/tensor.ts';
import { bytes, elementOf, elements, evaluate, scaleBetween, tensorOf } from './qnn_support.ts';

type Rounding = 'half-even' | 'half-up' | 'half-away';

/** The integer nearest to n / 2^k. */
function divideRounded(n: bigint, k: bigint, rounding: Rounding): bigint {
  if (k === 0n) return n;
  const floor = n >> k;
  const [rest, half] = [n - (floor << k), 1n << (k - 1n)];
  if (rest !== half) return rest > half ? floor + 1n : floor;
  const up = rounding === 'half-up' || (rounding === 'half-even' ? (floor & 1n) === 1n : n > 0n);
  return up ? floor + 1n : floor;
}

/** The nearest number of 24 significant bits, as conversion to binary32 does. */
function toFloat(n: bigint): bigint {
  const magnitude = n < 0n ? -n : n;
  const drop = BigInt(Math.max(0, magnitude.toString(2).length - 24));
  const rounded = divideRounded(magnitude, drop, 'half-even') << drop;
  return n < 0n ? -rounded : rounded;
}

const clamp = (n: bigint, low: number, high: number): number =>
  Number(n < BigInt(low) ? BigInt(low) : n > BigInt(high) ? BigInt(high) : n);

/** m = 2^-k, and accumulators of which many are ties and few are saturated. */
const powersOfTwo = fc
  .record({ k: fc.bigInt({ min: 0n, max: 12n }), dtype: bytes, before: fc.boolean() })
  .chain(({ k, ...rest }) =>
    fc.record({
      k: fc.constant(k),
      dtype: fc.constant(rest.dtype),
      zeroPoint: fc.constant(rest.before ? ('before' as const) : ('after' as const)),
      rounding: fc.constantFrom<Rounding>('half-even', 'half-up', 'half-away'),
      zy: elementOf(rest.dtype),
      accumulators: fc.array(
        fc.integer({ min: -600, max: 600 }).map((halves) => (halves * 2 ** Number(k)) >> 1),
        { minLength: 20, maxLength: 20 },
      ),
    }),
  );

test('powers of two: exact, ties and both orders of the zero point', () => {
  fc.assert(
    fc.property(powersOfTwo, ({ k, dtype, zeroPoint, rounding, zy, accumulators }) => {
      const { min, max } = dtypes[dtype];
      const operands = [tensor('s32', accumulators), scalar('f32', 2 ** -Number(k)), scalar(dtype, zy)];
      const [z, scaledZ] = [BigInt(zy), BigInt(zy) << k];
      const expected = accumulators.map((a) => {
        const y =
          zeroPoint === 'after'
            ? divideRounded(BigInt(a), k, rounding) + z
            : divideRounded(BigInt(a) + scaledZ, k, rounding);
        return clamp(y, min, max);
      });
      expect(elements(qnnRequantize, operands, { rounding, zeroPointAt: zeroPoint })).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

test('accumulators of more than 24 bits are rounded to binary32 first', () => {
  const wide = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(fc.array(wide, { minLength: 10 }), fc.bigInt({ min: 20n, max: 30n }), (accumulators, k) => {
      const operands = [tensor('s32', accumulators), scalar('f32', 2 ** -Number(k)), scalar('s8', 3)];
      const expected = accumulators.map((a) =>
        clamp(divideRounded(toFloat(BigInt(a)), k, 'half-even') + 3n, -128, 127),
      );
      expect(elements(qnnRequantize, operands)).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test('is monotone and stays between low and high', () => {
  const cases = bytes.chain((dtype) =>
    fc.record({
      dtype: fc.constant(dtype),
      accumulators: fc.array(fc.integer({ min: -(2 ** 20), max: 2 ** 20 }), { minLength: 2 }),
      m: scaleBetween(1e-5, 1),
      zy: elementOf(dtype),
      ends: fc.tuple(elementOf(dtype), elementOf(dtype)),
      zeroPointAt: fc.constantFrom('before', 'after'),
      rounding: fc.constantFrom('half-even', 'half-up', 'half-away'),
    }),
  );
  fc.assert(
    fc.property(cases, ({ dtype, accumulators, m, zy, ends, ...mode }) => {
      const [low, high] = ends.sort((a, b) => a - b);
      const sorted = Int32Array.from(accumulators).sort();
      const y = elements(qnnRequantize, [tensor('s32', sorted), scalar('f32', m), scalar(dtype, zy)], {
        ...mode,
        ...{ low, high },
      });
      y.forEach((value, i) => {
        expect(value).toBeGreaterThanOrEqual(i === 0 ? low : y[i - 1]);
        expect(value).toBeLessThanOrEqual(high);
      });
    }),
    { numRuns: 300 },
  );
});

test('multipliers per axis apply to their channels', () => {
  const cases = fc.record({
    x: tensorOf('s32', [2, 3, 4]),
    multipliers: fc.tuple(scaleBetween(1e-9, 1e-6), scaleBetween(1e-9, 1e-6), scaleBetween(1e-9, 1e-6)),
    zy: elementOf('u8'),
  });
  fc.assert(
    fc.property(cases, ({ x, multipliers, zy }) => {
      const y = elements(qnnRequantize, [x, tensor('f32', multipliers), scalar('u8', zy)]);
      const ofChannel = multipliers.map((m) => elements(qnnRequantize, [x, scalar('f32', m), scalar('u8', zy)]));
      expect(y).toEqual(y.map((_, i) => ofChannel[Math.floor(i / 4) % 3][i]));
    }),
  );
});

/** The operands that hold the multiplier of a profile. */
function factorsOf(profile: RequantizeProfile, [sx, sw, sy]: readonly number[]): readonly [ITensor, ITensor?] {
  const m = multiplier(sx, sw, sy, profile);
  switch (m.arithmetic) {
    case 'f32':
    case 'f64':
      return [scalar(m.arithmetic, m.factor)];
    case 'f32-two-step':
      return [scalar('f32', m.first), scalar('f32', m.second)];
    case 'fixed':
      return [scalar('s32', m.mantissa), scalar('s32', m.shift)];
  }
}

test.each(Object.keys(requantizeModes) as RequantizeProfile[])('the mode %s is given by attributes', (profile) => {
  const [sx, sw, sy] = [0.0123, 0.00456, 0.0789].map(Math.fround);
  const [first, second] = factorsOf(profile, [sx, sw, sy]);
  const x = tensor(
    's32',
    Array.from({ length: 2000 }, (_, i) => (i - 1000) * 313),
  );
  const y = elements(qnnRequantize, [x, first, scalar('u8', 101), second], requantizeModes[profile]);
  const step = requantizerOf(profile, { sx, sw, sy }, 101, 0, 255);
  expect(y).toEqual(Array.from(x.data, step));
});

test('a float accumulator is taken as it is', () => {
  const x = tensor('f32', [0.75, 1.25, 2.5, -3.5]);
  expect(elements(qnnRequantize, [x, scalar('f32', 2), scalar('s8', 1)])).toEqual([3, 3, 6, -6]);
});

describe('refusals name the fault', () => {
  const x = zeros('s32', [1, 2, 2]);
  const [m, zy] = [scalar('f32', 0.5), scalar('s8', 0)];
  const refused = (operands: Parameters<typeof evaluate>[1], attrs = {}) =>
    expect(() => evaluate(qnnRequantize, operands, attrs));

  test('operands and attributes', () => {
    refused([x, tensor('f32', [1, 2, 3]), zy]).toThrow("'multiplier' has 3 elements, axis 1 of the input has 2");
    refused([x, m, tensor('s8', [1, 2])]).toThrow("'zy' should be a scalar, but is s8[2]");
    refused([x, m, zy], { arithmetic: 'f64' }).toThrow("'multiplier' should be f64 for f64, but is f32");
    refused([x, m, zy], { arithmetic: 'f32-two-step' }).toThrow("'second' should be f32 for f32-two-step");
    refused([x, m, zy, m]).toThrow("'second' should be absent for f32, but is f32");
    refused([x, m, zy, tensor('f32', [1, 2])], { arithmetic: 'f32-two-step' }).toThrow("'second' is f32[2]");
    refused([x, m, zy], { low: 130 }).toThrow('no value of s8 lies between low = 130 and high = 255');
    const [mantissa, shift] = [scalar('s32', 2 ** 30), scalar('s32', 0)];
    refused([zeros('f32', [1]), mantissa, zy, shift], { arithmetic: 'fixed' }).toThrow("'x' should be s32 for fixed");
  });
});
