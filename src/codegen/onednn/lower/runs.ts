/** A tensor seen as runs along some of its axes, in the memory that holds it or in a copy. */
import { type ITensor, sizeOf, stridesOf, type ValueId } from '../../../ir/index.ts';
import { axisOrder, type Lanes, type PlainLayout, plainStrides } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';

export interface Runs extends Lanes {
  readonly source: Buffer;
  /** The layout of what remains of the tensor. */
  readonly layout: PlainLayout;
}

const isAscending = (axes: readonly number[]): boolean => axes.every((axis, i) => i === 0 || axes[i - 1] < axis);

/**
 * The lanes along `axes` in a layout; undefined where these axes do not lie side by side and in order. The other axes have to be in order
 * too, unless the result keeps all axes, and so the layout.
 */
function lanesIn(
  layout: PlainLayout,
  shape: readonly number[],
  axes: readonly number[],
  keeps: boolean,
): Lanes | undefined {
  const order = axisOrder(layout, shape.length).filter((axis) => shape[axis] !== 1);
  const reduced = order.filter((axis) => axes.includes(axis));
  const others = order.filter((axis) => !axes.includes(axis));
  const first = reduced.length === 0 ? order.length : order.indexOf(reduced[0]);
  const isTogether = reduced.every((axis, i) => order[first + i] === axis);
  if (!isTogether || !isAscending(reduced) || !(keeps || isAscending(others))) return undefined;
  const size = (list: readonly number[]) => sizeOf(list.map((axis) => shape[axis]));
  return {
    outer: size(order.slice(0, first)),
    length: size(reduced),
    inner: size(order.slice(first + reduced.length)),
  };
}

/** The runs of a value along `axes` (in [0, rank)); `keeps`: the result has axes of size 1 in their place. */
export function runsOf(r: Recorder, x: ValueId, axes: readonly number[], keeps: boolean): Runs {
  const shape = r.shape(x);
  for (const layout of [r.preferredLayout(x), 'row-major'] as const) {
    const lanes = lanesIn(layout, shape, axes, keeps);
    if (lanes) return { ...lanes, layout, source: r.use(x, layout) };
  }
  const others = [...shape.keys()].filter((axis) => !axes.includes(axis));
  const order = [...others, ...axes];
  const sizes = order.map((axis) => shape[axis]);
  const strides = plainStrides('row-major', shape);
  const source = r.scratch(r.bytesOf(x));
  r.kernel(
    {
      name: 'copy',
      elementBytes: r.bytesOf(x) / sizeOf(shape),
      shape: sizes,
      sourceStrides: order.map((axis) => strides[axis]),
      destinationStrides: stridesOf(sizes),
      sourceOffset: 0,
      destinationOffset: 0,
    },
    { source: r.use(x, 'row-major'), destination: source },
  );
  const outer = sizeOf(others.map((axis) => shape[axis]));
  return { outer, length: sizeOf(axes.map((axis) => shape[axis])), inner: 1, layout: 'row-major', source };
}

/** A list that the lowering itself made, in binary64. */
export const doubles = (values: readonly number[]): ITensor => ({
  dtype: 'f64',
  shape: [values.length],
  data: Float64Array.from(values),
});
