/** Helpers for the tests of the nn operators: generators, and reading a tensor by index tuples. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { type DType, dtypes, isFloat } from '../../../src/tensors/dtype.ts';
import { type ITensor, sizeOf, tensor } from '../../../src/tensors/tensor.ts';

import { indicesOf } from './qnn_support.ts';

export { elements, evaluate, indicesOf } from './qnn_support.ts';

export const plainTypes = ['u8', 's8', 'u16', 's16', 's32', 'u32', 's64', 'u64', 'f32', 'f64'] as const;
export const allTypes: readonly DType[] = [...plainTypes, 'bool', 'f16', 'bf16'];

/** Elements of a type: integers over the whole range, floats without NaN. */
export function elementOf(dtype: DType): fc.Arbitrary<number | bigint> {
  if (dtype === 's64') return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  if (dtype === 'u64') return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  if (dtype === 'f32') return fc.float({ noNaN: true, min: -1000, max: 1000 });
  if (dtype === 'f64') return fc.double({ noNaN: true, min: -1000, max: 1000 });
  if (isFloat(dtype)) return fc.integer({ min: 0, max: 0xffff });
  return fc.integer({ min: dtypes[dtype].min, max: dtypes[dtype].max });
}

export const tensorOf = <D extends DType>(dtype: D, shape: readonly number[]): fc.Arbitrary<ITensor<D>> =>
  fc
    .array(elementOf(dtype), { minLength: sizeOf(shape), maxLength: sizeOf(shape) })
    .map((values) => tensor(dtype, values as number[], shape));

/** A tensor whose elements are all different, so that a misplaced one is seen. */
export function iota<D extends DType>(dtype: D, shape: readonly number[]): ITensor<D> {
  return tensor(
    dtype,
    Array.from({ length: sizeOf(shape) }, (_, i) => i + 1),
    shape,
  );
}

export const shapeOf = (rank: { min: number; max: number }, largest = 4, smallest = 1): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: smallest, max: largest }), { minLength: rank.min, maxLength: rank.max });

export const flatIndex = (shape: readonly number[], index: readonly number[]): number =>
  index.reduce((flat, i, axis) => flat * shape[axis] + i, 0);

/** The element at an index tuple. */
export const read = ({ shape, data }: ITensor, index: readonly number[]): number | bigint =>
  data[flatIndex(shape, index)];

/** The elements of a tensor of any type. */
export const listOf = ({ data }: ITensor): (number | bigint)[] => Array.from(data as ArrayLike<number | bigint>);

/** A tensor of any type, rank 1 to 4. */
export const anyTensor = fc
  .tuple(fc.constantFrom(...allTypes), shapeOf({ min: 1, max: 4 }, 4))
  .chain(([dtype, shape]) => tensorOf(dtype, shape));

/** Expects a movement: element `index` of y is element `source(index)` of x, or `value` when that is undefined. */
export function expectMoved(
  y: ITensor,
  x: ITensor,
  source: (index: number[]) => readonly number[] | undefined,
  value: number | bigint = 0,
) {
  expect(y.dtype).toBe(x.dtype);
  const expected = indicesOf(y.shape).map((index) => {
    const from = source(index);
    return from ? read(x, from) : value;
  });
  expect(listOf(y)).toEqual(expected);
}
