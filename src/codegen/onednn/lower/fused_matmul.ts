/** Matrix products of floats by the kernel whose sums are the interpreter's. It takes strides, so that transpositions around a product move nothing. */
import {
  consumersOf,
  isOp,
  type nnMatmul,
  nnTranspose,
  sizeOf,
  stridesOf,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import type { Recorder, Strided } from '../recorder.ts';

export function recordFusedMatmul({ a, b, y }: View<typeof nnMatmul>, r: Recorder): void {
  const [left, right] = [matrices(r, a, 'row'), matrices(r, b, 'column')];
  const [rows, depth] = left.shape.slice(-2);
  const columns = right.shape[right.shape.length - 1];
  // One matrix for all: the batch is more rows.
  const isOne = right.shape.slice(0, -2).every((size) => size === 1);
  const rank = isOne ? 0 : Math.max(left.shape.length, right.shape.length) - 2;
  const shape = batchOf(rank, left.shape, right.shape);
  const source = isOne || left.strides[left.strides.length - 1] !== 1 ? whole(r, a, left) : left;
  const [buffer, destinationStrides] = destinationOf(r, y, shape, [rows, columns]);
  r.kernel(
    {
      name: 'fused-product',
      shape,
      rows: isOne ? sizeOf(left.shape.slice(0, -1)) : rows,
      depth,
      columns,
      sourceStrides: [...batchStrides(rank, source), source.strides[source.strides.length - 2]],
      weightsStrides: [...batchStrides(rank, right), ...right.strides.slice(-2)],
      destinationStrides,
    },
    { source: source.buffer, weights: right.buffer, destination: buffer },
  );
}

interface Matrices extends Strided {
  readonly shape: readonly number[];
}

/** An operand where it lies; a vector is a matrix of one row or one column. */
function matrices(r: Recorder, id: ValueId, as: 'row' | 'column'): Matrices {
  const shape = r.shape(id);
  const { buffer, strides } = r.strided(id);
  if (shape.length > 1) return { buffer, shape, strides };
  return as === 'row'
    ? { buffer, shape: [1, ...shape], strides: [shape[0], ...strides] }
    : { buffer, shape: [...shape, 1], strides: [...strides, 1] };
}

/** The same row major: the kernel reads the depth of the source element after element. */
const whole = (r: Recorder, id: ValueId, { shape }: Matrices): Matrices => ({
  buffer: r.use(id, 'row-major'),
  shape,
  strides: stridesOf(shape),
});

/**
 * The buffer of the result, and its strides over the batch and the rows. Where one transposition alone reads the result and keeps its
 * rows whole, the product writes into the result of the transposition.
 */
function destinationOf(
  r: Recorder,
  y: ValueId,
  batch: readonly number[],
  [rows, columns]: readonly [number, number],
): readonly [ReturnType<Recorder['define']>, readonly number[]] {
  const shape = r.shape(y);
  const [reader, ...others] = consumersOf(r.graph).get(y) ?? [];
  const last = shape.length - 1;
  const perm = reader && others.length === 0 && isOp(reader, nnTranspose) ? reader.attrs.perm : undefined;
  if (perm?.[last] !== last || shape.length !== batch.length + 2 || r.graph.outputs.includes(y))
    return [r.define(y, 'row-major'), [...stridesOf([...batch, rows * columns]).slice(0, -1), columns]];
  const there = stridesOf(perm.map((axis) => shape[axis]));
  const strides = shape.map((_, axis) => there[perm.indexOf(axis)]);
  return [r.defineStrided(y, strides), strides.slice(0, -1)];
}

/** The sizes of the batch that both operands broadcast to. */
function batchOf(rank: number, ...shapes: readonly (readonly number[])[]): number[] {
  return Array.from({ length: rank }, (_, axis) => {
    const [one, other] = shapes.map((shape) => shape[axis - rank + shape.length - 2] ?? 1);
    return one === 1 ? other : one;
  });
}

/** The distances of matrices along the axes of the batch: 0 where one stands for all. */
function batchStrides(rank: number, { shape, strides }: Matrices): number[] {
  return Array.from({ length: rank }, (_, axis) => {
    const own = axis - rank + shape.length - 2;
    return own < 0 || shape[own] === 1 ? 0 : strides[own];
  });
}
