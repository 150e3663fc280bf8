/** Matrix products of sums of terms with known or unknown matrices, at chosen positions. Operands have rank 2 at least. */
import type { Ring } from './ring.ts';
import { type Constant, type Dense, forEachIndex, joinMarks, outer, range, type Terms, type Vector } from './terms.ts';
import type { Projections } from './weights.ts';
import type { AxisKinds } from './windows.ts';

type Right = Terms | Constant;

/** For every axis of the result […, M, N] which positions are alike. */
export function matrixKinds(a: Terms, b: Right, shape: readonly number[]): AxisKinds[] {
  const rank = shape.length;
  return shape.map((size, axis) => {
    const left = a.shape.length - rank + axis;
    const right = b.shape.length - rank + axis;
    const fromLeft = axis < rank - 1 && left >= 0 && a.shape[left] === size ? a.marks[left] : undefined;
    const reads = axis !== rank - 2 && right >= 0 && b.shape[right] === size && size > 1;
    const fromRight = !reads ? undefined : b.kind === 'constant' ? range(size) : b.marks[right];
    return { kinds: joinMarks(fromLeft, fromRight) };
  });
}

export function matrixProduct(
  a: Terms,
  b: Right,
  shape: readonly number[],
  at: readonly Int32Array[],
  weights: Projections,
  ring: Ring,
): Dense {
  const rank = shape.length;
  const sizes = at.map((list) => list.length);
  const data = new Float64Array(sizes.reduce((all, n) => all * n, 1));
  const add = (part: Float64Array) => {
    for (let i = 0; i < data.length; i++) data[i] = ring.reduce(data[i] + part[i]);
  };
  /** Of an operand, its vector along an axis of the result; a size of 1 is broadcast. */
  const along = (axes: readonly Vector[], axis: number): Float64Array => {
    const own = axes.length - rank + axis;
    const vector = own < 0 ? undefined : axes[own].data;
    return Float64Array.from(at[axis], (i) => (vector === undefined ? 1 : vector[vector.length === 1 ? 0 : i]));
  };
  for (const term of a.terms) {
    const inner = term.axes[term.axes.length - 1];
    const rows = at.map((list, axis) =>
      axis === rank - 1 ? new Float64Array(list.length).fill(1) : along(term.axes, axis),
    );
    const left = outer(term.scale, rows, ring);
    if (b.kind === 'constant') {
      const projected = weights.projection(b.tensor, { kind: 'matmul' }, inner, ring);
      const part = new Float64Array(data.length);
      forEachIndex(sizes, (i, index) => {
        let from = 0;
        for (let axis = 0; axis < rank; axis++) {
          const own = b.shape.length - rank + axis;
          if (axis === rank - 2 || own < 0) continue;
          from = from * b.shape[own] + (b.shape[own] === 1 ? 0 : at[axis][index[axis]]);
        }
        part[i] = ring.mul(left[i], projected[from]);
      });
      add(part);
      continue;
    }
    for (const factor of b.terms) {
      const summed = factor.axes[factor.axes.length - 2].data;
      let dot = 0;
      for (let k = 0; k < summed.length; k++) dot = ring.reduce(dot + ring.mul(inner.data[k], summed[k]));
      const columns = at.map((list, axis) =>
        axis === rank - 2 ? new Float64Array(list.length).fill(1) : along(factor.axes, axis),
      );
      const right = outer(ring.mul(factor.scale, dot), columns, ring);
      add(right.map((v, i) => ring.mul(v, left[i])));
    }
  }
  return { kind: 'dense', shape, at, data };
}
