import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nnGather, nnGatherElements } from '../../../src/ir/ops/nn_gather.op.ts';
import { tensor } from '../../../src/tensors/tensor.ts';
import { anyTensor, evaluate, expectMoved, iota, read, shapeOf } from './nn_support.ts';

describe('nn.gather and nn.gather_elements', () => {
  const indexed = anyTensor.chain((x) =>
    fc.integer({ min: 0, max: x.shape.length - 1 }).chain((axis) => {
      const index = fc.integer({ min: -x.shape[axis], max: x.shape[axis] - 1 });
      return fc.record({ x: fc.constant(x), axis: fc.constant(axis), index: fc.constant(index) });
    }),
  );
  const filled = (shape: readonly number[], index: fc.Arbitrary<number>, dtype: 's32' | 's64') => {
    const size = shape.reduce((a, b) => a * b, 1);
    return fc.array(index, { minLength: size, maxLength: size }).map((values) => tensor(dtype, values, shape));
  };
  const type = fc.constantFrom('s32' as const, 's64' as const);
  const wrap = (i: number | bigint, size: number) => (Number(i) < 0 ? Number(i) + size : Number(i));

  it('gather replaces the axis by the axes of the indices', () => {
    const cases = fc
      .tuple(indexed, shapeOf({ min: 0, max: 2 }, 3, 0), type)
      .chain(([{ x, axis, index }, shape, dtype]) =>
        fc.record({ x: fc.constant(x), axis: fc.constant(axis), indices: filled(shape, index, dtype) }),
      );
    fc.assert(
      fc.property(cases, ({ x, axis, indices }) => {
        const y = evaluate(nnGather, [x, indices], { axis });
        const rank = indices.shape.length;
        expectMoved(y, x, (index) => {
          const at = wrap(read(indices, index.slice(axis, axis + rank)), x.shape[axis]);
          return [...index.slice(0, axis), at, ...index.slice(axis + rank)];
        });
      }),
    );
  });
  it('gather_elements indexes position by position', () => {
    const cases = fc.tuple(indexed, type, fc.integer({ min: 0, max: 3 })).chain(([{ x, axis, index }, dtype, length]) =>
      fc.record({
        x: fc.constant(x),
        axis: fc.constant(axis),
        indices: filled(
          x.shape.map((size, i) => (i === axis ? length : Math.max(1, size - 1))),
          index,
          dtype,
        ),
      }),
    );
    fc.assert(
      fc.property(cases, ({ x, axis, indices }) => {
        const y = evaluate(nnGatherElements, [x, indices], { axis });
        expect(y.shape).toEqual(indices.shape);
        expectMoved(y, x, (index) => index.with(axis, wrap(read(indices, index), x.shape[axis])));
      }),
    );
  });
  it('refuse an index that is outside', () => {
    for (const op of [nnGather, nnGatherElements]) {
      for (const wrong of [2, -3])
        expect(() => evaluate(op, [iota('u8', [2]), tensor('s64', [wrong])])).toThrow(/outside an axis of size 2/);
    }
  });
});
