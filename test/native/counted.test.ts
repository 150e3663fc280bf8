/** Operators that count what they find, on the addon: the bits of the interpreter, at every instruction set, however a session runs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, interpret, sizeOf, tensor } from '../../src/ir/index.ts';
import { nnNonMaxSuppression, nnNonZero } from '../../src/ir/ops/nn_ops.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { expectAgreementOn } from '../differential/agreement.ts';
import { draws } from '../support/draws.ts';
import { kernelIsas, random } from './support.ts';

const types = fc.constantFrom('f32', 'f64', 's32', 'u32', 's64', 's8', 'u8', 'bool');
const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0];

describe.each(kernelIsas)('%s', (isa) => {
  it('elements that are not zero', () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(types, shapes, fc.nat(8), fc.nat(0xffff), (dtype, shape, often, seed) => {
        const next = random(seed);
        const isFloat = dtype === 'f32' || dtype === 'f64';
        const numbers = Array.from({ length: sizeOf(shape) }, () =>
          next() * 8 >= often ? (isFloat && next() < 0.2 ? -0 : 0) : isFloat && next() < 0.2 ? Number.NaN : 1,
        );
        const b = new GraphBuilder();
        const x = b.input('x', dtype, shape);
        const graph = b.finish([b.emit(nnNonZero, { x }, { symbol: 'count.1' })]);
        const data = dtype === 's64' ? numbers.map(BigInt) : numbers;
        expectAgreementOn(graph, { x: tensor(dtype, data as number[], shape) }, { isa, threads: 1 });
      }),
      draws(60),
    );
  });

  it('boxes that are left', () => {
    const draw = fc.record({
      batch: fc.integer({ min: 1, max: 2 }),
      classes: fc.integer({ min: 1, max: 3 }),
      count: fc.integer({ min: 1, max: 120 }),
      maxPerClass: fc.constantFrom(1, 7, 40, Number.MAX_SAFE_INTEGER),
      overlapThreshold: fc.constantFrom(0, 0.1, 0.3, 0.5, 1),
      scoreThreshold: fc.constantFrom(Number.NEGATIVE_INFINITY, 0, 0.4),
      byCentre: fc.boolean(),
      rare: fc.boolean(),
      seed: fc.nat(0xffff),
    });
    fc.assert(
      fc.property(draw, ({ batch, classes, count, seed, rare, ...attrs }) => {
        const next = random(seed);
        const some = (value: number) => (rare && next() < 0.05 ? odd[Math.floor(next() * 4)] : value);
        const filled = (shape: readonly number[], value: () => number) =>
          tensor(
            'f32',
            Float32Array.from({ length: sizeOf(shape) }, () => some(value())),
            shape,
          );
        const b = new GraphBuilder();
        const operands = {
          boxes: b.input('boxes', 'f32', [batch, count, 4]),
          scores: b.input('scores', 'f32', [batch, classes, count]),
        };
        const graph = b.finish([b.emit(nnNonMaxSuppression, operands, { ...attrs, symbol: 'count.1' })]);
        const feeds = {
          boxes: filled([batch, count, 4], () => (next() < 0.5 ? Math.floor(next() * 12) / 4 : next() * 4)),
          scores: filled([batch, classes, count], () => Math.floor(next() * 12) / 10 - 0.1),
        };
        expectAgreementOn(graph, feeds, { isa, threads: 1 });
      }),
      draws(80),
    );
  });
});

it('a run that is waited for, one at once and a profile have the same sizes', async () => {
  const b = new GraphBuilder();
  const x = b.input('x', 'f32', [3, 4]);
  const graph = b.finish([b.emit(nnNonZero, { x }, { symbol: 'count.1' })]);
  const model = new Model(compileGraph(graph, { threads: 1 }), {});
  for (const count of [0, 5, 12, 1]) {
    const value = tensor(
      'f32',
      Float32Array.from({ length: 12 }, (_, i) => (i < count ? 1 : 0)),
      [3, 4],
    );
    const [y] = graph.outputs;
    const right = interpret(graph, { x: value })[y];
    for (const found of [await model.run({ x: toPublic(value) }), model.runSync({ x: toPublic(value) })])
      expect({ shape: [...found[y].dims], data: [...found[y].data] }).toEqual({
        shape: [2, count],
        data: [...(right.data as BigInt64Array)],
      });
    expect(model.profile({ x: toPublic(value) })).toHaveLength(1);
  }
  expect(model.fallbacks).toEqual([]);
  model.dispose();
});
