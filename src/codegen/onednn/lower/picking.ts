/** Operators that pick elements along axes, or positions of them. */
import {
  byteLengthOf,
  dtypes,
  type Graph,
  type ITensor,
  isByteType,
  isOp,
  isStatic,
  type nnArgMax,
  type nnArgMin,
  nnCast,
  nnClip,
  type nnGather,
  type nnGatherNd,
  nnReshape,
  nnSlice,
  type nnTopK,
  producersOf,
  qnnRescale,
  sizeOf,
  sliceView,
  typeOf,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import { rowTypes } from '../kernels/row_kernel.ts';
import { inMemoryOrder, lanesOf, normalized, type PlainLayout, plainStrides } from '../layout.ts';
import type { Recorder } from '../recorder.ts';
import type { Lowering } from './lowering.ts';

const fromStart = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** A copy of a view, in the layout of the tensor. */
export const slice: Lowering<typeof nnSlice> = {
  refuses: ({ attrs: { starts, ends } }) =>
    isStatic(starts) && isStatic(ends) ? undefined : 'its positions depend on sizes that are not known',
  lower({ x, y, attrs }, r) {
    const layout = r.preferredLayout(x);
    const shape = r.shape(y);
    const isLast = layout === normalized('channels-last', r.shape(x));
    const { destination, slice: home } = isLast ? r.defineSlice(y) : { destination: r.define(y, layout) };
    const destinationStrides = home
      ? plainStrides('channels-last', shape.with(1, home.stride))
      : plainStrides(layout, shape);
    const { offset, strides } = sliceView(r.shape(x), plainStrides(layout, r.shape(x)), attrs);
    r.kernel(
      {
        name: 'copy',
        elementBytes: byteLengthOf(r.dtype(x), 1),
        shape: inMemoryOrder(layout, shape),
        sourceStrides: inMemoryOrder(layout, strides),
        destinationStrides: inMemoryOrder(layout, destinationStrides),
        sourceOffset: shape.includes(0) ? 0 : offset,
        destinationOffset: home?.offset ?? 0,
      },
      { source: r.use(x, layout), destination },
    );
  },
};

const numbersOf = ({ data }: ITensor): number[] => Array.from<number | bigint, number>(data, Number);

/** Positions are part of the command, so there is an end to them. */
const MOST_POSITIONS = 2 ** 16;

/** Why positions that are known cannot be gathered. */
function refusesPositions(positions: readonly number[], size: number): string | undefined {
  if (positions.length > MOST_POSITIONS) return `more than ${MOST_POSITIONS} positions`;
  const isInside = positions.every((at) => at >= -size && at < size);
  return isInside ? undefined : 'a position lies outside of the axis, or its size is not known';
}

/** The integers that a value may hold, where the operator that makes it says so. */
function limitsOf(graph: Graph, id: ValueId): readonly [least: number, most: number] | undefined {
  const node = producersOf(graph).get(id);
  if (node === undefined) return undefined;
  if (isOp(node, nnClip)) return [Math.min(Number(node.attrs.min), Number(node.attrs.max)), Number(node.attrs.max)];
  if (isOp(node, qnnRescale)) return [Number(node.attrs.low), Number(node.attrs.high)];
  const [source] = node.operands;
  if (source === null) return undefined;
  const { dtype } = typeOf(graph, source);
  if (isOp(node, nnCast))
    return dtype === 's16' || isByteType(dtype) ? [dtypes[dtype].min, dtypes[dtype].max] : undefined;
  return isOp(node, nnSlice) || isOp(node, nnReshape) ? limitsOf(graph, source) : undefined;
}

/** True for a list that is looked up by computed positions, none of them outside of it. */
function isLookup({ x, indices }: View<typeof nnGather>, graph: Graph): boolean {
  const { shape } = typeOf(graph, x);
  if (shape.length !== 1 || typeOf(graph, indices).dtype !== 's32') return false;
  const size = Number(shape[0]);
  const [least, most] = limitsOf(graph, indices) ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return least >= -size && most < size;
}

function lookUp({ x, indices, y }: View<typeof nnGather>, r: Recorder): void {
  const layout = r.preferredLayout(indices);
  r.kernel(
    {
      name: 'lookup',
      elementBytes: byteLengthOf(r.dtype(x), 1),
      size: r.shape(x)[0],
      count: sizeOf(r.shape(indices)),
    },
    { source: r.use(indices, layout), table: r.use(x, 'row-major'), destination: r.define(y, layout) },
  );
}

/** True for positions that may be part of the command. */
function isShortList(r: Pick<Recorder, 'constant'>, indices: ValueId, size: number): boolean {
  const constant = r.constant(indices);
  return constant !== undefined && refusesPositions(numbersOf(constant), size) === undefined;
}

/** `axis` of x at positions that only the run knows, or that are many. */
function gatherAt({ x, indices, y }: View<typeof nnGather>, r: Recorder, axis: number): void {
  const { outer, length, inner } = lanesOf('row-major', r.shape(x), axis);
  recordGatherAt(r, { x, indices, y }, { outer, sizes: [length], part: inner, byOuter: false });
}

/** The source is seen as [outer, sizes…, part]: a row of positions has one position for each axis of `sizes`. */
interface Parts {
  readonly outer: number;
  readonly sizes: readonly number[];
  readonly part: number;
  readonly byOuter: boolean;
}

function recordGatherAt(r: Recorder, { x, indices, y }: Gathered, { outer, sizes, part, byOuter }: Parts): void {
  r.kernel(
    {
      name: 'gather-at',
      elementBytes: byteLengthOf(r.dtype(x), 1),
      ...{ outer, sizes, part, byOuter },
      count: sizeOf(r.shape(indices)) / sizes.length / (byOuter ? outer : 1),
      positions: r.dtypeOf(indices, 's32', 's64'),
    },
    {
      source: r.use(x, 'row-major'),
      positions: r.use(indices, 'row-major'),
      destination: r.define(y, 'row-major'),
    },
  );
}
type Gathered = Pick<View<typeof nnGather>, 'x' | 'indices' | 'y'>;

/** Rows of positions for each element of the batch. */
export const gatherNd: Lowering<typeof nnGatherNd> = {
  lower({ x, indices, y, attrs: { batchDims } }, r) {
    const shape = r.shape(x);
    const named = r.shape(indices)[r.shape(indices).length - 1];
    recordGatherAt(
      r,
      { x, indices, y },
      {
        outer: sizeOf(shape.slice(0, batchDims)),
        sizes: shape.slice(batchDims, batchDims + named),
        part: sizeOf(shape.slice(batchDims + named)),
        byOuter: true,
      },
    );
  },
};

export const gather: Lowering<typeof nnGather> = {
  lower(view, r) {
    const { x, indices, y, attrs } = view;
    const shape = r.shape(x);
    const axis = fromStart(attrs.axis, shape.length);
    if (!isShortList(r, indices, shape[axis])) {
      if (isLookup(view, r.graph)) lookUp(view, r);
      else gatherAt(view, r, axis);
      return;
    }
    const layout = r.shape(indices).length === 1 ? r.preferredLayout(x) : 'row-major';
    const { outer, length: size, inner } = lanesOf(layout, shape, axis);
    const positions = numbersOf(r.constantOf(indices, 's32', 's64')).map((at) => fromStart(at, size));
    r.kernel(
      { name: 'gather', elementBytes: byteLengthOf(r.dtype(x), 1), outer, size, inner, positions },
      { source: r.use(x, layout), destination: r.define(y, layout) },
    );
  },
};

/** Positions without their axis lie in the order of the others, which channels last is one of when it is the channels that go. */
function layoutOfLanes(r: Recorder, x: ValueId, axis: number, keepdims: boolean): PlainLayout {
  const layout = r.preferredLayout(x);
  return keepdims || axis === 1 ? layout : 'row-major';
}

export const argument = (largest: boolean): Lowering<typeof nnArgMax | typeof nnArgMin> => ({
  refuses({ x }, graph) {
    const dtype = graph.dtype(x);
    return rowTypes.some((type) => type === dtype) ? undefined : `positions among ${dtype}`;
  },
  lower({ x, y, attrs: { axis, keepdims, selectLast } }, r) {
    const shape = r.shape(x);
    const at = fromStart(axis, shape.length);
    const layout = layoutOfLanes(r, x, at, keepdims);
    r.kernel(
      { name: 'arg-max', type: r.dtypeOf(x, ...rowTypes), ...lanesOf(layout, shape, at), largest, last: selectLast },
      { source: r.use(x, layout), destination: r.define(y, keepdims ? layout : 'row-major') },
    );
  },
});

/** An axis of more elements is left to the interpreter: the kernel counts positions in 32 bits. */
export const topK: Lowering<typeof nnTopK> = {
  lower({ x, y, positions, attrs: { k, axis, largest } }, r) {
    const shape = r.shape(x);
    const lanes = lanesOf('row-major', shape, fromStart(axis, shape.length));
    r.kernel(
      { name: 'top-k', type: r.dtypeOf(x, ...rowTypes), ...lanes, count: Number(k[0]), largest },
      {
        source: r.use(x, 'row-major'),
        destination: r.define(y, 'row-major'),
        positions: r.define(positions, 'row-major'),
      },
    );
  },
};
