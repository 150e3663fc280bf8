/**
 * Sums of terms for values that are not of rank one: a constant that varies along several axes, and a reshape that
 * splits an axis or joins several. An axis is split by its slices, e_i being 1 at i and 0 elsewhere:
 *
 *   v[i, j] = Σ_i e_i ⊗ v[i, ·]
 */
import { type ITensor, sizeOf } from '../ir/index.ts';
import { apart, positions } from './marks.ts';
import { remember } from './remember.ts';
import type { Ring } from './ring.ts';
import {
  integers,
  isOnes,
  ones,
  outer,
  readAlong,
  reshaped,
  type Term,
  type Terms,
  unsupported,
  type Vector,
} from './terms.ts';

const MOST_ELEMENTS = 2 ** 12;
const MOST_TERMS = 2 ** 8;

const indicator = (size: number, isIn: (i: number) => boolean): Vector => ({
  data: Float64Array.from({ length: size }, (_, i) => Number(isIn(i))),
});

const constants = new WeakMap<ITensor, Map<Ring, Terms | undefined>>();

/** A constant as a sum of terms; undefined when it takes too many. */
export const decomposed = (tensor: ITensor, ring: Ring): Terms | undefined =>
  remember(constants, tensor, ring, () => {
    const { shape } = tensor;
    if (tensor.data.length === 0 || tensor.data.length > MOST_ELEMENTS) return undefined;
    const terms = slices(integers(tensor).map(ring.reduce), shape);
    if (terms.length > MOST_TERMS) return undefined;
    return { kind: 'terms', shape, terms, marks: shape.map((size) => (size === 1 ? undefined : apart(size))) };
  });

/** Axis by axis; equal slices are one. */
function slices(values: Float64Array, shape: readonly number[]): Term[] {
  const axis = shape.findIndex((size) => size !== 1);
  const [before, size] = [shape.slice(0, Math.max(axis, 0)).map(ones), shape[axis]];
  if (axis < 0) return values[0] === 0 ? [] : [{ scale: values[0], axes: shape.map(ones), reads: [] }];
  const rest = shape.slice(axis + 1);
  if (sizeOf(rest) === 1) return [{ scale: 1, axes: [...before, { data: values }, ...rest.map(ones)], reads: [] }];
  const inner = values.length / size;
  const slice = (i: number) => values.subarray(i * inner, (i + 1) * inner);
  const firstEqual = Array.from({ length: size }, (_, i) => i).map((i, _, all) =>
    all.findIndex((j) => slice(j).every((v, k) => v === slice(i)[k])),
  );
  return [...new Set(firstEqual)].flatMap((first) =>
    slices(slice(first), rest).map(({ scale, axes }) => ({
      scale,
      axes: [...before, indicator(size, (i) => firstEqual[i] === first), ...axes],
      reads: [],
    })),
  );
}

/** Axes of the source and of the result whose elements are the same, in order. */
function groupsOf(from: readonly number[], to: readonly number[]): (readonly [number[], number[]])[] {
  const groups: (readonly [number[], number[]])[] = [];
  let [i, j] = [0, 0];
  while (i < from.length || j < to.length) {
    const group = [[] as number[], [] as number[]] as const;
    let [p, q] = [1, 1];
    do {
      if ((p <= q && i < from.length) || j >= to.length) p *= from[group[0][group[0].push(i++) - 1]];
      else q *= to[group[1][group[1].push(j++) - 1]];
    } while (p !== q);
    groups.push(group);
  }
  return groups;
}

/** Row-major, to any shape of as many elements. */
export function reshapedTerms(v: Terms, shape: readonly number[], ring: Ring): Terms {
  const long = (list: readonly number[]) => list.filter((size) => size !== 1).join();
  if (long(v.shape) === long(shape)) return reshaped(v, shape, ring);
  if (sizeOf(shape) === 0) return unsupported('a reshape of nothing');
  const groups = groupsOf(v.shape, shape);
  // Readings along split or joined axes are not followed: all positions of such an axis count as different.
  const marks = groups.flatMap(([from, to]) => {
    const isPlain = from.every((axis) => v.marks[axis] === undefined && v.terms.every((t) => isOnes(t.axes[axis])));
    return to.map((axis) => (isPlain || shape[axis] === 1 ? undefined : positions(shape[axis])));
  });
  const terms = v.terms.flatMap((term) =>
    groups.reduce<Term[]>(
      (all, [from, to]) => {
        const vector = joined(
          from.map((axis) => term.axes[axis]),
          ring,
        );
        const sizes = to.map((axis) => shape[axis]);
        if (sizeOf(sizes) === 1)
          return all.map(({ scale, axes, reads }) => ({
            reads,
            scale: ring.mul(scale, vector.data[0]),
            axes: [...axes, ...sizes.map(ones)],
          }));
        const parts = splitTo(vector, sizes);
        return all.flatMap(({ scale, axes, reads }) =>
          parts.map((part) => ({ scale, axes: [...axes, ...part], reads })),
        );
      },
      [{ scale: term.scale, axes: [], reads: readAlong(term.reads, () => marks.map((mark) => (mark ? 1 : 0))) }],
    ),
  );
  if (terms.length > MOST_TERMS) return unsupported('a reshape of many slices');
  return { kind: 'terms', shape, terms, marks };
}

function joined(vectors: readonly Vector[], ring: Ring): Vector {
  if (vectors.every(isOnes)) return ones(vectors.reduce((n, { data }) => n * data.length, 1));
  const long = vectors.filter(({ data }) => data.length !== 1);
  if (long.length === 1 && long.length === vectors.length) return long[0];
  return {
    data: outer(
      1,
      vectors.map(({ data }) => data),
      ring,
    ),
  };
}

/** Splits a vector into sums of products of vectors along axes of these sizes, one of which at least is not 1. */
function splitTo(vector: Vector, sizes: readonly number[]): Vector[][] {
  if (isOnes(vector)) return [sizes.map(ones)];
  const axis = sizes.findIndex((size) => size !== 1);
  const [before, size, rest] = [sizes.slice(0, axis).map(ones), sizes[axis], sizes.slice(axis + 1)];
  if (sizeOf(rest) === 1) return [[...before, vector, ...rest.map(ones)]];
  const inner = vector.data.length / size;
  return Array.from({ length: size }, (_, i) => i).flatMap((i) =>
    splitTo({ data: vector.data.slice(i * inner, (i + 1) * inner) }, rest).map((axes) => [
      ...before,
      indicator(size, (at) => at === i),
      ...axes,
    ]),
  );
}
