/** Matrix products of floats by the kernel whose sums are the interpreter's. */
import { type nnMatmul, stridesOf, type View } from '../../../ir/index.ts';
import type { Recorder } from '../recorder.ts';

export function recordFusedMatmul({ a, b, y }: View<typeof nnMatmul>, r: Recorder): void {
  const left = asMatrices(r.shape(a), (size) => [1, size]);
  const right = asMatrices(r.shape(b), (size) => [size, 1]);
  const [rows, depth] = left.slice(-2);
  const columns = right[right.length - 1];
  const rank = Math.max(left.length, right.length) - 2;
  // One matrix for all: the batch is more rows.
  const isOne = right.slice(0, -2).every((size) => size === 1);
  const shape = isOne ? [] : batchOf(rank, left, right);
  r.kernel(
    {
      name: 'fused-product',
      shape,
      rows: isOne ? left.slice(0, -1).reduce((count, size) => count * size, 1) : rows,
      depth,
      columns,
      sourceStrides: [...batchStrides(shape.length, left), depth],
      weightsStrides: [...batchStrides(shape.length, right), columns, 1],
      destinationStrides: [...stridesOf([...shape, rows * columns]).slice(0, -1), columns],
    },
    { source: r.use(a, 'row-major'), weights: r.use(b, 'row-major'), destination: r.define(y, 'row-major') },
  );
}

const asMatrices = (shape: readonly number[], vector: (size: number) => number[]): readonly number[] =>
  shape.length === 1 ? vector(shape[0]) : shape;

/** The sizes of the batch that both operands broadcast to. */
function batchOf(rank: number, ...shapes: readonly (readonly number[])[]): number[] {
  const sizeAt = (shape: readonly number[], axis: number) => shape[axis - rank + shape.length - 2] ?? 1;
  return Array.from({ length: rank }, (_, axis) => {
    const [one, other] = shapes.map((shape) => sizeAt(shape, axis));
    return one === 1 ? other : one;
  });
}

/** The distances of matrices along the axes of the batch: 0 where one stands for all. */
function batchStrides(rank: number, shape: readonly number[]): number[] {
  const strides = stridesOf(shape).map((stride, axis) => (shape[axis] === 1 ? 0 : stride));
  const missing = rank + 2 - shape.length;
  return Array.from({ length: rank }, (_, axis) => (axis < missing ? 0 : strides[axis - missing]));
}
