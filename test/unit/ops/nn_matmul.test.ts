import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nnMatmul } from '../../../src/ir/ops/nn_matmul.op.ts';
import { type ITensor, tensor } from '../../../src/tensors/tensor.ts';
import { evaluate, indicesOf, listOf, read, tensorOf } from './nn_support.ts';

const size = fc.integer({ min: 1, max: 4 });

/** Two shapes that multiply: rank 1 or batches that broadcast, each axis of which either side may lack or have as 1. */
const shapes = fc
  .record({
    m: fc.option(size, { nil: undefined }),
    k: fc.integer({ min: 0, max: 4 }),
    n: fc.option(size, { nil: undefined }),
    batch: fc.array(fc.tuple(size, fc.boolean(), fc.boolean()), { maxLength: 2 }),
    drop: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
  })
  .map(({ m, k, n, batch, drop }) => ({
    a: m === undefined ? [k] : [...batch.map(([s, one]) => (one ? 1 : s)).slice(drop[0]), m, k],
    b: n === undefined ? [k] : [...batch.map(([s, , one]) => (one ? 1 : s)).slice(drop[1]), k, n],
  }));

const integers = fc.constantFrom('u8' as const, 's8' as const, 's32' as const);
const operands = fc
  .tuple(shapes, integers, integers)
  .chain(([{ a, b }, aType, bType]) => fc.tuple(tensorOf(aType, a), tensorOf(bType, b)));

describe('nn.matmul', () => {
  it('is Σ_k a·b modulo 2^32 with the rules of numpy.matmul', () => {
    fc.assert(
      fc.property(operands, ([a, b]) => {
        const y = evaluate(nnMatmul, [a, b]);
        const [aRow, bColumn] = [a.shape.length > 1, b.shape.length > 1];
        expect(y.shape).toEqual(expectedShape(a.shape, b.shape));
        const matrixAxes = Number(aRow) + Number(bColumn);
        const expected = indicesOf(y.shape).map((index) => {
          const batch = index.slice(0, index.length - matrixAxes);
          const rest = index.slice(index.length - matrixAxes);
          const row = aRow ? [rest[0]] : [];
          const column = bColumn ? [rest[rest.length - 1]] : [];
          let sum = 0n;
          for (let k = 0; k < a.shape[a.shape.length - 1]; k++) {
            const left = [...own(batch, a.shape.slice(0, -2)), ...row, k];
            const right = [...own(batch, b.shape.slice(0, -2)), k, ...column];
            sum += BigInt(read(a, left)) * BigInt(read(b, right));
          }
          return Number(BigInt.asIntN(32, sum));
        });
        expect(listOf(y)).toEqual(expected);
      }),
    );
  });

  it('of f32 rounds each sum, in the order of k, and no product', () => {
    const ones = tensor('f32', [1, 1, 1], [3, 1]);
    expect(listOf(evaluate(nnMatmul, [tensor('f32', [2 ** 24, 1, -(2 ** 24)], [1, 3]), ones]))).toEqual([0]);
    expect(listOf(evaluate(nnMatmul, [tensor('f32', [2 ** 24, -(2 ** 24), 1], [1, 3]), ones]))).toEqual([1]);
    const near = 1 + 2 ** -12;
    expect(
      listOf(evaluate(nnMatmul, [tensor('f32', [-1, 1, near], [1, 3]), tensor('f32', [1, 0, near], [3, 1])])),
    ).toEqual([2 ** -11 + 2 ** -24]);
  });

  it('of f64 keeps bits that f32 rounds away, and the two do not mix', () => {
    const a = tensor('f64', [1, 2 ** -40], [1, 2]);
    const b = tensor('f64', [1, 1], [2, 1]);
    expect(listOf(evaluate(nnMatmul, [a, b]))).toEqual([1 + 2 ** -40]);
    expect(() => evaluate(nnMatmul, [a, tensor('f32', [1, 1], [2, 1])])).toThrow(/of type f64 and f32/);
  });

  it('refuses operands that do not fit', () => {
    const call = (a: ITensor, b: ITensor) => () => evaluate(nnMatmul, [a, b]);
    expect(call(tensor('f32', [1, 2]), tensor('f32', [1, 2, 3]))).toThrow(/inner sizes 2 and 3 differ/);
    expect(call(tensor('f32', [1]), tensor('u8', [1]))).toThrow(/do not mix/);
    expect(call(tensor('f32', [1], []), tensor('f32', [1]))).toThrow(/scalar is no/);
    expect(call(tensor('u8', [1, 2], [2, 1, 1]), tensor('u8', [1, 2, 3], [3, 1, 1]))).toThrow(/do not broadcast/);
  });
});

/** The index into `shape` that a batch index of the result reads. */
const own = (batch: readonly number[], shape: readonly number[]): number[] =>
  batch.slice(batch.length - shape.length).map((i, axis) => (shape[axis] === 1 ? 0 : i));

function expectedShape(a: readonly number[], b: readonly number[]): number[] {
  const [left, right] = [a.slice(0, -2), b.slice(0, -2)];
  const rank = Math.max(left.length, right.length);
  const batch = Array.from({ length: rank }, (_, i) =>
    Math.max(left[i - rank + left.length] ?? 1, right[i - rank + right.length] ?? 1),
  );
  return [...batch, ...(a.length > 1 ? [a[a.length - 2]] : []), ...(b.length > 1 ? [b[b.length - 1]] : [])];
}
