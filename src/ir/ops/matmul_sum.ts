/** The shape and the sum of a matrix product with numpy's rules: rank-1 operands and broadcast batches. */

import { fusedMultiplyAdd } from '../../numerics/index.ts';
import { atChannel, sizeOf } from '../../tensors/index.ts';
import type { Refuse } from '../define_op.ts';
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
  /** The zero points to subtract: from `a` one, or one per row; from `b` one, or one per column. */
  readonly za?: ArrayLike<number>;
  readonly zb?: ArrayLike<number>;
}

const BLOCK = 256;

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
    const line = (i: number): Line => ({
      at: aBase + i * k,
      zero: atChannel(za, i),
      to: (t * m + i) * n,
    });
    // Columns in blocks whose part of b stays in the cache while rows of a go by.
    for (let from = 0; from < n; from += BLOCK) {
      const block = { y, a: left, b: right, bBase, k, n, from, columns: Math.min(BLOCK, n - from) };
      for (let i = 0; i + 1 < m; i += 2) addTwoLines(block, line(i), line(i + 1));
      if (m % 2 === 1) addLine(block, line(m - 1), 0);
    }
  }
  return y;
}

interface Block {
  readonly y: Float64Array;
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly bBase: number;
  readonly k: number;
  readonly n: number;
  /** The columns of b and y: the first, and how many. */
  readonly from: number;
  readonly columns: number;
}

/** A line of a: its offset, its zero point, and the offset of its result in y. */
interface Line {
  readonly at: number;
  readonly zero: number;
  readonly to: number;
}

/** y[j] += Σ_k a[k]·b[k, j] from `first` on, one k after another: sums of floats depend on the order. */
function addLine({ y, a, b, bBase, k, n, from, columns }: Block, { at, zero, to: line }: Line, first: number): void {
  const to = line + from;
  for (let c = first; c < k; c++) {
    const value = a[at + c] - zero;
    const row = bBase + c * n + from;
    for (let j = 0; j < columns; j++) y[to + j] += value * b[row + j];
  }
}

/**
 * Adds two lines in the same order: each y is read and written once for four k, and each b is read once for both lines.
 */
function addTwoLines(block: Block, one: Line, other: Line): void {
  const { y, a, b, bBase, k, n, from, columns } = block;
  const [to, otherTo] = [one.to + from, other.to + from];
  const even = k - (k % 4);
  for (let c = 0; c < even; c += 4) {
    const [i, j] = [one.at + c, other.at + c];
    const [p, q, r, s] = [a[i] - one.zero, a[i + 1] - one.zero, a[i + 2] - one.zero, a[i + 3] - one.zero];
    const [t, u, v, w] = [a[j] - other.zero, a[j + 1] - other.zero, a[j + 2] - other.zero, a[j + 3] - other.zero];
    const first = bBase + c * n + from;
    const [second, third, fourth] = [first + n, first + 2 * n, first + 3 * n];
    for (let x = 0; x < columns; x++) {
      // one by one: destructuring takes as long as the products
      const b1 = b[first + x];
      const b2 = b[second + x];
      const b3 = b[third + x];
      const b4 = b[fourth + x];
      y[to + x] = y[to + x] + p * b1 + q * b2 + r * b3 + s * b4;
      y[otherTo + x] = y[otherTo + x] + t * b1 + u * b2 + v * b3 + w * b4;
    }
  }
  addLine(block, one, even);
  addLine(block, other, even);
}

/** y[…, i, j] = Σ_k a[…, i, k] · b[…, k, j] of binary32 numbers: from +0 on, each product is added in the order of k and rounded together with the sum before it. */
export function fusedMatmulSum({ a, aShape, b, bShape }: MatmulOptions): Float32Array {
  const [aFull, bFull] = [asMatrices(aShape, 'row'), asMatrices(bShape, 'column')];
  const [m, k, n] = [aFull[aFull.length - 2], aFull[aFull.length - 1], bFull[bFull.length - 1]];
  const [aBatch, bBatch] = [aFull.slice(0, -2), bFull.slice(0, -2)];
  const batch = broadcastShape([aBatch, bBatch], neverRefuses) as readonly number[];
  const y = new Float32Array(sizeOf(batch) * m * n);
  for (let t = 0; t < sizeOf(batch); t++) {
    const [aBase, bBase] = [batchIndex(t, batch, aBatch) * m * k, batchIndex(t, batch, bBatch) * k * n];
    for (let i = 0; i < m; i++) {
      const to = (t * m + i) * n;
      for (let c = 0; c < k; c++) {
        const x = a[aBase + i * k + c];
        const row = bBase + c * n;
        for (let j = 0; j < n; j++) y[to + j] = fusedMultiplyAdd(x, b[row + j], y[to + j]);
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
