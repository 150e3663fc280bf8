import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnyOp } from '../../../src/ir/op_table.ts';
import { nnCumsum } from '../../../src/ir/ops/nn_cumsum.op.ts';
import * as norm from '../../../src/ir/ops/nn_norm.op.ts';
import * as reduce from '../../../src/ir/ops/nn_reduce.op.ts';
import { nnLogSoftmax, nnSoftmax } from '../../../src/ir/ops/nn_softmax.op.ts';
import { isFloat } from '../../../src/tensors/dtype.ts';
import { type ITensor, tensor } from '../../../src/tensors/tensor.ts';
import { elements, evaluate, indicesOf, listOf, plainTypes, read, shapeOf, tensorOf } from './nn_support.ts';

type PlainType = (typeof plainTypes)[number];
const caseWith = (dtypes: readonly PlainType[], largest = 3) =>
  fc.tuple(fc.constantFrom(...dtypes), shapeOf({ min: 1, max: 4 }, largest)).chain(([dtype, shape]) =>
    fc.record({
      x: tensorOf(dtype, shape),
      axes: fc.subarray(shape.map((_, i) => i)),
      axis: fc.integer({ min: -shape.length, max: shape.length - 1 }),
      keepdims: fc.boolean(),
      negative: fc.boolean(),
    }),
  );
const floats = ['f32', 'f64'] as const;
const integers = plainTypes.filter((d) => !isFloat(d));

/** The elements that are reduced into each element of the result, in row-major order of both. */
function groups(x: ITensor, axes: readonly number[]): (number | bigint)[][] {
  const isKept = x.shape.map((_, axis) => !axes.includes(axis));
  const kept = indicesOf(x.shape.map((size, axis) => (isKept[axis] ? size : 1)));
  const inner = indicesOf(x.shape.map((size, axis) => (isKept[axis] ? 1 : size)));
  return kept.map((base) =>
    inner.map((offset) =>
      read(
        x,
        base.map((i, axis) => i + offset[axis]),
      ),
    ),
  );
}

const relativelyNear = (actual: number, expected: number, tolerance: number) =>
  Object.is(actual, expected) || Math.abs(actual - expected) <= tolerance * (1 + Math.abs(expected));

const total = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0);

describe('reductions', () => {
  /** Binary64 formulas, from the names. */
  const onFloats: readonly (readonly [AnyOp, (v: number[]) => number])[] = [
    [reduce.nnReduceSum, total],
    [reduce.nnReduceMean, (v) => total(v) / v.length],
    [reduce.nnReduceMax, (v) => Math.max(...v)],
    [reduce.nnReduceMin, (v) => Math.min(...v)],
    [reduce.nnReduceProd, (v) => v.reduce((a, b) => a * b, 1)],
    [reduce.nnReduceL1, (v) => total(v.map(Math.abs))],
    [reduce.nnReduceL2, (v) => Math.hypot(...v)],
    [reduce.nnReduceSumSquare, (v) => total(v.map((e) => e * e))],
    [reduce.nnReduceLogSum, (v) => Math.log(total(v))],
    [reduce.nnReduceLogSumExp, (v) => Math.log(total(v.map((e) => Math.exp(e - 1000)))) + 1000],
  ];
  it.each(onFloats)('$0.name of floats', (op, f) => {
    fc.assert(
      fc.property(caseWith(floats), ({ x, axes, keepdims, negative }) => {
        if (op === reduce.nnReduceLogSumExp)
          x = { ...x, data: (x.data as Float64Array).map((v) => 990 + Math.abs(v) / 100) };
        const y = evaluate(op, [x], { axes: negative ? axes.map((a) => a - x.shape.length) : axes, keepdims });
        const reduced = axes.length === 0 ? x.shape.map((_, i) => i) : axes;
        expect(y.shape).toEqual(
          x.shape.flatMap((size, axis) => (!reduced.includes(axis) ? [size] : keepdims ? [1] : [])),
        );
        const expected = groups(x, reduced).map((v) => f(v as number[]));
        // one rounding to the type; the sums themselves may differ by their order
        const tolerance = x.dtype === 'f32' ? 2 ** -23 : 2 ** -40;
        listOf(y).forEach((v, i) => {
          expect([expected[i], relativelyNear(v as number, expected[i], tolerance)]).toEqual([expected[i], true]);
        });
      }),
    );
  });

  const onIntegers: readonly (readonly [AnyOp, (v: bigint[]) => bigint])[] = [
    [reduce.nnReduceSum, (v) => v.reduce((a, b) => a + b, 0n)],
    [reduce.nnReduceProd, (v) => v.reduce((a, b) => a * b, 1n)],
    [reduce.nnReduceMax, (v) => v.reduce((a, b) => (a > b ? a : b))],
    [reduce.nnReduceMin, (v) => v.reduce((a, b) => (a < b ? a : b))],
  ];
  it.each(onIntegers)('$0.name of integers is exact modulo 2^bits', (op, f) => {
    fc.assert(
      fc.property(caseWith(integers), ({ x, axes }) => {
        const y = evaluate(op, [x], { axes });
        const reduced = axes.length === 0 ? x.shape.map((_, i) => i) : axes;
        const wrapped = groups(x, reduced).map((v) => {
          const result = tensor(x.dtype === 's64' || x.dtype === 'u64' ? x.dtype : 's64', [f(v.map(BigInt))])
            .data[0] as bigint;
          return x.data instanceof BigInt64Array || x.data instanceof BigUint64Array
            ? result
            : // a typed array of 8 to 32 bits stores modulo 2^bits
              new (x.data.constructor as Uint8ArrayConstructor)([Number(BigInt.asUintN(32, result))])[0];
        });
        expect(listOf(y)).toEqual(wrapped);
      }),
    );
  });

  it('of nothing are the neutral elements', () => {
    const nothing = tensor('f32', [], [0, 2]);
    const of = (op: AnyOp) => elements(op, [nothing], { axes: [0] });
    expect(of(reduce.nnReduceSum)).toEqual([0, 0]);
    expect(of(reduce.nnReduceProd)).toEqual([1, 1]);
    expect(of(reduce.nnReduceMax)).toEqual([-Infinity, -Infinity]);
    expect(of(reduce.nnReduceMin)).toEqual([Infinity, Infinity]);
    expect(of(reduce.nnReduceLogSumExp)).toEqual([-Infinity, -Infinity]);
    expect(of(reduce.nnReduceMean)).toEqual([NaN, NaN]);
    expect(elements(reduce.nnReduceMax, [tensor('s8', [], [0])])).toEqual([-128]);
    expect(listOf(evaluate(reduce.nnReduceMin, [tensor('s64', [], [0])]))).toEqual([2n ** 63n - 1n]);
  });

  it('refuse axes that do not exist or come twice', () => {
    const call = (axes: number[]) => () => evaluate(reduce.nnReduceSum, [tensor('f32', [1], [1, 1])], { axes });
    expect(call([2])).toThrow(/outside a tensor of rank 2/);
    expect(call([0, -2])).toThrow(/twice/);
  });
});

describe('arg_max, arg_min and cumsum', () => {
  it('point at the first or the last extreme', () => {
    // few different values, so that extremes repeat
    const few = caseWith(plainTypes, 4).map((c) => {
      const values = listOf(c.x).map((_, i) => (i * 5) % 3);
      return { ...c, x: tensor(c.x.dtype, values, c.x.shape) as ITensor };
    });
    fc.assert(
      fc.property(few, fc.boolean(), ({ x, axis, keepdims }, selectLast) => {
        const normal = axis < 0 ? axis + x.shape.length : axis;
        for (const [op, f] of [
          [reduce.nnArgMax, Math.max],
          [reduce.nnArgMin, Math.min],
        ] as const) {
          const y = evaluate(op, [x], { axis, keepdims, selectLast });
          const expected = groups(x, [normal]).map((group) => {
            const v = group.map(Number);
            return BigInt(selectLast ? v.lastIndexOf(f(...v)) : v.indexOf(f(...v)));
          });
          expect(listOf(y)).toEqual(expected);
        }
      }),
    );
  });
  it('cumsum: differences of neighbours are the elements', () => {
    const cases = caseWith(['s32', 's64', 'u32', 'u64'], 4);
    fc.assert(
      fc.property(cases, fc.boolean(), fc.boolean(), ({ x, axis }, exclusive, reverse) => {
        const normal = axis < 0 ? axis + x.shape.length : axis;
        const y = evaluate(nnCumsum, [x], { axis, exclusive, reverse });
        const sums = groups(y, [normal]);
        const bits = x.dtype.endsWith('64') ? 64 : 32;
        groups(x, [normal]).forEach((group, lane) => {
          let sum = 0n;
          const order = reverse ? group.map((_, i) => group.length - 1 - i) : group.map((_, i) => i);
          for (const i of order) {
            if (!exclusive) sum += BigInt(group[i]);
            expect(BigInt.asUintN(bits, BigInt(sums[lane][i]))).toBe(BigInt.asUintN(bits, sum));
            if (exclusive) sum += BigInt(group[i]);
          }
        });
      }),
    );
    expect(elements(nnCumsum, [tensor('f32', [2 ** 24, 1, 1])], { axis: 0 })).toEqual([2 ** 24, 2 ** 24, 2 ** 24 + 2]);
  });
});

describe('softmax', () => {
  it('is eˣ / Σ eˣ along its axis, also where eˣ overflows; log_softmax is its logarithm', () => {
    fc.assert(
      fc.property(caseWith(['f64'], 4), fc.constantFrom(0, 1e4, -1e4), ({ x, axis }, shift) => {
        const normal = axis < 0 ? axis + x.shape.length : axis;
        const small = { ...x, data: (x.data as Float64Array).map((v) => v / 100) };
        const shifted = { ...small, data: small.data.map((v) => v + shift) };
        const [y, log] = [nnSoftmax, nnLogSoftmax].map((op) => groups(evaluate(op, [shifted], { axis }), [normal]));
        groups(small, [normal]).forEach((group, lane) => {
          const powers = group.map((v) => Math.exp(v as number));
          powers.forEach((power, i) => {
            const expected = power / total(powers);
            expect(relativelyNear(y[lane][i] as number, expected, 1e-10)).toBe(true);
            expect(relativelyNear(log[lane][i] as number, Math.log(expected), 1e-10)).toBe(true);
          });
        });
      }),
    );
  });
});

describe('normalizations', () => {
  const image = (dtype: 'f32' | 'f64', channels: number) => tensorOf(dtype, [2, channels, 3]);
  const vector = (n: number) => tensorOf('f64', [n]);
  const near = (y: ITensor, f: (index: number[]) => number) => {
    for (const index of indicesOf(y.shape))
      expect([index, relativelyNear(read(y, index) as number, f(index), 1e-9)]).toEqual([index, true]);
  };
  /** (v − mean) / √(variance + ε) within the elements that `same` puts into one group. */
  const normalized =
    (x: ITensor, epsilon: number, same: (a: number[], b: number[]) => boolean) => (index: number[]) => {
      const group = indicesOf(x.shape)
        .filter((other) => same(index, other))
        .map((other) => read(x, other) as number);
      const mean = total(group) / group.length;
      const variance = total(group.map((v) => (v - mean) ** 2)) / group.length;
      return ((read(x, index) as number) - mean) / Math.sqrt(variance + Math.fround(epsilon));
    };
  const epsilon = 0.5;

  it('batch_norm scales each channel by its own statistics', () => {
    fc.assert(
      fc.property(
        image('f64', 3),
        fc.tuple(vector(3), vector(3), vector(3), vector(3)),
        (x, [scale, bias, mean, v]) => {
          const variance = { ...v, data: v.data.map(Math.abs) };
          const y = evaluate(norm.nnBatchNorm, [x, scale, bias, mean, variance], { epsilon });
          near(y, (index) => {
            const c = index[1];
            const centred = (read(x, index) as number) - mean.data[c];
            return (scale.data[c] * centred) / Math.sqrt(variance.data[c] + epsilon) + bias.data[c];
          });
        },
      ),
    );
  });
  it('instance_norm, group_norm and layer_norm normalize their groups', () => {
    fc.assert(
      fc.property(image('f64', 4), vector(4), vector(4), vector(3), vector(3), (x, scale, bias, scale3, bias3) => {
        const affine = (f: (index: number[]) => number) => (index: number[]) =>
          f(index) * scale.data[index[1]] + bias.data[index[1]];
        const instance = normalized(x, epsilon, ([n, c], [m, d]) => n === m && c === d);
        near(evaluate(norm.nnInstanceNorm, [x, scale, bias], { epsilon }), affine(instance));
        const group = normalized(x, epsilon, ([n, c], [m, d]) => n === m && c >> 1 === d >> 1);
        near(evaluate(norm.nnGroupNorm, [x, scale, bias], { epsilon, groups: 2 }), affine(group));
        const last = evaluate(norm.nnLayerNorm, [x, scale3, bias3], { epsilon });
        near(last, (index) => instance(index) * scale3.data[index[2]] + bias3.data[index[2]]);
        const all = evaluate(norm.nnLayerNorm, [x, scale3], { epsilon, axis: 1 });
        const sample = normalized(x, epsilon, ([n], [m]) => n === m);
        near(all, (index) => sample(index) * scale3.data[index[2]]);
      }),
    );
  });
  it('rms_norm divides by the root of the mean square', () => {
    fc.assert(
      fc.property(image('f64', 2), vector(3), (x, scale) => {
        near(evaluate(norm.nnRmsNorm, [x, scale], { epsilon }), ([n, c, i]) => {
          const row = [0, 1, 2].map((k) => read(x, [n, c, k]) as number);
          const root = Math.sqrt(total(row.map((v) => v * v)) / 3 + epsilon);
          return (row[i] / root) * scale.data[i];
        });
      }),
    );
  });
  it('lrn sums squares over the neighbouring channels', () => {
    fc.assert(
      fc.property(image('f64', 5), fc.integer({ min: 1, max: 6 }), (x, size) => {
        const y = evaluate(norm.nnLrn, [x], { size, alpha: 0.5, beta: 0.75, bias: 2 });
        near(y, ([n, c, i]) => {
          const [from, to] = [c - Math.floor((size - 1) / 2), c + Math.ceil((size - 1) / 2)];
          const channels = [0, 1, 2, 3, 4].filter((d) => d >= from && d <= to);
          const squares = total(channels.map((d) => (read(x, [n, d, i]) as number) ** 2));
          return (read(x, [n, c, i]) as number) / (2 + (0.5 / size) * squares) ** 0.75;
        });
      }),
    );
  });
  it('refuse parameters of another size', () => {
    const [x, two] = [tensor('f32', new Float32Array(12), [2, 3, 2]), tensor('f32', [1, 2])];
    expect(() => evaluate(norm.nnInstanceNorm, [x, two, two])).toThrow(/'scale' should have shape \[3\]/);
    expect(() => evaluate(norm.nnLayerNorm, [x, tensor('f32', [1, 2, 3])])).toThrow(/do not broadcast/);
    expect(() =>
      evaluate(norm.nnGroupNorm, [x, tensor('f32', [1, 2, 3]), tensor('f32', [1, 2, 3])], { groups: 2 }),
    ).toThrow(/3 channels do not divide/);
  });
});
