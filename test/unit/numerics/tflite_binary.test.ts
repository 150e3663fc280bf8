/** Sums and products of two tensors in TensorFlow Lite and XNNPACK, against exact integers, over all pairs of bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type QLinearBinary,
  tfliteAdd,
  tfliteMul,
  xnnpackAdd,
  xnnpackMul,
  xnnpackTakesAdd,
  xnnpackTakesMul,
} from '../../../src/numerics/index.ts';
import { type ArrayFor, dtypes, newArray, type TypedArray } from '../../../src/tensors/index.ts';
import { clamp, exactly, nearest, two } from '../../tflite/exact.ts';

type Recipe = (q: QLinearBinary, a: ArrayLike<number>, b: ArrayLike<number>, out: TypedArray) => void;

const scales = fc.oneof(
  fc.integer({ min: -9, max: 1 }).map((e) => 2 ** e),
  fc.float({ min: Math.fround(2 ** -9), max: 2, noNaN: true }),
);
const parameters = fc
  .record({
    dtype: fc.constantFrom('u8' as const, 's8' as const),
    scaleA: scales,
    scaleB: scales,
    zeros: fc.tuple(...[0, 1, 2].map(() => fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 128, 255)))),
    isDifference: fc.boolean(),
    widening: fc.integer({ min: -2, max: 5 }),
    odd: fc.float({ min: 1, max: 2, noNaN: true }),
    isPower: fc.boolean(),
  })
  .map(({ dtype, scaleA, scaleB, zeros, isDifference, widening, odd, isPower }): QLinearBinary => {
    const [za, zb, zc] = zeros.map((zero) => zero + dtypes[dtype].min);
    const size = 2 ** (Math.round(Math.log2(Math.max(scaleA, scaleB))) + widening);
    return {
      dtype,
      scaleA,
      zeroPointA: za,
      scaleB: isDifference ? -scaleB : scaleB,
      zeroPointB: zb,
      scaleC: Math.fround(isPower ? size : size * odd),
      zeroPointC: zc,
    };
  });

/** All pairs of bytes, and the recipe's results for them. */
function overAllPairs(recipe: Recipe, q: QLinearBinary) {
  const { min } = dtypes[q.dtype];
  const dtype = q.dtype === 'u8' ? 'u8' : 's8';
  const [a, b, y]: ArrayFor<'u8' | 's8'>[] = [0, 1, 2].map(() => newArray(dtype, 65536));
  for (let i = 0; i < 65536; i++) {
    a[i] = min + (i >> 8);
    b[i] = min + (i & 255);
  }
  recipe(q, a, b, y);
  return { a, b, y };
}

function expectExact(recipe: Recipe, q: QLinearBinary, value: (a: bigint, b: bigint) => bigint): void {
  const { min, max } = dtypes[q.dtype];
  const { a, b, y } = overAllPairs(recipe, q);
  const wrong: unknown[] = [];
  // every 7th pair: all values of either operand occur, and BigInt is slow
  for (let i = 0; i < 65536; i += 7) {
    const exact = value(BigInt(a[i] - q.zeroPointA), BigInt(b[i] - q.zeroPointB)) + BigInt(q.zeroPointC);
    if (y[i] !== clamp(min, max, exact)) wrong.push([a[i], b[i], y[i], exact]);
  }
  expect(wrong).toEqual([]);
}

const runs = { numRuns: 25 };

describe('the reference kernels', () => {
  it('ADD and SUB: operands moved by 20 bits, three times two roundings', () => {
    fc.assert(
      fc.property(parameters, (q) => {
        const t = 2 * Math.max(q.scaleA, Math.abs(q.scaleB));
        const of = (x: bigint, scale: number) => two(x << 20n, scale / t);
        expectExact(tfliteAdd, q, (a, b) => two(of(a, q.scaleA) + of(b, q.scaleB), t / (2 ** 20 * q.scaleC)));
      }),
      runs,
    );
  });

  it('MUL: the factor is a binary32 number', () => {
    fc.assert(
      fc.property(parameters, (q) => {
        const factor = Math.fround(Math.fround(q.scaleA * q.scaleB) / q.scaleC);
        expectExact(tfliteMul, q, (a, b) => two(a * b, factor));
      }),
      runs,
    );
  });

  it('round ties of a difference up before they round the rest: not the negative of a sum', () => {
    const q = { dtype: 's8', scaleA: 1, zeroPointA: 0, scaleB: 0.75, zeroPointB: 0, scaleC: 1, zeroPointC: 0 } as const;
    const results = (sign: 1 | -1) => overAllPairs(tfliteAdd, { ...q, scaleB: sign * q.scaleB });
    const [sum, difference] = [results(1), results(-1)];
    const at = (b: number) => 128 * 256 + 128 + b; // a = 0
    expect([sum.y[at(2)], difference.y[at(2)]]).toEqual([2, -2]); // ±1.5
    expect([sum.y[at(-2)], difference.y[at(-2)]]).toEqual([-2, 2]);
  });
});

describe('XNNPACK', () => {
  it('ADD and SUB: 21-bit factors of one shift, one rounding, ties up', () => {
    fc.assert(
      fc.property(parameters, (q) => {
        const [ra, rb] = [q.scaleA, q.scaleB].map((scale) => Math.fround(scale / q.scaleC));
        let shift = 0;
        while (Math.max(ra, Math.abs(rb)) * 2 ** shift < 2 ** 20) shift++;
        const factor = (ratio: number) => {
          const { n, e } = exactly(ratio * 2 ** shift);
          return nearest(n, 1n << BigInt(-e), 'even');
        };
        const [fa, fb] = [factor(ra), factor(rb)];
        expectExact(xnnpackAdd, q, (a, b) => nearest(fa * a + fb * b, 1n << BigInt(shift), 'up'));
      }),
      runs,
    );
  });

  it('MUL: one binary32 product, ties to even', () => {
    fc.assert(
      fc.property(parameters, (q) => {
        const factor = exactly(Math.fround(Math.fround(q.scaleA * q.scaleB) / q.scaleC));
        expectExact(xnnpackMul, q, (a, b) => {
          // binary32 keeps 24 bits of the product
          const product = a * b * factor.n;
          const excess = Math.max(product.toString(2).replace('-', '').length - 24, 0);
          const kept = nearest(product, 1n << BigInt(excess), 'even') << BigInt(excess);
          return factor.e >= 0 ? kept << BigInt(factor.e) : nearest(kept, 1n << BigInt(-factor.e), 'even');
        });
      }),
      runs,
    );
  });

  it('takes ratios in [2^-10, 2^8) and products in [2^-16, 2^8)', () => {
    const q = (scaleA: number, scaleB: number): QLinearBinary => ({
      dtype: 's8',
      scaleA,
      zeroPointA: 0,
      scaleB,
      zeroPointB: 0,
      scaleC: 1,
      zeroPointC: 0,
    });
    const below = (x: number) => Math.fround(x * (1 - 2 ** -24));
    expect([q(2 ** -10, -1), q(below(2 ** -10), 1), q(below(2 ** 8), 1), q(1, -(2 ** 8))].map(xnnpackTakesAdd)).toEqual(
      [true, false, true, false],
    );
    expect([2 ** -16, below(2 ** -16), below(2 ** 8), 2 ** 8].map((m) => xnnpackTakesMul(q(m, 1)))).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });
});

describe.each([
  ['tflite add', tfliteAdd],
  ['xnnpack add', xnnpackAdd],
] as const)('%s', (_, recipe) => {
  it('never falls where an operand of positive scale grows', () => {
    fc.assert(
      fc.property(parameters, (q) => {
        const { y } = overAllPairs(recipe, { ...q, scaleB: Math.abs(q.scaleB) });
        for (let i = 256; i < 65536; i++) if (y[i] < y[i - 256]) expect.fail(`falls at ${i}`);
        for (let i = 0; i < 65535; i++) if ((i & 255) < 255 && y[i + 1] < y[i]) expect.fail(`falls at ${i}`);
      }),
      { numRuns: 10 },
    );
  });
});
