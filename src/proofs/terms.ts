/**
 * The values of expressions.
 *
 * An unknown tensor is put at a point of rank one: x[i, j, …] = a[i]·b[j]·…, random vectors a, b, …. Its elements are
 * then different monomials, so a polynomial in x that is not 0 stays one, and a product of x with weights needs one pass
 * over them instead of one for every position. Sources of products are sums of few such terms; results of products are
 * dense, at one position of each class (see grid.ts).
 */
import { byteTypes, type ITensor, isStatic, isTensorOf, type Shape, sizeOf, stridesOf } from '../ir/index.ts';
import { apart, joined, type Marks, marked, positions } from './marks.ts';
import { remember } from './remember.ts';
import type { Ring } from './ring.ts';

/** Compared by identity: one object, one vector. */
export interface Vector {
  readonly data: Float64Array;
}

/**
 * The reading of an unknown by a value: from one position to the next along axis i, it moves by `slopes[i]` elements of
 * the unknown, 0 when the unknown is broadcast.
 */
export interface Reading {
  readonly leaf: string;
  readonly slopes: readonly number[];
}

/** scale · axes[0] ⊗ axes[1] ⊗ …; constants read nothing. */
export interface Term {
  readonly scale: number;
  readonly axes: readonly Vector[];
  readonly reads: readonly Reading[];
}

const nothing: readonly Reading[] = [];

/** The same readings along renamed axes. */
export const readAlong = (
  reads: readonly Reading[],
  along: (slopes: readonly number[]) => readonly number[],
): readonly Reading[] =>
  reads.length === 0 ? reads : reads.map(({ leaf, slopes }) => ({ leaf, slopes: along(slopes) }));

/** All readings of some terms, each once. */
export function readingsOf(terms: readonly Term[]): readonly Reading[] {
  const found = new Map<string, Reading>();
  for (const { reads } of terms)
    for (const reading of reads) found.set(`${reading.leaf} ${reading.slopes.join()}`, reading);
  return [...found.values()];
}

/** A sum of terms. `marks[axis]`: coordinates with different marks are not alike; all are where it is absent. */
export interface Terms {
  readonly kind: 'terms';
  readonly shape: readonly number[];
  readonly terms: readonly Term[];
  readonly marks: readonly (Marks | undefined)[];
}

/** Known elements. */
export interface Constant {
  readonly kind: 'constant';
  readonly shape: readonly number[];
  readonly tensor: ITensor;
}

/** Known elements plus unknown ones: weights less a zero point from run time. */
export interface Mixed {
  readonly kind: 'mixed';
  readonly shape: readonly number[];
  readonly known: Constant;
  readonly unknown: Terms;
}

/** Elements at the coordinates `at` of every axis; `data` is row major over them. */
export interface Dense {
  readonly kind: 'dense';
  readonly shape: readonly number[];
  readonly at: readonly Int32Array[];
  readonly data: Float64Array;
  /** In learning, behind a reshape: the axis of the result that each axis is; see `Grid.home`. */
  readonly homes?: readonly (number | undefined)[];
}

export type Value = Terms | Constant | Mixed | Dense;

/** Thrown for graphs that this checker does not reason about: the obligation stays open. */
export class Unsupported extends Error {}

export const unsupported = (what: string): never => {
  throw new Unsupported(what);
};

/** The sizes of a value where all of them are known. */
export const sizesOf = (shape: Shape): readonly number[] =>
  isStatic(shape) ? shape : unsupported('sizes that are not known');

const onesByLength = new Map<number, Vector>();
/** The vector of ones, one object for each length. */
export function ones(length: number): Vector {
  const known = onesByLength.get(length);
  if (known) return known;
  const made = { data: new Float64Array(length).fill(1) };
  onesByLength.set(length, made);
  return made;
}
export const isOnes = (v: Vector): boolean => onesByLength.get(v.data.length) === v;

const ranges = new Map<number, Int32Array>();
/** 0, 1, … n − 1: one list for each length. */
export function range(n: number): Int32Array {
  const known = ranges.get(n);
  if (known) return known;
  const made = new Int32Array(n);
  for (let i = 0; i < n; i++) made[i] = i;
  ranges.set(n, made);
  return made;
}

const constants = new WeakMap<ITensor, Map<Ring, Terms | undefined>>();

/** A constant that varies along one axis at most; undefined for any other. */
export const termsOfConstant = ({ tensor }: Constant, ring: Ring): Terms | undefined =>
  remember(constants, tensor, ring, () => lineOf(tensor, ring));

function lineOf(tensor: ITensor, ring: Ring): Terms | undefined {
  const { shape } = tensor;
  const long = shape.flatMap((size, axis) => (size === 1 ? [] : [axis]));
  if (long.length > 1 || tensor.data.length === 0) return undefined;
  const values = integers(tensor);
  const [axis] = long;
  if (axis === undefined || values.every((v) => v === values[0])) return constantTerms(shape, ring.reduce(values[0]));
  const vector = { data: values.map(ring.reduce) };
  return {
    kind: 'terms',
    shape,
    terms: [{ scale: 1, axes: shape.map((size, i) => (i === axis ? vector : ones(size))), reads: nothing }],
    marks: shape.map((_, i) => (i === axis ? marksOf(values) : undefined)),
  };
}

export const constantTerms = (shape: readonly number[], value: number): Terms => ({
  kind: 'terms',
  shape,
  terms: value === 0 ? [] : [{ scale: value, axes: shape.map(ones), reads: nothing }],
  marks: shape.map(() => undefined),
});

const shapes = new WeakMap<ITensor, Map<string, ITensor>>();

/** The same elements in another shape: one object for each shape. */
export const withShape = (tensor: ITensor, shape: readonly number[]): ITensor =>
  remember(shapes, tensor, shape.join(), () => (shape.join() === tensor.shape.join() ? tensor : { ...tensor, shape }));

/** Types of integers that are numbers in memory. */
export const shortIntegers = [...byteTypes, 'u16', 's16', 'u32', 's32', 'bool'] as const;

/** The elements as exact integers. */
export function integers(t: ITensor): Float64Array {
  if (isTensorOf(t, ...shortIntegers)) return new Float64Array(t.data);
  const values = Float64Array.from<number | bigint>(t.data, Number);
  if (!values.every(Number.isSafeInteger)) unsupported('constants that are not integers');
  return values;
}

/** Equal elements, equal marks; of a long list all are taken to differ, which is safe. */
const marksOf = (values: Float64Array): Marks =>
  values.length > 64 ? apart(values.length) : marked(values.length, (i) => `element ${values[i]}`);

/** Broadcasts to `shape`, whose trailing axes are the value's. */
export function expanded(v: Terms, shape: readonly number[], ring: Ring): Terms {
  const lead = shape.length - v.shape.length;
  const stays = (axis: number) => axis >= lead && v.shape[axis - lead] === shape[axis];
  if (lead === 0 && shape.every((_, axis) => stays(axis))) return v;
  const terms = v.terms.map((term) => {
    let { scale } = term;
    const axes = shape.map((size, axis) => {
      if (stays(axis)) return term.axes[axis - lead];
      if (axis >= lead) scale = ring.mul(scale, term.axes[axis - lead].data[0]);
      return ones(size);
    });
    const reads = readAlong(term.reads, (slopes) => shape.map((_, i) => (stays(i) ? slopes[i - lead] : 0)));
    return { scale, axes, reads };
  });
  return { kind: 'terms', shape, terms, marks: shape.map((_, i) => (stays(i) ? v.marks[i - lead] : undefined)) };
}

/** The same elements with axes of size 1 added or dropped. */
export function reshaped(v: Terms, shape: readonly number[], ring: Ring): Terms {
  const long = (list: readonly number[]) => list.flatMap((size, axis) => (size === 1 ? [] : [axis]));
  const [from, to] = [long(v.shape), long(shape)];
  if (from.length !== to.length || from.some((axis, i) => v.shape[axis] !== shape[to[i]]))
    unsupported('a reshape that splits or joins axes of a source');
  const origin = shape.map((size, axis) => (size === 1 ? undefined : from[to.indexOf(axis)]));
  const terms = v.terms.map(({ scale, axes, reads }) => ({
    scale: v.shape.reduce((s, size, axis) => (size === 1 ? ring.mul(s, axes[axis].data[0]) : s), scale),
    axes: origin.map((axis) => (axis === undefined ? ones(1) : axes[axis])),
    reads: readAlong(reads, (slopes) => origin.map((axis) => (axis === undefined ? 0 : slopes[axis]))),
  }));
  // Positions along an axis that lies elsewhere now, counted from the last, are all taken to differ: see movements.ts.
  const marks = origin.map((axis, to) => {
    if (axis === undefined) return undefined;
    return v.shape.length - axis === shape.length - to ? v.marks[axis] : positions(v.shape[axis]);
  });
  return { kind: 'terms', shape, terms, marks };
}

/** a + sign·b of the same shape. */
export function sum(a: Terms, b: Terms, sign: 1 | -1, ring: Ring): Terms {
  const right = sign === 1 ? b.terms : b.terms.map((t) => ({ ...t, scale: ring.mul(t.scale, ring.reduce(-1)) }));
  return { ...a, terms: [...a.terms, ...right], marks: a.marks.map((m, i) => joined(m, b.marks[i])) };
}

/** a·b of the same shape, element by element. */
export function product(a: Terms, b: Terms, ring: Ring): Terms {
  const vectors = (p: Vector, q: Vector): Vector =>
    isOnes(p) ? q : isOnes(q) ? p : { data: p.data.map((v, i) => ring.mul(v, q.data[i])) };
  const terms = a.terms.flatMap((s) =>
    b.terms.map((t) => ({
      scale: ring.mul(s.scale, t.scale),
      axes: s.axes.map((v, i) => vectors(v, t.axes[i])),
      reads: [...s.reads, ...t.reads],
    })),
  );
  return { ...a, terms, marks: a.marks.map((m, i) => joined(m, b.marks[i])) };
}

/** The elements at chosen coordinates of every axis. */
export function sampled(v: Terms | Constant, at: readonly Int32Array[], ring: Ring): Float64Array {
  if (v.kind === 'constant') return sampledConstant(v.tensor, at, ring);
  const parts = v.terms.map(({ scale, axes }) =>
    outer(
      scale,
      axes.map((vector, axis) => taken(vector, at[axis])),
      ring,
    ),
  );
  return parts.length === 0
    ? new Float64Array(sizeOf(at.map((list) => list.length)))
    : parts.reduce((all, part) => ring.add(all, part, 1));
}

function sampledConstant({ data, shape }: ITensor, at: readonly Int32Array[], ring: Ring): Float64Array {
  const places = placesIn(at, stridesOf(shape));
  const out = new Float64Array(places.length);
  if (data instanceof Int32Array) for (let i = 0; i < out.length; i++) out[i] = ring.reduce(data[places[i]]);
  else
    for (let i = 0; i < out.length; i++) {
      const value = Number(data[places[i]]);
      if (!Number.isSafeInteger(value)) unsupported('constants that are not integers');
      out[i] = ring.reduce(value);
    }
  return out;
}

/** Σ of coordinate·stride for every tuple of coordinates, row major. */
export function placesIn(at: readonly Int32Array[], strides: readonly number[]): Int32Array {
  let places = Int32Array.of(0);
  for (let axis = 0; axis < at.length; axis++) {
    const [list, stride, outside] = [at[axis], strides[axis], places];
    places = new Int32Array(outside.length * list.length);
    for (let i = 0, to = 0; i < outside.length; i++)
      for (let j = 0; j < list.length; j++) places[to++] = outside[i] + list[j] * stride;
  }
  return places;
}

/** The elements of a vector at some coordinates. */
export function taken(vector: Vector, at: Int32Array): Float64Array {
  if (isOnes(vector)) return ones(at.length).data;
  if (at.length === vector.data.length && at === range(at.length)) return vector.data;
  const out = new Float64Array(at.length);
  for (let i = 0; i < out.length; i++) out[i] = vector.data[at[i]];
  return out;
}

/** scale · vectors[0] ⊗ vectors[1] ⊗ …, row major. */
export function outer(scale: number, vectors: readonly Float64Array[], ring: Ring): Float64Array {
  let part: Float64Array = Float64Array.of(scale);
  for (const vector of vectors) {
    const n = vector.length;
    const isOne = vector === ones(n).data;
    if (part.length === 1 && (part[0] === 1 || (isOne && n === 1))) {
      if (!isOne || n !== 1) part = vector;
      continue;
    }
    const next = new Float64Array(part.length * n);
    for (let i = 0, to = 0; i < part.length; i++) {
      const factor = part[i];
      for (let j = 0; j < n; j++) next[to++] = isOne ? factor : ring.mul(factor, vector[j]);
    }
    part = next;
  }
  return part;
}
