/** Reductions and normalizations: the addon's sums are the interpreter's to the last bit, whatever the axes and the layout. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DType, Value } from '../../src/ir/index.ts';
import { nnCumsum } from '../../src/ir/ops/nn_cumsum.op.ts';
import { nnAbs } from '../../src/ir/ops/nn_elementwise_unary.op.ts';
import * as norm from '../../src/ir/ops/nn_norm.op.ts';
import { nnGlobalAveragePool, nnGlobalMaxPool } from '../../src/ir/ops/nn_pool.op.ts';
import * as reduce from '../../src/ir/ops/nn_reduce.op.ts';
import { nnLogSoftmax, nnSoftmax } from '../../src/ir/ops/nn_softmax.op.ts';
import { sumOfRun } from '../../src/numerics/index.ts';
import { tensor } from '../../src/tensors/tensor.ts';
import { filled, nonFinitePattern, type Pattern } from '../../src/testing/index.ts';
import { kernelIsas } from '../native/support.ts';
import { draws } from '../support/draws.ts';
import { evaluate } from '../unit/ops/qnn_support.ts';
import { expectAgreement, graphOn } from './agreement.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const contents = fc.record({
  pattern: fc.constantFrom<Pattern>('random', nonFinitePattern),
  seed: fc.nat(0xffff),
});
const isa = fc.constantFrom(...kernelIsas);
const setting = fc.record({ isa, threads: int(1, 2) });
/** Sizes on either side of 16 elements and of 128 columns. */
const size = fc.oneof(int(1, 5), int(1, 40), int(120, 140));
const shape = fc.array(size, { minLength: 1, maxLength: 4 }).filter((s) => s.reduce((a, b) => a * b, 1) <= 60_000);
const images = fc.tuple(int(1, 3), int(1, 20), int(1, 12), int(1, 12)).map((s) => [...s]);

it('sums run i mod 16, then by halves', () => {
  const values = Array.from({ length: 37 }, (_, i) => 2 ** ((i * 7) % 60));
  const partial = Array.from({ length: 16 }, (_, j) =>
    values.filter((_, i) => i % 16 === j).reduce((a, b) => a + b, 0),
  );
  const halved = (list: number[]): number =>
    list.length === 1 ? list[0] : halved(list.slice(0, list.length / 2).map((v, i) => v + list[i + list.length / 2]));
  expect(sumOfRun([9, ...values, 9], 1, 38)).toBe(halved(partial));
});

describe('reductions', () => {
  const { nnArgMax, nnArgMin, nnReduceLogSumExp, ...kinds } = reduce;
  const ops = Object.values(kinds);
  const integers = [reduce.nnReduceSum, reduce.nnReduceProd, reduce.nnReduceMax, reduce.nnReduceMin];

  const axesOf = (rank: number, mask: readonly boolean[]) => [...Array(rank).keys()].filter((axis) => mask[axis]);
  const mask = fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean());

  const integerTypes = ['s32', 'u32', 's64', 'u64', 'u8', 's8', 's16', 'u16'] as const;
  const reduced = fc.record({ s: shape, mask, keepdims: fc.boolean(), last: fc.boolean(), c: contents, by: setting });

  it.each([
    ['floats', ops, ['f32', 'f32', 'f64'] as const, 300],
    ['integers', integers, integerTypes, 200],
  ] as const)('of %s', (_name, of, types, count) => {
    fc.assert(
      fc.property(
        fc.constantFrom(...of),
        fc.constantFrom<DType>(...types),
        reduced,
        (op, dtype, { s, mask, keepdims, last, c, by }) => {
          const attrs = { axes: axesOf(s.length, mask), keepdims };
          const graph = graphOn(
            dtype,
            s,
            last,
            (b, x) => b.emit(op as typeof reduce.nnReduceSum, { x: x as Value<'f32'> }, attrs) as Value,
          );
          expectAgreement(graph, c, by);
        },
      ),
      draws(count),
    );
  });

  it('of exponentials', () => {
    fc.assert(
      fc.property(shape, mask, fc.boolean(), fc.boolean(), contents, setting, (s, m, keepdims, last, c, by) => {
        const axes = axesOf(s.length, m);
        const graph = graphOn('f32', s, last, (b, x) => b.emit(nnReduceLogSumExp, { x }, { axes, keepdims }));
        expectAgreement(graph, c, by);
      }),
      draws(40),
    );
  });

  it('to positions', () => {
    const dtypes = ['f32', 'f64', 's32', 'u32', 's64', 'u64', 's16', 'u16', 's8', 'u8'] as const;
    const draw = fc.record({ dtype: fc.constantFrom(...dtypes), s: shape, at: fc.nat(3), least: fc.boolean() });
    fc.assert(
      fc.property(draw, fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()), contents, setting, (d, flags, c, by) => {
        const [keepdims, selectLast, last] = flags;
        const op = d.least ? nnArgMin : nnArgMax;
        const attrs = { axis: d.at % d.s.length, keepdims, selectLast };
        expectAgreement(
          graphOn(d.dtype, d.s, last, (b, x) => b.emit(op as typeof nnArgMax, { x: x as Value<'f32'> }, attrs)),
          c,
          by,
        );
      }),
      draws(75),
    );
  });

  it('of whole images', () => {
    fc.assert(
      fc.property(images, fc.boolean(), fc.boolean(), contents, setting, (s, isMean, last, c, by) => {
        const op = (isMean ? nnGlobalAveragePool : nnGlobalMaxPool) as typeof nnGlobalAveragePool;
        expectAgreement(
          graphOn('f32', s, last, (b, x) => b.emit(op, { x })),
          c,
          by,
        );
      }),
      draws(30),
    );
  });
});

describe('normalizations', () => {
  const parameters = (count: number, seed: number) => filled('f32', [count], { pattern: 'random', seed });

  it('per channel, with parameters that are known or of the run', () => {
    const computed = fc.subarray(['scale', 'bias', 'mean', 'variance']);
    fc.assert(
      fc.property(images, fc.boolean(), computed, contents, setting, (s, last, computed, c, by) => {
        const graph = graphOn('f32', s, last, (b, x) => {
          const [scale, bias, mean, variance] = [1, 2, 3, 4].map((seed) => parameters(s[1], seed));
          const of = { scale, bias, mean, variance: { ...variance, data: variance.data.map(Math.abs) } };
          const operands = Object.fromEntries(
            Object.entries(of).map(([name, t]) => {
              if (!computed.includes(name)) return [name, b.constant(t) as Value<'f32'>];
              const given = b.input(name, 'f32', [s[1]]);
              return [name, name === 'variance' ? b.emit(nnAbs, { x: given }) : given];
            }),
          );
          return b.emit(norm.nnBatchNorm, { x, ...(operands as Record<keyof typeof of, Value<'f32'>>) });
        });
        expectAgreement(graph, c, by);
      }),
      draws(30),
    );
  });

  it('of groups and of images', () => {
    fc.assert(
      fc.property(images, fc.constantFrom(0, 1, 2, 3), fc.boolean(), contents, setting, (s, groups, last, c, by) => {
        const dims = s.with(1, s[1] * Math.max(1, groups));
        const graph = graphOn('f32', dims, last, (b, x) => {
          const [scale, bias] = [1, 2].map((seed) => b.constant(parameters(dims[1], seed)) as Value<'f32'>);
          return groups === 0
            ? b.emit(norm.nnInstanceNorm, { x, scale, bias })
            : b.emit(norm.nnGroupNorm, { x, scale, bias }, { groups });
        });
        expectAgreement(graph, c, by);
      }),
      draws(50),
    );
  });

  it('of trailing axes', () => {
    const draw = fc.record({
      s: shape,
      at: fc.nat(3),
      form: fc.constantFrom('row', 'number', 'last'),
      kind: fc.constantFrom('plain', 'biased', 'rms'),
    });
    fc.assert(
      fc.property(draw, contents, setting, ({ s, at, form, kind }, c, by) => {
        const axis = at % s.length;
        const own = form === 'row' ? s.slice(axis) : form === 'number' ? [1] : s.slice(-1);
        const graph = graphOn('f32', s, false, (b, x) => {
          const [scale, bias] = [1, 2].map(
            (seed) => b.constant(filled('f32', own, { pattern: 'random', seed })) as Value<'f32'>,
          );
          if (kind === 'rms') return b.emit(norm.nnRmsNorm, { x, scale }, { axis });
          return b.emit(norm.nnLayerNorm, { x, scale, ...(kind === 'biased' && { bias }) }, { axis });
        });
        expectAgreement(graph, c, by);
      }),
      draws(75),
    );
  });
});

describe('lanes', () => {
  const draw = fc.record({ s: shape, at: fc.nat(3), last: fc.boolean(), isLog: fc.boolean() });

  it('softmax and its logarithm', () => {
    fc.assert(
      fc.property(draw, contents, setting, ({ s, at, last, isLog }, c, by) => {
        const op = (isLog ? nnLogSoftmax : nnSoftmax) as typeof nnSoftmax;
        expectAgreement(
          graphOn('f32', s, last, (b, x) => b.emit(op, { x }, { axis: at % s.length })),
          c,
          by,
        );
      }),
      draws(75),
    );
  });

  it('softmax sums to 1, of large numbers too', () => {
    const x = tensor('f32', [3e38, 3e38, -3e38, 0, 1, 2], [2, 3]);
    const data = Array.from(evaluate(nnSoftmax, [x], {}).data as Float32Array);
    expect(data.slice(0, 3)).toEqual([0.5, 0.5, 0]);
    expect(data[3] + data[4] + data[5]).toBeCloseTo(1, 6);
  });

  it('sums up to each element', () => {
    const dtypes = ['f32', 'f64', 's32', 'u32', 's64', 'u64'] as const;
    fc.assert(
      fc.property(draw, fc.constantFrom(...dtypes), fc.boolean(), contents, setting, (d, dtype, reverse, c, by) => {
        const attrs = { axis: d.at % d.s.length, exclusive: d.isLog, reverse };
        expectAgreement(
          graphOn(dtype, d.s, d.last, (b, x) => b.emit(nnCumsum, { x: x as Value<'f32'> }, attrs)),
          c,
          by,
        );
      }),
      draws(50),
    );
  });
});
