/** The largest elements, and elements and parts at computed places: on the addon as on the interpreter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rowTypes } from '../../src/codegen/onednn/kernels/row_kernel.ts';
import { type DType, GraphBuilder, type ITensor, type Value } from '../../src/ir/index.ts';
import { nnGatherElements } from '../../src/ir/ops/nn_gather.op.ts';
import { nnScatterElements, nnScatterNd } from '../../src/ir/ops/nn_scatter.op.ts';
import { nnTopK } from '../../src/ir/ops/nn_top_k.op.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { sizeOf, tensor, toPublic } from '../../src/tensors/tensor.ts';
import { filled } from '../../src/testing/index.ts';
import { kernelIsas, random } from '../native/support.ts';
import { draws } from '../support/draws.ts';
import { expectAgreementOn } from './agreement.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const dtype = fc.constantFrom('u8' as const, 's16' as const, 'f32' as const, 's64' as const);
const index = fc.constantFrom('s32' as const, 's64' as const);
const setting = fc.record({ isa: fc.constantFrom(...kernelIsas), threads: int(1, 2) });
const seed = fc.nat(0xffff);
const shape = fc.array(int(1, 7), { minLength: 1, maxLength: 4 });

/** Positions within sizes that go round, some of them counted from the end. */
function positions(type: 's32' | 's64', sizes: readonly number[], of: readonly number[], seed: number): ITensor {
  const next = random(seed);
  const numbers = Array.from({ length: sizeOf(of) }, (_, i) => {
    const size = sizes[i % sizes.length];
    return Math.floor(next() * 2 * size) - size;
  });
  return tensor(type, (type === 's64' ? numbers.map(BigInt) : numbers) as number[], of);
}

it('the largest and smallest elements, equal ones and NaN among them', () => {
  const draw = fc.record({
    dtype: fc.constantFrom(...rowTypes),
    shape: fc.oneof(
      fc.array(int(1, 20), { minLength: 1, maxLength: 3 }),
      fc.array(int(500, 3000), { minLength: 1, maxLength: 1 }),
    ),
    axis: int(0, 2),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
    largest: fc.boolean(),
    seed,
  });
  fc.assert(
    fc.property(draw, setting, ({ dtype, shape, axis, part, largest, seed }, by) => {
      const at = axis % shape.length;
      const next = random(seed);
      const numbers = Array.from({ length: sizeOf(shape) }, () => {
        const value = Math.floor(next() * 6) - (dtype[0] === 'u' ? 0 : 3);
        return dtype[0] === 'f' && value === 2 ? Number.NaN : value;
      });
      const isWide = dtype === 's64' || dtype === 'u64';
      const x = tensor(dtype, (isWide ? numbers.map(BigInt) : numbers) as number[], shape);
      const b = new GraphBuilder();
      const attrs = { k: [Math.ceil(part * shape[at]) || 1], axis: at - (seed % 2) * shape.length, largest };
      const { y, positions } = b.emit(nnTopK, { x: b.input('x', dtype, shape) }, attrs);
      expectAgreementOn(b.finish([y, positions]), { x }, by);
    }),
    draws(100),
  );
});

describe('elements and parts', () => {
  const along = fc.record({ dtype, index, shape, axis: fc.nat(3), count: int(1, 9), cut: fc.boolean(), seed });
  type Along = typeof along extends fc.Arbitrary<infer D> ? D : never;
  const sizesOf = ({ shape, axis, count, cut }: Along) => {
    const at = axis % shape.length;
    return { at, of: shape.map((size, i) => (i === at ? count : cut ? Math.ceil(size / 2) : size)) };
  };

  it('are gathered along an axis', () => {
    fc.assert(
      fc.property(along, setting, (drawn, by) => {
        const { at, of } = sizesOf(drawn);
        const { dtype, index, shape, seed } = drawn;
        const b = new GraphBuilder();
        const indices = b.input('indices', index, of) as Value<'s64'>;
        const graph = b.finish([b.emit(nnGatherElements, { x: b.input('x', dtype, shape), indices }, { axis: at })]);
        const x = filled(dtype, shape, { pattern: 'random', seed });
        expectAgreementOn(graph, { x, indices: positions(index, [shape[at]], of, seed) }, by);
      }),
      draws(75),
    );
  });

  it('are scattered along an axis, the last one over those before', () => {
    fc.assert(
      fc.property(along, setting, (drawn, by) => {
        const { at, of } = sizesOf(drawn);
        const { dtype, index, shape, seed } = drawn;
        const b = new GraphBuilder();
        const indices = b.input('indices', index, of) as Value<'s64'>;
        const operands = { x: b.input('x', dtype, shape), indices, updates: b.input('updates', dtype, of) };
        const graph = b.finish([b.emit(nnScatterElements, operands, { axis: at })]);
        const feeds = {
          x: filled(dtype, shape, { pattern: 'random', seed }),
          indices: positions(index, [shape[at]], of, seed),
          updates: filled(dtype, of, { pattern: 'random', seed: seed + 1 }),
        };
        expectAgreementOn(graph, feeds, by);
      }),
      draws(75),
    );
  });

  it('are scattered by rows of positions', () => {
    const draw = fc.record({ dtype, index, shape, named: int(1, 4), of: int(1, 6), seed });
    fc.assert(
      fc.property(draw, setting, ({ dtype, index, shape, named, of, seed }, by) => {
        const count = Math.min(named, shape.length);
        const b = new GraphBuilder();
        const indices = b.input('indices', index, [of, count]) as Value<'s64'>;
        const updated = [of, ...shape.slice(count)];
        const operands = { x: b.input('x', dtype, shape), indices, updates: b.input('updates', dtype, updated) };
        const feeds = {
          x: filled(dtype, shape, { pattern: 'random', seed }),
          indices: positions(index, shape.slice(0, count), [of, count], seed),
          updates: filled(dtype, updated, { pattern: 'random', seed: seed + 1 }),
        };
        expectAgreementOn(b.finish([b.emit(nnScatterNd, operands)]), feeds, by);
      }),
      draws(75),
    );
  });

  it('fail outside of the axis', () => {
    const b = new GraphBuilder();
    const indices = b.input('indices', 's64', [2, 1]) as Value<'s64'>;
    const x = b.input('x', 'f32', [5]);
    const scattered = b.emit(nnScatterNd, { x, indices, updates: b.input('updates', 'f32', [2]) });
    const model = new Model(compileGraph(b.finish([scattered])));
    const of = (dtype: DType, values: readonly (number | bigint)[], shape: readonly number[]) =>
      toPublic(tensor(dtype, values as number[], shape));
    const feeds = (at: bigint) => ({
      x: of('f32', [1, 2, 3, 4, 5], [5]),
      indices: of('s64', [0n, at], [2, 1]),
      updates: of('f32', [8, 9], [2]),
    });
    for (const at of [5n, -6n])
      expect(() => model.runSync(feeds(at))).toThrow(`the index ${at} is outside an axis of size 5`);
    expect([...model.runSync(feeds(-5n))[scattered.id].data]).toEqual([9, 2, 3, 4, 5]);
  });
});
