/**
 * The geometry of products: the places of factors, filters and channels in operands, weights and results. Passes,
 * proofs, costs and back ends use it; only the evaluators of the operators, which are the meaning, add up by
 * themselves.
 */
import { assert } from '../diagnostics/index.ts';
import { type DType, type ITensor, sizeOf, stridesOf, transposed } from '../tensors/index.ts';
import type { ProductKind } from './define_op.ts';
import { mulDims } from './dims.ts';
import { forEachRun } from './ops/qnn_parameters.ts';
import type { Dim, Shape } from './types.ts';

/** The factors; zero points may be absent. */
export interface Factors<T> {
  readonly x: T;
  readonly w: T;
  readonly zx?: T;
  readonly zw?: T;
}

/** The four axes that the weights of every product have: groups, filters and source channels of a group, and taps. */
export type WeightsAxis = 'group' | 'filter' | 'channel' | 'tap';

interface Geometry {
  /** The names of the factors among the operands. */
  readonly operands: Required<Factors<string>>;
  /** The axes of the weights as they lie in memory, the outermost first. */
  readonly weights: readonly WeightsAxis[];
  /** The axis over which sums run, of a source of this rank. */
  readonly sourceAxis: (rank: number) => number;
  /** The axis with one index for each filter, of all groups, of a result of this rank. */
  readonly channelAxis: (rank: number) => number;
  /**
   * The axis of filters, of weights of this rank: of one group's filters when groups lie along another axis; −1 for
   * none.
   */
  readonly filterAxis: (rank: number) => number;
}

const ofConvolution = {
  operands: { x: 'x', w: 'w', zx: 'zx', zw: 'zw' },
  sourceAxis: () => 1,
  channelAxis: () => 1,
} as const;

/**
 * [O, C/group, taps…] of a convolution, [C, O/group, taps…] of a transposed one, […, K, N] of a matrix product, whose columns are
 * its filters and whose batches are taps: they meet no other.
 */
const geometries: Readonly<Record<ProductKind, Geometry>> = {
  conv: { ...ofConvolution, weights: ['group', 'filter', 'channel', 'tap'], filterAxis: () => 0 },
  conv_transpose: { ...ofConvolution, weights: ['group', 'channel', 'filter', 'tap'], filterAxis: () => 1 },
  matmul: {
    operands: { x: 'a', w: 'b', zx: 'za', zw: 'zb' },
    weights: ['group', 'tap', 'channel', 'filter'],
    sourceAxis: (rank) => rank - 1,
    channelAxis: (rank) => Math.max(rank - 1, 0),
    filterAxis: (rank) => (rank === 1 ? -1 : rank - 1),
  },
};

export const geometryOf = (kind: ProductKind): Geometry => geometries[kind];

/** A product whose groups are known: all that the layout of its weights depends on. */
export interface ProductLayout {
  readonly kind: ProductKind;
  readonly group: number;
}

export const layoutKey = ({ kind, group }: ProductLayout): string => `${kind} ${group}`;

/** Weights of one shape as an array over the four axes. */
export interface WeightsLayout {
  readonly sizes: Readonly<Record<WeightsAxis, number>>;
  /** Elements from one index to the next. */
  readonly steps: Readonly<Record<WeightsAxis, number>>;
  /** The axes as they lie in memory. */
  readonly order: readonly WeightsAxis[];
}

export function weightsLayout({ kind, group }: ProductLayout, shape: readonly number[]): WeightsLayout {
  const order = geometries[kind].weights;
  const sizes = weightsSizes(kind, shape, group);
  const strides = stridesOf(order.map((axis) => sizes[axis]));
  const step = (axis: WeightsAxis): number => strides[order.indexOf(axis)];
  return {
    sizes,
    steps: { group: step('group'), filter: step('filter'), channel: step('channel'), tap: step('tap') },
    order,
  };
}

function weightsSizes(kind: ProductKind, shape: readonly number[], group: number): WeightsLayout['sizes'] {
  if (kind === 'matmul') {
    const [channel, filter] = shape.length === 1 ? [shape[0], 1] : shape.slice(-2);
    return { group: 1, filter, channel, tap: sizeOf(shape.slice(0, -2)) };
  }
  const [first, second, ...kernel] = shape;
  const tap = sizeOf(kernel);
  return kind === 'conv'
    ? { group, filter: first / group, channel: second, tap }
    : { group, filter: second, channel: first / group, tap };
}

/** Weights as they lie in memory: blocks of rows × length elements, each row of one source channel. */
export function rowsOf({ sizes, steps, order }: WeightsLayout): WeightsRows {
  const outer = order.slice(0, order.indexOf('channel'));
  return { blocks: sizeOf(outer.map((axis) => sizes[axis])), rows: sizes.channel, length: steps.channel };
}
interface WeightsRows {
  readonly blocks: number;
  readonly rows: number;
  readonly length: number;
}

/** Counts the repetitions of the filters along `filterAxis` over the channels of the result. */
export const filterRepeats = ({ kind, group }: ProductLayout): number => (kind === 'conv_transpose' ? group : 1);

/** Counts the filters of all groups, for weights of this shape. */
export function filterCount(of: ProductLayout, shape: readonly number[]): number {
  const { group, filter } = weightsSizes(of.kind, shape, of.group);
  return group * filter;
}

/**
 * The shape over the four axes with the filters of all groups, and size 1 elsewhere, from which values by filter
 * broadcast.
 */
const byFilter = ({ sizes, order }: WeightsLayout): readonly number[] =>
  order.map((axis) => (axis === 'group' || axis === 'filter' ? sizes[axis] : 1));

/** Calls `visit(start, end, filter)` for every run of elements of one filter, of all groups, in the order of the elements. */
export const forEachFilterRun = (
  { sizes, order, ...layout }: WeightsLayout,
  visit: (start: number, end: number, filter: number) => void,
): void =>
  forEachRun(
    order.map((axis) => sizes[axis]),
    byFilter({ sizes, order, ...layout }),
    -1,
    visit,
  );

/** Σ of(w) over the weights of each filter, of all groups. */
export function sumByFilter(
  data: ArrayLike<number>,
  of: ProductLayout,
  shape: readonly number[],
  term: (w: number) => number,
): Float64Array {
  const sums = new Float64Array(filterCount(of, shape));
  forEachFilterRun(weightsLayout(of, shape), (start, end, filter) => {
    let sum = 0;
    for (let i = start; i < end; i++) sum += term(data[i]);
    sums[filter] += sum;
  });
  return sums;
}

/** The shape of weights with one filter for each group, for weights of the given shape. */
export function oneFilterEach(of: ProductLayout, shape: readonly number[]): readonly number[] {
  const { sizes, order } = weightsLayout(of, shape);
  const [outer, inner] = order.slice(1).map((axis) => (axis === 'filter' ? 1 : sizes[axis]));
  return of.kind === 'matmul' ? [sizes.channel, 1] : [sizes.group * outer, inner, ...shape.slice(2)];
}

/** The source channels of all groups, which the weights tell. */
export function sourceChannels({ kind, group }: ProductLayout, w: Shape): Dim {
  if (kind === 'matmul') return w[Math.max(w.length - 2, 0)];
  return kind === 'conv' ? mulDims(w[1], group) : w[0];
}

/** The sizes of the axes that one sum runs over; of a transposed convolution over all groups. */
export function summedSizes(kind: ProductKind, w: Shape): Shape {
  if (kind === 'matmul') return w.length === 1 ? w : w.slice(-2, -1);
  return w.toSpliced(geometries[kind].filterAxis(w.length), 1);
}

/** The weights of a convolution, transposed or not, as [O, C/group, taps…]. */
export const filtersFirst = <D extends DType>(w: ITensor<D>, of: ProductLayout): ITensor<D> =>
  rearranged(w, of, geometries.conv.weights);

/** Rearranges such filters into the weights of the operator. */
export const asWeights = <D extends DType>(filters: ITensor<D>, { kind, group }: ProductLayout): ITensor<D> =>
  rearranged(filters, { kind: 'conv', group }, geometries[kind].weights);

/** Groups are the outermost axis of both, so that only filters and channels change places. */
function rearranged<D extends DType>(w: ITensor<D>, of: ProductLayout, to: readonly WeightsAxis[]): ITensor<D> {
  const { sizes, order } = weightsLayout(of, w.shape);
  if (order.every((axis, i) => axis === to[i])) return w;
  assert(of.kind !== 'matmul', 'a matrix is not a filter');
  const axes = { ...w, shape: order.map((axis) => sizes[axis]) };
  const perm = to.map((axis) => order.indexOf(axis));
  const [, outer, inner] = to;
  return { ...transposed(axes, perm), shape: [sizes.group * sizes[outer], sizes[inner], ...w.shape.slice(2)] };
}
