/** The shape and the sum of a matrix product with numpy's rules: rank-1 operands and broadcast batches. */
import type { Refuse } from '../define_op.ts';
import { sizeOf } from '../tensor.ts';
import type { Shape } from '../types.ts';
import { broadcastShape } from './broadcast.ts';
import { shifted } from './convolve.ts';

/** The shape of a·b; a rank-1 `a` is a row, a rank-1 `b` a column, and the axis they lack is dropped from the result. */
export function matmulShape(a: Shape, b: Shape, refuse: Refuse): Shape {
  if (a.length === 0 || b.length === 0) refuse('a scalar is not a matrix', a.length === 0 ? 'a' : 'b');
  const [rows, columns] = [asMatrices(a, 'row'), asMatrices(b, 'column')];
  const [inner, other] = [rows.at(-1), columns.at(-2)];
  if (inner !== other && typeof inner === 'number' && typeof other === 'number')
    refuse(`[${a.join(', ')}] x [${b.join(', ')}]: the inner sizes ${inner} and ${other} differ`, 'b');
  const batch = broadcastShape([rows.slice(0, -2), columns.slice(0, -2)], refuse);
  return [
    ...batch,
    ...(a.length === 1 ? [] : [rows.at(-2) as number]),
    ...(b.length === 1 ? [] : [columns.at(-1) as number]),
  ];
}

const asMatrices = <T>(shape: readonly T[], as: 'row' | 'column'): readonly (T | 1)[] =>
  shape.length === 1 ? (as === 'row' ? [1, shape[0]] : [shape[0], 1]) : shape;

export interface MatmulOptions {
  readonly a: ArrayLike<number>;
  readonly aShape: readonly number[];
  readonly b: ArrayLike<number>;
  readonly bShape: readonly number[];
  /** What is subtracted from `a` (one, or one per row) and from `b` (one, or one per column). */
  readonly za?: ArrayLike<number>;
  readonly zb?: ArrayLike<number>;
}

/** y[…, i, j] = Σ_k (a[…, i, k] − za[i]) · (b[…, k, j] − zb[j]), accumulated in binary64, row major. */
export function matmulSum({ a, aShape, b, bShape, za = [0], zb = [0] }: MatmulOptions): Float64Array {
  const [aFull, bFull] = [asMatrices(aShape, 'row'), asMatrices(bShape, 'column')];
  const [m, k, n] = [aFull[aFull.length - 2], aFull[aFull.length - 1], bFull[bFull.length - 1]];
  const [aBatch, bBatch] = [aFull.slice(0, -2), bFull.slice(0, -2)];
  const batch = broadcastShape([aBatch, bBatch], neverRefuses) as readonly number[];
  const left = shifted(a, 0);
  const right = shifted(b, zb.length === 1 ? zb[0] : 0);
  if (zb.length > 1) for (let i = 0; i < right.length; i++) right[i] -= zb[i % n];
  const y = new Float64Array(sizeOf(batch) * m * n);
  for (let t = 0; t < sizeOf(batch); t++) {
    const aBase = batchIndex(t, batch, aBatch) * m * k;
    const bBase = batchIndex(t, batch, bBatch) * k * n;
    for (let i = 0; i < m; i++) {
      const zero = za[za.length === 1 ? 0 : i];
      const yBase = (t * m + i) * n;
      for (let c = 0; c < k; c++) {
        const value = left[aBase + i * k + c] - zero;
        const row = bBase + c * n;
        for (let j = 0; j < n; j++) y[yBase + j] += value * right[row + j];
      }
    }
  }
  return y;
}

/** The matrix of `own` that the `flat`-th matrix of the broadcast `batch` reads. */
function batchIndex(flat: number, batch: readonly number[], own: readonly number[]): number {
  let index = 0;
  let stride = 1;
  for (let axis = batch.length - 1; axis >= 0; axis--) {
    const size = own[axis - batch.length + own.length] ?? 1;
    if (size !== 1) index += (flat % batch[axis]) * stride;
    stride *= size;
    flat = Math.floor(flat / batch[axis]);
  }
  return index;
}

function neverRefuses(message: string): never {
  throw new Error(message);
}
