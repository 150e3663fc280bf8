/** Functions of bytes in TensorFlow Lite and XNNPACK, against exact integers and against their laws. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ByteFunction,
  optimizedRequantize,
  type TfliteQuantized,
  tfliteAbs,
  tfliteFunctions,
  tfliteHardSwish,
  tfliteLeakyRelu,
  tfliteNegate,
  tflitePrelu,
  tfliteRelu,
  tfliteRequantize,
  tfliteRsqrt,
  tfliteSqrt,
  tfliteTable,
  xnnpackConvert,
  xnnpackLeakyRelu,
  xnnpackTable,
} from '../../../src/numerics/index.ts';
import { dtypes } from '../../../src/tensors/index.ts';
import { clamp, exactly, nearest, split, two } from '../../tflite/exact.ts';

const scale = fc.oneof(
  fc.integer({ min: -8, max: 1 }).map((e) => 2 ** e),
  fc.float({ min: Math.fround(2 ** -8), max: 2, noNaN: true }),
);
const dtype = fc.constantFrom('u8' as const, 's8' as const);
const quantized = (type: 'u8' | 's8'): fc.Arbitrary<TfliteQuantized> =>
  fc
    .record({ scale, zero: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 128, 255)) })
    .map(({ scale, zero }) => ({ dtype: type, scale, zeroPoint: zero + dtypes[type].min }));
const pair = dtype.chain((type) => fc.tuple(quantized(type), quantized(type)));
const alpha = fc.oneof(fc.constantFrom(0, 1, 0.5, -0.25, 2), fc.float({ min: -2, max: 2, noNaN: true }));

const valuesOf = ({ dtype }: TfliteQuantized): number[] => Array.from({ length: 256 }, (_, i) => dtypes[dtype].min + i);

/** f equals sat(exact(v) + zy) for all 256 values. */
function expectExact(f: ByteFunction, x: TfliteQuantized, y: TfliteQuantized, exact: (v: bigint) => bigint): void {
  const { min, max } = dtypes[y.dtype];
  const wrong = valuesOf(x).filter(
    (q) => f(q) !== clamp(min, max, exact(BigInt(q - x.zeroPoint)) + BigInt(y.zeroPoint)),
  );
  expect(wrong).toEqual([]);
}

const ratio = (x: TfliteQuantized, y: TfliteQuantized): number => Math.fround(x.scale / y.scale);
const size = (v: bigint): bigint => (v < 0n ? -v : v);

describe('the reference kernels in fixed point', () => {
  it('QUANTIZE between integers: the quotient of scales in binary64', () => {
    fc.assert(
      fc.property(pair, ([x, y]) => expectExact(tfliteRequantize(x, y), x, y, (v) => two(v, x.scale / y.scale))),
    );
  });

  it('QUANTIZE in vectors: ties of the shift go up', () => {
    fc.assert(
      fc.property(pair, ([x, y]) => {
        const { m, e } = split(x.scale / y.scale);
        expectExact(optimizedRequantize(x, y), x, y, (v) => {
          const high = nearest((e > 0 ? v << BigInt(e) : v) * m, 1n << 31n, 'up');
          return e >= 0 ? high : nearest(high, 1n << BigInt(-e), 'up');
        });
      }),
    );
  });

  it('LEAKY_RELU: quotients in binary32, the sign of the slope applied last', () => {
    fc.assert(
      fc.property(pair, alpha, ([x, y], a) => {
        const below = Math.abs(Math.fround(Math.fround(x.scale * a) / y.scale));
        const sign = a < 0 ? -1n : 1n;
        expectExact(tfliteLeakyRelu(a, x, y), x, y, (v) => (v >= 0n ? two(v, ratio(x, y)) : sign * two(v, below)));
      }),
    );
  });

  it('LEAKY_RELU: −1.5 times −1 and −3 are ties that go down, as LiteRT has them', () => {
    const x: TfliteQuantized = { dtype: 's8', scale: 0.5, zeroPoint: 0 };
    expect([-1, -2, -3].map(tfliteLeakyRelu(-1.5, x, x))).toEqual([1, 3, 4]);
  });

  it('PRELU: the slope is a factor of the integer, quotients in binary64', () => {
    const three = dtype.chain((type) => fc.tuple(quantized(type), quantized(type), quantized(type)));
    fc.assert(
      fc.property(three, fc.nat(255), ([x, slope, y], at) => {
        const a = dtypes[x.dtype].min + at;
        const moved = BigInt(a - slope.zeroPoint);
        const f = tflitePrelu(x, slope, y);
        expectExact(
          (q) => f(q, a),
          x,
          y,
          (v) => (v >= 0n ? two(v, x.scale / y.scale) : two(v * moved, (x.scale * slope.scale) / y.scale)),
        );
      }),
    );
  });

  it('ABS: equal scales leave the size as it is', () => {
    fc.assert(
      fc.property(pair, fc.boolean(), ([x, other], isSame) => {
        const y = isSame ? { ...other, scale: x.scale } : other;
        expectExact(tfliteAbs(x, y), x, y, (v) => (x.scale === y.scale ? size(v) : two(size(v), ratio(x, y))));
      }),
    );
  });

  it('NEG: −q wraps', () => {
    const x: TfliteQuantized = { dtype: 's8', scale: 1, zeroPoint: 5 };
    expect([-128, -127, 0, 127].map(tfliteNegate(x))).toEqual([-128, 127, -0, -127]);
  });

  it.each(['RELU', 'RELU6', 'RELU_N1_TO_1', 'RELU_0_TO_1'] as const)('%s: never beyond its real ends', (name) => {
    const [least, most] = { RELU: [0, Infinity], RELU6: [0, 6], RELU_N1_TO_1: [-1, 1], RELU_0_TO_1: [0, 1] }[name];
    fc.assert(
      fc.property(pair, ([x, y]) => {
        const f = tfliteRelu(name, x, y);
        for (const q of valuesOf(x)) {
          const real = (f(q) - y.zeroPoint) * y.scale;
          const isAtEnd = f(q) === dtypes[y.dtype].min || f(q) === dtypes[y.dtype].max;
          const isInside = real >= least - y.scale / 2 && real <= most + y.scale / 2;
          if (!isInside && !isAtEnd) expect.fail(`${q} becomes ${real}`);
        }
      }),
    );
  });
});

describe('XNNPACK with 8-bit multipliers', () => {
  it('LEAKY_RELU and conversions: one rounding, ties up', () => {
    fc.assert(
      fc.property(pair, alpha, ([x, y], a) => {
        const f = xnnpackLeakyRelu(a, x, y);
        const [above, below] = [ratio(x, y), Math.fround(ratio(x, y) * a)];
        const isTaken = above >= 2 ** -8 && above <= 128 && Math.abs(below) >= 2 ** -8 && below >= -128 + 2 ** -8;
        expect(f !== undefined).toBe(isTaken && below <= 128);
        if (!f) return;
        const factor = (k: number) => {
          const { n, e } = exactly(k * 256);
          return nearest(n, 1n << BigInt(-e), 'even');
        };
        expectExact(f, x, y, (v) => nearest(v * factor(v >= 0n ? above : below), 256n, 'up'));
        if (a === 1) expect(valuesOf(x).map(f)).toEqual(valuesOf(x).map(xnnpackConvert(x, y) ?? (() => Number.NaN)));
      }),
    );
  });

  it('leaves conversions between types to the reference kernels', () => {
    const x: TfliteQuantized = { dtype: 's8', scale: 1, zeroPoint: 0 };
    expect(xnnpackConvert(x, { ...x, dtype: 'u8' })).toBeUndefined();
  });
});

describe('functions that never fall', () => {
  const rises = (f: ByteFunction, x: TfliteQuantized): boolean =>
    valuesOf(x).every((q, i, all) => i === 0 || f(q) >= f(all[i - 1]));

  it.each(['LOGISTIC', 'TANH', 'ELU', 'EXP'] as const)('%s, in either rounding', (name) => {
    fc.assert(
      fc.property(pair, ([x, y]) => {
        const f = tfliteFunctions[name]();
        expect([rises(tfliteTable(x, f, y), x), rises(xnnpackTable(x, f, y), x)]).toEqual([true, true]);
      }),
    );
  });

  it('LOG, SQRT, requantization, RELU6 and LEAKY_RELU of a slope that is not negative', () => {
    fc.assert(
      fc.property(pair, alpha, ([x, y], a) => {
        const all = [
          tfliteTable(x, tfliteFunctions.LOG(y), y),
          tfliteSqrt(x, y),
          tfliteRequantize(x, y),
          tfliteRelu('RELU6', x, y),
          tfliteLeakyRelu(Math.abs(a), x, y),
        ];
        expect(all.map((f) => rises(f, x))).toEqual(all.map(() => true));
      }),
    );
  });
});

describe('approximations', () => {
  const identity: TfliteQuantized = { dtype: 's8', scale: 1, zeroPoint: -128 };

  it('RSQRT falls, and is within a step and a thousandth of the root', () => {
    fc.assert(
      fc.property(scale, scale, (sx, sy) => {
        const [x, y] = [sx, sy].map((scale): TfliteQuantized => ({ dtype: 's8', scale, zeroPoint: -128 }));
        const f = tfliteRsqrt(x, y);
        expect(f(-128)).toBe(127);
        for (let v = 1; v < 256; v++) {
          const real = Math.min(1 / Math.sqrt(sx * v) / sy, 255) - 128;
          if (Math.abs(f(v - 128) - real) > 0.6 + Math.abs(real + 128) / 1000) expect.fail(`${v}: ${f(v - 128)}`);
          if (v > 1 && f(v - 128) > f(v - 129)) expect.fail(`rises at ${v}`);
        }
      }),
    );
  });

  it('SQRT cuts: squares are exact', () => {
    const f = tfliteSqrt(identity, identity);
    for (let root = 0; root < 16; root++) expect(f(root * root - 128) + 128).toBe(root);
    expect(f(15 - 128) + 128).toBe(3);
  });

  it('HARD_SWISH is 0 below −3 and x above 3, within a step of x·clip(x + 3, 0, 6)/6', () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(0.03), max: Math.fround(0.2), noNaN: true }), fc.nat(255), (s, zero) => {
        const x: TfliteQuantized = { dtype: 'u8', scale: s, zeroPoint: zero };
        const f = tfliteHardSwish(x, x);
        for (const q of valuesOf(x)) {
          const real = s * (q - zero);
          const exact = (real * Math.min(Math.max(real + 3, 0), 6)) / 6 / s + zero;
          if (Math.abs((f?.(q) ?? Number.NaN) - Math.min(Math.max(exact, 0), 255)) > 1.01) expect.fail(`${q} of ${s}`);
        }
      }),
    );
  });

  it('HARD_SWISH is refused where TensorFlow Lite refuses it', () => {
    expect(tfliteHardSwish({ ...identity, scale: 128 }, { ...identity, scale: 1 })).toBeUndefined();
  });
});
