import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  fixedMultiplier,
  multiplier,
  multiplyFixed,
  type RequantizeProfile,
  requantizeModes,
  requantizer,
  requantizerOf,
} from '../../../src/numerics/requantize.ts';
import { requantizeThresholds, sameRequantize } from '../../../src/numerics/thresholds.ts';
import { dtypes } from '../../../src/tensors/dtype.ts';
import { scalar, tensor } from '../../../src/tensors/tensor.ts';
import { exactWeights } from '../../support/exact_weights.ts';
import { integerBetween, ortOutput, random, randomData, randomScale } from './ort.ts';

const profiles = Object.keys(requantizeModes) as RequantizeProfile[];

describe('profile ort equals ONNX Runtime', () => {
  test.each([
    ['u8', false],
    ['u8', true],
    ['s8', false],
    ['s8', true],
  ] as const)('QLinearMatMul %s x s8, scale per column: %s', async (dtype, perColumn) => {
    const { min, max } = dtypes[dtype];
    const next = random(max + (perColumn ? 1 : 0));
    for (let round = 0; round < 20; round++) {
      const [m, k, n] = [integerBetween(next, 1, 9), integerBetween(next, 1, 200), integerBetween(next, 1, 40)];
      const a = randomData(next, dtype, m * k) as Uint8Array;
      const b = Int8Array.from({ length: k * n }, () => integerBetween(next, ...exactWeights.s8));
      const [za, zb, zy] = [
        integerBetween(next, min, max),
        integerBetween(next, -128, 127),
        integerBetween(next, min, max),
      ];
      const sa = randomScale(next, 1e-3, 0.1);
      const sb = Float32Array.from({ length: perColumn ? n : 1 }, () => randomScale(next, 1e-3, 0.1));
      // A power of two as the first multiplier: exact ties occur.
      const sy =
        round % 2 ? randomScale(next, 0.5, 5) : Math.fround(2 ** integerBetween(next, 1, 7) * Math.fround(sa * sb[0]));
      const columns = perColumn ? [n] : [];
      const theirs = await ortOutput({
        ...{ op: 'QLinearMatMul', opset: 10, outputs: [dtype] },
        inputs: [
          { tensor: tensor(dtype, a, [m, k]) },
          { tensor: scalar('f32', sa) },
          { tensor: scalar(dtype, za) },
          { tensor: tensor('s8', b, [k, n]), init: true },
          { tensor: tensor('f32', sb, columns), init: true },
          {
            tensor: tensor(
              's8',
              Int8Array.from(sb, () => zb),
              columns,
            ),
            init: true,
          },
          { tensor: scalar('f32', sy) },
          { tensor: scalar(dtype, zy) },
        ],
      });
      for (let j = 0; j < n; j++) {
        const ours = requantizerOf('ort', { sx: sa, sw: sb[perColumn ? j : 0], sy }, zy, min, max);
        for (let i = 0; i < m; i++) {
          let sum = 0;
          for (let l = 0; l < k; l++) sum += (a[i * k + l] - za) * (b[l * n + j] - zb);
          expect(ours(sum), `${sum}`).toBe(theirs[i * n + j]);
        }
      }
    }
  });

  test('QLinearConv: the int32 bias is added to the accumulator, which wraps, and rounded once to binary32', async () => {
    const next = random(77);
    for (let round = 0; round < 20; round++) {
      const channels = integerBetween(next, 1, 20);
      const pixels = integerBetween(next, 1, 30);
      const x = randomData(next, 'u8', pixels) as Uint8Array;
      const w = randomData(next, 's8', channels) as Int8Array;
      const huge = round % 4 === 3;
      const span = huge ? 2 ** 31 - 1 : 200_000;
      const bias = Int32Array.from({ length: channels }, () => integerBetween(next, -span, span));
      const [zx, zy] = [integerBetween(next, 0, 255), integerBetween(next, 0, 255)];
      const sx = randomScale(next, 1e-3, 0.1);
      const sw = Float32Array.from({ length: channels }, () => randomScale(next, 1e-3, 0.1));
      const sy = Math.fround(randomScale(next, 2e-3, 0.1) * (span / 2 ** 15));
      const theirs = await ortOutput({
        ...{ op: 'QLinearConv', opset: 10, outputs: ['u8'] },
        inputs: [
          { tensor: tensor('u8', x, [1, 1, pixels]) },
          { tensor: scalar('f32', sx) },
          { tensor: scalar('u8', zx) },
          { tensor: tensor('s8', w, [channels, 1, 1]), init: true },
          { tensor: tensor('f32', sw), init: true },
          { tensor: scalar('s8', 0), init: true },
          { tensor: scalar('f32', sy) },
          { tensor: scalar('u8', zy) },
          { tensor: tensor('s32', bias), init: true },
        ],
      });
      for (let o = 0; o < channels; o++) {
        const ours = requantizerOf('ort', { sx, sw: sw[o], sy }, zy, 0, 255);
        for (let p = 0; p < pixels; p++) {
          const sum = ((x[p] - zx) * w[o] + bias[o]) | 0;
          expect(ours(sum), `${sum}`).toBe(theirs[o * pixels + p]);
        }
      }
    }
  });
});

describe('modes', () => {
  const at = (profile: RequantizeProfile, a: number, zeroPoint: number, sy = 2) =>
    requantizerOf(profile, { sx: 1, sw: 1, sy }, zeroPoint, -128, 127)(a);

  test('ties: A/2 with an even and an odd zero point', () => {
    expect([-3, -1, 1, 3].map((a) => at('ort', a, 0))).toEqual([-2, 0, 0, 2]);
    expect([-3, -1, 1, 3].map((a) => at('ort', a, 1))).toEqual([-1, 1, 1, 3]);
    expect([-3, -1, 1, 3].map((a) => at('torch-onednn', a, 1))).toEqual([0, 0, 2, 2]);
    expect([-3, -1, 1, 3].map((a) => at('onnx-spec', a, 1))).toEqual([-1, 1, 1, 3]);
  });

  test('QNNPACK multiplies by the reciprocal of the scale of the result, others divide by it', () => {
    const factors = (profile: RequantizeProfile) =>
      Array.from({ length: 200 }, (_, i) => {
        const made = multiplier(Math.fround(0.013 * (i + 1)), Math.fround(0.07), Math.fround(0.1 * i + 0.3), profile);
        return 'factor' in made ? made.factor : Number.NaN;
      });
    const exactly = (of: (product: number, sy: number) => number) =>
      Array.from({ length: 200 }, (_, i) =>
        of(Math.fround(Math.fround(0.013 * (i + 1)) * Math.fround(0.07)), Math.fround(0.1 * i + 0.3)),
      );
    const [divided, multiplied] = [
      exactly((product, sy) => Math.fround(product / sy)),
      exactly((product, sy) => Math.fround(product * Math.fround(1 / sy))),
    ];
    expect(multiplied).not.toEqual(divided);
    expect(factors('torch-qnnpack')).toEqual(multiplied);
    expect(factors('torch-fbgemm')).toEqual(divided);
    expect(factors('ort')).toEqual(divided);
  });

  test('f32 rounds the accumulator and the product, f64 neither', () => {
    const f32 = requantizer(requantizeModes.ort, { arithmetic: 'f32', factor: 2 ** -24 }, 0, -128, 127);
    const f64 = requantizer(requantizeModes['onnx-spec'], { arithmetic: 'f64', factor: 2 ** -24 }, 0, -128, 127);
    const above = 2 ** 24 + 2 ** 23 + 1;
    expect([f32(above - 2), f64(above - 2)]).toEqual([2, 1]);
    expect(() => requantizer(requantizeModes.ort, { arithmetic: 'f64', factor: 1 }, 0, 0, 1)).toThrow(/does not fit/);
  });

  test('multipliers', () => {
    expect(multiplier(0.1, 0.1, 0.3)).toEqual({ arithmetic: 'f32', factor: Math.fround(Math.fround(0.1 * 0.1) / 0.3) });
    expect(multiplier(1, 1, 4, 'tflite')).toEqual({ arithmetic: 'fixed', mantissa: 2 ** 30, shift: -1 });
    expect(multiplier(3, 1, 4, 'tflite')).toEqual({ arithmetic: 'fixed', mantissa: 3 * 2 ** 29, shift: 0 });
    expect(fixedMultiplier(1 - 2 ** -40)).toEqual({ arithmetic: 'fixed', mantissa: 2 ** 30, shift: 1 });
    expect(fixedMultiplier(2 ** -40)).toEqual({ arithmetic: 'fixed', mantissa: 0, shift: 0 });
    expect(fixedMultiplier(0)).toEqual({ arithmetic: 'fixed', mantissa: 0, shift: 0 });
  });

  test('fixed point against integer arithmetic', () => {
    const cases = fc.tuple(
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }),
      fc.integer({ min: -31, max: 3 }),
    );
    fc.assert(
      fc.property(cases, ([a, mantissa, shift]) => {
        expect(multiplyFixed(a, mantissa, shift) + 0).toBe(gemmlowp(BigInt(a), BigInt(mantissa), shift));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('thresholds', () => {
  test.each(profiles)('%s: the thresholds are where the function steps', (profile) => {
    const f = requantizerOf(profile, { sx: 0.02, sw: 0.03, sy: 0.11 }, 7, 0, 255);
    const thresholds = requantizeThresholds(f, 0, 255);
    expect(thresholds.length).toBe(255);
    thresholds.forEach((t, k) => {
      expect(f(t)).toBeGreaterThanOrEqual(k + 1);
      expect(f(t - 1)).toBeLessThan(k + 1);
    });
  });

  test('levels out of reach', () => {
    const f = requantizerOf('ort', { sx: 1, sw: 1, sy: 100 }, 0, -128, 127);
    const thresholds = requantizeThresholds(f, -128, 127, -500, 500);
    expect(thresholds.at(-1)).toBe(501);
    expect(thresholds[0]).toBe(-500);
  });

  test('sameRequantize: agrees with comparing every accumulator', () => {
    const next = random(9);
    let different = 0;
    for (let round = 0; round < 300; round++) {
      const scales = {
        sx: randomScale(next, 0.01, 0.1),
        sw: randomScale(next, 0.01, 0.1),
        sy: randomScale(next, 0.01, 0.1),
      };
      const zeroPoint = integerBetween(next, 0, 255);
      const f = requantizerOf('ort', scales, zeroPoint, 0, 255);
      const g = requantizerOf(profiles[round % profiles.length], scales, zeroPoint, 0, 255);
      const max = 40_000;
      let first: number | undefined;
      for (let a = -max; a <= max && first === undefined; a++) if (f(a) !== g(a)) first = a;
      if (first !== undefined) different++;
      expect(sameRequantize(f, g, -max, max)).toBe(first);
    }
    expect(different).toBeGreaterThan(0);
  });

  test('sameRequantize: unequal at the ends of the interval', () => {
    const step = (at: number) => (a: number) => (a < at ? 0 : 1);
    expect(sameRequantize(step(5), step(5), 0, 10)).toBeUndefined();
    expect(sameRequantize(step(0), step(1), 0, 10)).toBe(0);
    expect(sameRequantize(step(10), step(11), 0, 10)).toBe(10);
    expect(sameRequantize(step(11), step(12), 0, 10)).toBeUndefined();
  });
});

/** RDivPOT(SRDHM(a·2^l, M), r) on integers, from the definition of gemmlowp. */
function gemmlowp(a: bigint, mantissa: bigint, shift: number): number {
  const limit = (x: bigint) => (x > 2n ** 31n - 1n ? 2n ** 31n - 1n : x < -(2n ** 31n) ? -(2n ** 31n) : x);
  const product = limit(a << BigInt(Math.max(shift, 0))) * mantissa;
  const nudge = product >= 0n ? 2n ** 30n : 1n - 2n ** 30n;
  const high = (product + nudge) / 2n ** 31n;
  const right = BigInt(Math.max(-shift, 0));
  const mask = (1n << right) - 1n;
  const threshold = (mask >> 1n) + (high < 0n ? 1n : 0n);
  return Number((high >> right) + ((high & mask) > threshold ? 1n : 0n)) + 0;
}
