/** Matrix products of sums of terms with known or unknown matrices, at chosen positions. Operands have rank 2 at least. */
import { sizeOf } from '../ir/index.ts';
import { picked } from './dense.ts';
import { joined, type Marks, positions } from './marks.ts';
import type { Side } from './side.ts';
import {
  type Constant,
  type Dense,
  ones,
  outer,
  type Reading,
  range,
  readAlong,
  readingsOf,
  type Terms,
  taken,
  type Vector,
} from './terms.ts';

type Right = Terms | Constant;

/** For every axis of the result […, M, N] which positions are alike. */
export function matrixKinds(a: Terms, b: Right, shape: readonly number[]): (Marks | undefined)[] {
  const rank = shape.length;
  return shape.map((size, axis) => {
    const left = a.shape.length - rank + axis;
    const right = b.shape.length - rank + axis;
    const fromLeft = axis < rank - 1 && left >= 0 && a.shape[left] === size ? a.marks[left] : undefined;
    const reads = axis !== rank - 2 && right >= 0 && b.shape[right] === size && size > 1;
    const fromRight = !reads ? undefined : b.kind === 'constant' ? positions(size) : b.marks[right];
    return joined(fromLeft, fromRight);
  });
}

/** Rows read a, columns b, batches both. */
export function matrixReadings(a: Terms, b: Right, shape: readonly number[]): readonly Reading[] {
  const rank = shape.length;
  const of = (v: Terms, summed: number): readonly Reading[] =>
    readAlong(readingsOf(v.terms), (slopes) =>
      shape.map((_, axis) => (axis === summed ? 0 : (slopes[slopes.length - rank + axis] ?? 0))),
    );
  return [...of(a, rank - 1), ...(b.kind === 'constant' ? [] : of(b, rank - 2))];
}

export function matrixProduct(
  a: Terms,
  b: Right,
  shape: readonly number[],
  at: readonly Int32Array[],
  { weights, ring }: Side,
): Dense {
  const rank = shape.length;
  const sizes = at.map((list) => list.length);
  let data: Float64Array = new Float64Array(sizeOf(sizes));
  const add = (part: Float64Array) => {
    data = ring.add(data, part, 1);
  };
  /** The vector of an operand along an axis of the result; a size of 1 is broadcast. */
  const along = (axes: readonly Vector[], axis: number): Float64Array => {
    const own = axes.length - rank + axis;
    const vector = own < 0 ? undefined : axes[own];
    if (vector === undefined) return ones(at[axis].length).data;
    return vector.data.length === 1 ? new Float64Array(at[axis].length).fill(vector.data[0]) : taken(vector, at[axis]);
  };
  for (const term of a.terms) {
    const inner = term.axes[term.axes.length - 1];
    const rows = at.map((list, axis) => (axis === rank - 1 ? ones(list.length).data : along(term.axes, axis)));
    const left = outer(term.scale, rows, ring);
    if (b.kind === 'constant') {
      const kept = b.shape.map((size, own) => (own === b.shape.length - 2 ? 1 : size));
      const projected = weights.projection(b.tensor, { kind: 'matmul', group: 1 }, inner, ring);
      const right: Dense = { kind: 'dense', shape: kept, at: kept.map(range), data: projected };
      add(ring.multiply(left, picked(right, at)));
      continue;
    }
    for (const factor of b.terms) {
      const summed = factor.axes[factor.axes.length - 2].data;
      let dot = 0;
      for (let k = 0; k < summed.length; k++) dot = ring.reduce(dot + ring.mul(inner.data[k], summed[k]));
      const columns = at.map((list, axis) => (axis === rank - 2 ? ones(list.length).data : along(factor.axes, axis)));
      const right = outer(ring.mul(factor.scale, dot), columns, ring);
      add(ring.multiply(right, left));
    }
  }
  return { kind: 'dense', shape, at, data };
}
