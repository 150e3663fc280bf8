import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { qnnMatmul } from '../../../src/ir/ops/qnn_matmul.op.ts';
import { type ITensor, scalar, tensor, zeros } from '../../../src/tensors/tensor.ts';
import { at, bytes, elements, evaluate, indicesOf, tensorOf } from './qnn_support.ts';

/** The batch axes of one operand: the axes of the result, some of them 1, some at the front left out. */
const batchOf = (batch: readonly number[]) =>
  fc
    .tuple(fc.nat(batch.length), fc.array(fc.boolean(), { minLength: batch.length, maxLength: batch.length }))
    .map(([from, ones]) => batch.map((size, axis) => (ones[axis] ? 1 : size)).slice(from));

const size = fc.integer({ min: 1, max: 4 });

/** A zero point in any of its forms; `line` is the shape […, M, 1] or […, 1, N]. */
const zeroPoint = (dtype: 'u8' | 's8', line: readonly number[]): fc.Arbitrary<ITensor | undefined> =>
  fc.oneof(
    fc.constant(undefined),
    tensorOf(dtype, []),
    tensorOf(dtype, [Math.max(...line.slice(-2))]),
    fc.array(fc.boolean(), { minLength: line.length, maxLength: line.length }).chain((ones) =>
      tensorOf(
        dtype,
        line.map((d, axis) => (ones[axis] ? 1 : d)),
      ),
    ),
  );

const cases = fc
  .record({ batch: fc.array(size, { maxLength: 2 }), m: size, k: size, n: size, aType: bytes, bType: bytes })
  .chain(({ batch, m, k, n, aType, bType }) =>
    fc.tuple(batchOf(batch), batchOf(batch)).chain(([aBatch, bBatch]) =>
      fc.record({
        a: tensorOf(aType, [...aBatch, m, k]),
        b: tensorOf(bType, [...bBatch, k, n]),
        za: zeroPoint(aType, [...aBatch, m, 1]),
        zb: zeroPoint(bType, [...bBatch, 1, n]),
      }),
    ),
  );

/** The element that belongs to `index` when the tensor is broadcast; rank 1 runs along `axis` (from the end). */
function broadcastAt(t: ITensor | undefined, index: readonly number[], axis: number): bigint {
  if (t === undefined) return 0n;
  if (t.shape.length === 1) return at(t, [t.shape[0] === 1 ? 0 : index.at(axis)!]);
  const own = index.slice(index.length - t.shape.length);
  return at(
    t,
    own.map((i, a) => (t.shape[a] === 1 ? 0 : i)),
  );
}

test('qnn.matmul is Σ (a − za)(b − zb), batches and zero points broadcast', () => {
  fc.assert(
    fc.property(cases, ({ a, b, za, zb }) => {
      const y = evaluate(qnnMatmul, [a, b, za, zb]) as ITensor<'s32'>;
      const k = a.shape.at(-1)!;
      const expected = indicesOf(y.shape).map((index) => {
        const [batch, i, j] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
        let sum = 0n;
        for (let l = 0; l < k; l++) {
          const [left, right] = [
            [...batch, i, l],
            [...batch, l, j],
          ];
          const aValue = broadcastAt(a, left, -2) - broadcastAt(za, left, -2);
          sum += aValue * (broadcastAt(b, right, -1) - broadcastAt(zb, right, -1));
        }
        return Number(sum);
      });
      expect([...y.data]).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

test('rank-1 operands are a row and a column', () => {
  const [row, column] = [tensor('u8', [1, 2, 3]), tensor('s8', [4, 5, 6])];
  expect(evaluate(qnnMatmul, [row, column, scalar('u8', 1), scalar('s8', 4)])).toEqual(scalar('s32', 5));
  expect(elements(qnnMatmul, [tensor('u8', [1, 2, 3, 4, 5, 6], [2, 3]), column])).toEqual([32, 77]);
});

test('sums beyond int32 wrap', () => {
  const [a, b] = [new Uint8Array(40_000).fill(255), new Uint8Array(40_000).fill(255)];
  expect(elements(qnnMatmul, [tensor('u8', a), tensor('u8', b)])).toEqual([Number(BigInt.asIntN(32, 2601000000n))]);
});

describe('refusals name the fault', () => {
  const [a, b] = [zeros('u8', [2, 3]), zeros('s8', [3, 4])];
  const refused = (...operands: Parameters<typeof evaluate>[1]) => expect(() => evaluate(qnnMatmul, operands));

  test('zero points', () => {
    refused(a, b, scalar('s8', 0)).toThrow("'za' is of type s8, the data it belongs to of type u8");
    refused(a, b, tensor('u8', [1, 2, 3])).toThrow("'za' has 3 elements, axis 0 of the input has 2");
    refused(a, b, null, tensor('s8', [1, 2, 3])).toThrow("'zb' has 3 elements, axis 1 of the input has 4");
    refused(a, b, zeros('u8', [2, 3])).toThrow("'za' should have size 1 at axis 1, which is summed over, but has 3");
    refused(a, b, null, zeros('s8', [3, 4])).toThrow("'zb' should have size 1 at axis 0");
    refused(zeros('u8', [3]), b, tensor('u8', [1, 2, 3])).toThrow('axis -1 is outside the input of rank 1');
  });

  test('shapes', () => {
    refused(a, zeros('s8', [2, 4])).toThrow('the inner sizes 3 and 2 differ');
  });
});
