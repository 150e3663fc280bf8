import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnyOp } from '../../../src/ir/op_table.ts';
import * as cast from '../../../src/ir/ops/nn_cast.op.ts';
import * as binary from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import * as unary from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnWhere } from '../../../src/ir/ops/nn_where.op.ts';
import { type DType, dtypes, isFloat } from '../../../src/tensors/dtype.ts';
import { type ITensor, tensor } from '../../../src/tensors/tensor.ts';
import { allTypes, elements, evaluate, indicesOf, listOf, plainTypes, read, shapeOf, tensorOf } from './nn_support.ts';

/** A shape and one that broadcasts with it: each may have 1, or nothing, where the other has a size. */
const broadcastable = shapeOf({ min: 0, max: 3 }).chain((full) => {
  const part = fc
    .tuple(fc.integer({ min: 0, max: full.length }), fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }))
    .map(([drop, ones]) => full.map((size, axis) => (ones[axis] ? 1 : size)).slice(drop));
  return fc.tuple(part, part);
});

const broadcast = (a: readonly number[], b: readonly number[]): number[] => {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => Math.max(a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1));
};
const readBroadcast = (x: ITensor, index: readonly number[]): number | bigint =>
  read(
    x,
    index.slice(index.length - x.shape.length).map((i, axis) => (x.shape[axis] === 1 ? 0 : i)),
  );

const pairOf = (dtypes: readonly DType[]) =>
  fc
    .tuple(fc.constantFrom(...dtypes), broadcastable)
    .chain(([dtype, [a, b]]) => fc.tuple(tensorOf(dtype, a), tensorOf(dtype, b)));

const integerTypes = plainTypes.filter((d) => !isFloat(d));
const big = (v: number | bigint): bigint => BigInt(v);
const wrapTo = (dtype: DType, v: bigint): bigint => {
  const { bits, kind } = dtypes[dtype];
  return kind === 'unsigned' ? BigInt.asUintN(bits, v) : BigInt.asIntN(bits, v);
};

describe('elementwise operators of two operands', () => {
  const exact: readonly (readonly [AnyOp, (a: bigint, b: bigint) => bigint])[] = [
    [binary.nnAdd, (a, b) => a + b],
    [binary.nnSub, (a, b) => a - b],
    [binary.nnMul, (a, b) => a * b],
    [binary.nnDiv, (a, b) => (b === 0n ? 0n : a / b)],
    [binary.nnMin, (a, b) => (a < b ? a : b)],
    [binary.nnMax, (a, b) => (a > b ? a : b)],
  ];
  it.each(exact)('$0.name of integers is exact modulo 2^bits and broadcasts', (op, f) => {
    fc.assert(
      fc.property(pairOf(integerTypes), ([a, b]) => {
        const y = evaluate(op, [a, b]);
        expect(y.shape).toEqual(broadcast(a.shape, b.shape));
        const expected = indicesOf(y.shape).map((i) =>
          wrapTo(a.dtype, f(big(readBroadcast(a, i)), big(readBroadcast(b, i)))),
        );
        expect(listOf(y).map(big)).toEqual(expected);
      }),
    );
  });

  const rounded: readonly (readonly [AnyOp, (a: number, b: number) => number])[] = [
    [binary.nnAdd, (a, b) => a + b],
    [binary.nnSub, (a, b) => a - b],
    [binary.nnMul, (a, b) => a * b],
    [binary.nnDiv, (a, b) => a / b],
    [binary.nnMin, Math.min],
    [binary.nnMax, Math.max],
  ];
  it.each(rounded)('$0.name of floats rounds once to the type', (op, f) => {
    fc.assert(
      fc.property(pairOf(['f32', 'f64']), ([a, b]) => {
        const y = evaluate(op, [a, b]);
        const round = a.dtype === 'f32' ? Math.fround : (v: number) => v;
        const expected = indicesOf(y.shape).map((i) =>
          round(f(readBroadcast(a, i) as number, readBroadcast(b, i) as number)),
        );
        expect(listOf(y)).toEqual(expected);
      }),
    );
  });

  const tests: readonly (readonly [AnyOp, (a: number | bigint, b: number | bigint) => boolean])[] = [
    [binary.nnEqual, (a, b) => a === b],
    [binary.nnGreater, (a, b) => a > b],
    [binary.nnLess, (a, b) => a < b],
    [binary.nnGreaterOrEqual, (a, b) => a >= b],
    [binary.nnLessOrEqual, (a, b) => a <= b],
  ];
  it.each(tests)('$0.name compares every element', (op, test) => {
    fc.assert(
      fc.property(pairOf(plainTypes), fc.boolean(), ([a, b], same) => {
        const right = same ? a : b;
        const y = evaluate(op, [a, right]);
        const expected = indicesOf(y.shape).map((i) => Number(test(readBroadcast(a, i), readBroadcast(right, i))));
        expect(listOf(y)).toEqual(expected);
      }),
    );
    expect(elements(op, [tensor('f32', [NaN]), tensor('f32', [NaN])])).toEqual([0]);
  });

  it('mod: the remainder has the sign of the divisor, or of the dividend with fmod, and a − r is a multiple of b', () => {
    fc.assert(
      fc.property(pairOf(integerTypes), fc.boolean(), ([a, b], fmod) => {
        const y = evaluate(binary.nnMod, [a, b], { fmod });
        for (const i of indicesOf(y.shape)) {
          const [x, d, r] = [readBroadcast(a, i), readBroadcast(b, i), read(y, i)].map(big);
          if (d === 0n) {
            expect(r).toBe(0n);
            continue;
          }
          expect((x - r) % d).toBe(0n);
          expect(r < 0n ? -r : r).toBeLessThan(d < 0n ? -d : d);
          if (r !== 0n) expect(r < 0n).toBe((fmod ? x : d) < 0n);
        }
      }),
    );
  });

  it('pow: exact for small integers, modulo 2^64 for 64-bit ones, IEEE for floats', () => {
    const small = fc.tuple(fc.integer({ min: -4, max: 4 }), fc.integer({ min: 0, max: 10 }));
    fc.assert(
      fc.property(small, fc.bigInt({ min: -100n, max: 100n }), fc.bigInt({ min: 0n, max: 50n }), ([a, b], x, n) => {
        const [base, exponent] = [tensor('s32', [a]), tensor('s32', [b])];
        expect(elements(binary.nnPow, [base, exponent])).toEqual([a ** b]);
        const [long, count] = [tensor('s64', [x]), tensor('s64', [n])];
        expect(evaluate(binary.nnPow, [long, count]).data[0]).toBe(BigInt.asIntN(64, x ** n));
      }),
    );
    expect(elements(binary.nnPow, [tensor('f32', [2, 9]), tensor('f32', [-1, 0.5])])).toEqual([0.5, 3]);
    const inverse = evaluate(binary.nnPow, [tensor('s64', [2, -1, 1]), tensor('s64', [-1, -3, -2])]);
    expect(listOf(inverse)).toEqual([0n, -1n, 1n]);
  });

  it('and, or, xor and not follow logic', () => {
    const [a, b] = [tensor('bool', [0, 0, 1, 1]), tensor('bool', [0, 1, 0, 1])];
    expect(elements(binary.nnAnd, [a, b])).toEqual([0, 0, 0, 1]);
    expect(elements(binary.nnOr, [a, b])).toEqual([0, 1, 1, 1]);
    expect(elements(binary.nnXor, [a, b])).toEqual([0, 1, 1, 0]);
    expect(elements(unary.nnNot, [a])).toEqual([1, 1, 0, 0]);
  });

  it('where picks from a or b, for every type', () => {
    const cases = fc
      .tuple(fc.constantFrom(...allTypes), broadcastable)
      .chain(([dtype, [a, b]]) => fc.tuple(tensorOf('bool', a), tensorOf(dtype, b), tensorOf(dtype, a)));
    fc.assert(
      fc.property(cases, ([cond, a, b]) => {
        const y = evaluate(nnWhere, [cond, a, b]);
        const expected = indicesOf(y.shape).map((i) => readBroadcast(readBroadcast(cond, i) ? a : b, i));
        expect(listOf(y)).toEqual(expected);
      }),
    );
  });

  it('refuses types that differ and shapes that do not broadcast', () => {
    const call = (a: ITensor, b: ITensor) => () => evaluate(binary.nnAdd, [a, b]);
    expect(call(tensor('f32', [1]), tensor('f64', [1]))).toThrow(/'a' is of type f32, 'b' of type f64/);
    expect(call(tensor('f32', [1, 2]), tensor('f32', [1, 2, 3]))).toThrow(/do not broadcast: 2 and 3/);
  });
});

describe('elementwise operators of one operand', () => {
  const f32Values = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: 1, maxLength: 8 });
  const erfAt1 = 0.8427007929497149;
  /** [operator, attributes, argument, value]: fixed points that tell the formula from its relatives. */
  const points: readonly (readonly [AnyOp, Record<string, number | string>, number, number])[] = [
    [unary.nnLeakyRelu, { alpha: 0.25 }, -4, -1],
    [unary.nnLeakyRelu, { alpha: 0.25 }, 4, 4],
    [unary.nnElu, { alpha: 2 }, -1, 2 * Math.expm1(-1)],
    [unary.nnElu, { alpha: 2 }, 3, 3],
    [unary.nnSelu, { alpha: 2, gamma: 3 }, -1, 6 * Math.expm1(-1)],
    [unary.nnSelu, { alpha: 2, gamma: 3 }, 2, 6],
    [unary.nnCelu, { alpha: 2 }, -1, 2 * Math.expm1(-0.5)],
    [unary.nnCelu, { alpha: 2 }, 5, 5],
    [unary.nnThresholdedRelu, { alpha: 2 }, 2, 0],
    [unary.nnThresholdedRelu, { alpha: 2 }, 2.5, 2.5],
    [unary.nnHardSigmoid, { alpha: 0.25, beta: 0.5 }, 1, 0.75],
    [unary.nnHardSigmoid, { alpha: 0.25, beta: 0.5 }, -3, 0],
    [unary.nnHardSwish, {}, 3, 3],
    [unary.nnHardSwish, {}, -1, -1 / 3],
    [unary.nnSigmoid, {}, Math.fround(Math.log(3)), 0.75],
    [unary.nnTanh, {}, 1, Math.tanh(1)],
    [unary.nnErf, {}, 1, erfAt1],
    [unary.nnSoftplus, {}, 0, Math.LN2],
    [unary.nnSoftplus, {}, 200, 200],
    [unary.nnSoftsign, {}, -3, -0.75],
    [unary.nnMish, {}, 0.5, 0.5 * Math.tanh(Math.log1p(Math.exp(0.5)))],
    [unary.nnGelu, {}, 1, 0.8413447460685429],
    [unary.nnGelu, { approximate: 'tanh' }, 1, 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * 1.044715))],
    [unary.nnExp, {}, 1, Math.E],
    [unary.nnLog, {}, 10, Math.LN10],
    [unary.nnSqrt, {}, 2, Math.SQRT2],
    [unary.nnReciprocal, {}, 3, 1 / 3],
    [unary.nnSin, {}, 1, Math.sin(1)],
    [unary.nnCos, {}, 1, Math.cos(1)],
    [unary.nnFloor, {}, -1.5, -2],
    [unary.nnCeil, {}, -1.5, -1],
    [unary.nnRound, {}, 2.5, 2],
    [unary.nnRound, {}, -1.5, -2],
    [unary.nnRelu, {}, -2, 0],
    [unary.nnNeg, {}, 2, -2],
    [unary.nnAbs, {}, -2, 2],
    [unary.nnSign, {}, -2, -1],
    [unary.nnClip, { min: -1, max: 0.1 }, 5, Math.fround(0.1)],
    [unary.nnClip, { min: -1 }, -5, -1],
  ];
  it.each(points)('$0.name $1 of $2 is $3', (op, attrs, x, y) => {
    const [value] = elements(op, [tensor('f32', [x])], attrs);
    expect(Math.abs(value - y)).toBeLessThanOrEqual(Math.abs(y) * 2 ** -23);
  });

  it('every one of them has such a point', () => {
    const covered = new Set<AnyOp>([...points.map(([op]) => op), unary.nnNot, unary.nnPrelu]);
    expect(Object.values<AnyOp>(unary).filter((op) => !covered.has(op))).toEqual([]);
  });

  it('NaN stays NaN in all of them that take floats, but for thresholded_relu', () => {
    for (const op of Object.values<AnyOp>(unary)) {
      if (op === unary.nnNot || op === unary.nnPrelu || op === unary.nnThresholdedRelu) continue;
      expect([op.name, ...elements(op, [tensor('f32', [NaN])])]).toEqual([op.name, NaN]);
    }
  });

  it('relu, neg, abs, sign and clip of integers are exact and wrap', () => {
    const cases = fc.constantFrom(...integerTypes).chain((dtype) => tensorOf(dtype, [4]));
    const functions: readonly (readonly [AnyOp, (v: bigint) => bigint, Record<string, number>?])[] = [
      [unary.nnRelu, (v) => (v > 0n ? v : 0n)],
      [unary.nnNeg, (v) => -v],
      [unary.nnAbs, (v) => (v < 0n ? -v : v)],
      [unary.nnSign, (v) => (v > 0n ? 1n : v < 0n ? -1n : 0n)],
      [unary.nnClip, (v) => (v < 3n ? 3n : v > 99n ? 99n : v), { min: 3, max: 99 }],
    ];
    fc.assert(
      fc.property(cases, (x) => {
        for (const [op, f, attrs] of functions) {
          const y = evaluate(op, [x], attrs);
          const expected = listOf(x).map((v) => wrapTo(x.dtype, f(big(v))));
          expect([op.name, ...listOf(y).map(big)]).toEqual([op.name, ...expected]);
        }
      }),
    );
    expect(() => evaluate(unary.nnClip, [tensor('u8', [1])], { max: 0.5 })).toThrow(/should be integers/);
  });

  it('prelu multiplies by the slope of its position where x is negative', () => {
    fc.assert(
      fc.property(tensorOf('f32', [2, 3, 2]), tensorOf('f32', [3, 1]), (x, slope) => {
        const expected = indicesOf(x.shape).map((i) => {
          const v = read(x, i) as number;
          return v >= 0 ? v : Math.fround(v * (slope.data[i[1]] as number));
        });
        expect(elements(unary.nnPrelu, [x, slope])).toEqual(expected);
      }),
    );
    expect(() => evaluate(unary.nnPrelu, [tensor('f32', [1]), tensor('f32', [1, 2])])).toThrow(/does not broadcast to/);
  });

  it('sqrt and reciprocal of f32 are the IEEE results', () => {
    fc.assert(
      fc.property(f32Values, (values) => {
        const x = tensor('f32', values);
        expect(elements(unary.nnReciprocal, [x])).toEqual(values.map((v) => Math.fround(1 / v)));
        expect(elements(unary.nnSqrt, [x])).toEqual(values.map((v) => Math.fround(Math.sqrt(v))));
      }),
    );
  });
});

describe('casts', () => {
  const castTo = (x: ITensor, to: DType) => evaluate(cast.nnCast, [x], { to });

  it('between integers is modulo 2^bits', () => {
    const cases = fc
      .tuple(fc.constantFrom(...integerTypes), fc.constantFrom(...integerTypes))
      .chain(([from, to]) => fc.record({ x: tensorOf(from, [5]), to: fc.constant(to) }));
    fc.assert(
      fc.property(cases, ({ x, to }) => {
        const expected = listOf(x).map((v) => wrapTo(to, big(v)));
        expect(listOf(castTo(x, to)).map(big)).toEqual(expected);
      }),
    );
  });

  it('from floats truncates towards zero, and NaN and infinities give 0', () => {
    const cases = fc.constantFrom(...integerTypes).chain((to) =>
      fc.record({
        to: fc.constant(to),
        v: fc.double({
          min: Math.max(dtypes[to].min, -(2 ** 53)),
          max: Math.min(dtypes[to].max, 2 ** 53),
          noNaN: true,
        }),
      }),
    );
    fc.assert(
      fc.property(cases, ({ to, v }) => {
        expect(big(castTo(tensor('f64', [v]), to).data[0])).toBe(BigInt(Math.trunc(v)));
      }),
    );
    for (const to of integerTypes) {
      const y = castTo(tensor('f32', [NaN, Infinity, -Infinity]), to);
      expect(listOf(y).map(big)).toEqual([0n, 0n, 0n]);
    }
  });

  it('from 64-bit integers to f32 rounds once, ties to even', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('s64' as const, 'u64' as const).chain((d) => tensorOf(d, [4])),
        (x) => {
          const y = castTo(x, 'f32').data as Float32Array;
          listOf(x).forEach((v, i) => {
            expect(nearestF32(v as bigint)).toBe(y[i]);
          });
        },
      ),
    );
    // 2^54 + 2^30 + 1 lies above a tie that rounding to binary64 first would fall on
    expect(castTo(tensor('s64', [2n ** 54n + 2n ** 30n + 1n]), 'f32').data[0]).toBe(2 ** 54 + 2 ** 31);
  });

  it('every 16-bit float comes back from f32 and from f64, and small integers are exact in both', () => {
    for (const half of ['f16', 'bf16'] as const) {
      const finite = Array.from({ length: 0x10000 }, (_, i) => i).filter((bits) =>
        half === 'f16' ? (bits & 0x7c00) !== 0x7c00 : (bits & 0x7f80) !== 0x7f80,
      );
      const x = tensor(half, finite);
      for (const wide of ['f32', 'f64'] as const) expect(castTo(castTo(x, wide), half).data).toEqual(x.data);
      const small = tensor(
        's8',
        Array.from({ length: 256 }, (_, i) => i - 128),
      );
      expect(castTo(castTo(small, half), 's8').data).toEqual(small.data);
    }
  });

  it('to bool is x ≠ 0, from bool 0 or 1', () => {
    expect(listOf(castTo(tensor('f32', [0, -0, 0.5, NaN]), 'bool'))).toEqual([0, 0, 1, 1]);
    expect(listOf(castTo(tensor('s64', [0n, 2n ** 32n]), 'bool'))).toEqual([0, 1]);
    expect(listOf(castTo(tensor('bool', [0, 1]), 's64'))).toEqual([0n, 1n]);
  });

  it('recentre moves by 128 and back', () => {
    const u8 = tensor(
      'u8',
      Array.from({ length: 256 }, (_, i) => i),
    );
    const s8 = evaluate(cast.nnRecentre, [u8], { to: 's8' });
    expect(listOf(s8)).toEqual(Array.from({ length: 256 }, (_, i) => i - 128));
    expect(evaluate(cast.nnRecentre, [s8], { to: 'u8' })).toEqual(u8);
    expect(() => evaluate(cast.nnRecentre, [u8], { to: 'u8' })).toThrow(/u8 already/);
  });
});

/** The nearest binary32 number by comparing exact distances to the two candidates. */
function nearestF32(v: bigint): number {
  const guess = Math.fround(Number(v));
  const ulp = 2 ** Math.max(0, Math.floor(Math.log2(Math.abs(guess) || 1)) - 23);
  const candidates = [guess - ulp, guess, guess + ulp].filter((c) => Math.fround(c) === c);
  const distance = (c: number) => (BigInt(c) - v < 0n ? v - BigInt(c) : BigInt(c) - v);
  const even = (c: number) => (c / ulp) % 2 === 0;
  return candidates.reduce((best, c) =>
    distance(c) < distance(best) || (distance(c) === distance(best) && even(c)) ? c : best,
  );
}
