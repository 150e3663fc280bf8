/** Operators that read the positions of one axis after another: padding, enlarging by nearest elements. */
import {
  byteLengthOf,
  nearestPosition,
  type nnPad,
  type nnResize,
  paddedPosition,
  resizePositions,
  sizeOf,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import { lanesOf, type PlainLayout } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';

/** For each axis the positions that the result shows; undefined: all, in order. */
type PositionsOfAxes = readonly (readonly number[] | undefined)[];

/** Why the positions cannot be part of commands. */
export const refusesLength = (shape: readonly unknown[]): string | undefined =>
  shape.some((size) => Number(size) > MOST_POSITIONS) ? `more than ${MOST_POSITIONS} positions` : undefined;

const MOST_POSITIONS = 2 ** 16;

/** Axes become shorter first, so that little is moved. */
function recordPositions(r: Recorder, x: ValueId, y: ValueId, positions: PositionsOfAxes): void {
  const layout = r.preferredLayout(x);
  const elementBytes = byteLengthOf(r.dtype(x), 1);
  let shape = r.shape(x);
  const growth = (axis: number) => (positions[axis]?.length ?? 0) / shape[axis];
  const axes = positions.flatMap((list, axis) => (list ? [axis] : [])).sort((a, b) => growth(a) - growth(b));
  let source = r.use(x, layout);
  if (axes.length === 0) {
    r.alias(y, x, layout, layout);
    return;
  }
  axes.forEach((axis, i) => {
    const list = positions[axis] ?? [];
    const next = shape.with(axis, list.length);
    const isLast = i === axes.length - 1;
    const destination = isLast ? r.define(y, layout) : r.scratch(elementBytes * sizeOf(next));
    recordGather(r, layout, shape, axis, list, elementBytes, source, destination);
    [source, shape] = [destination, next];
  });
}

function recordGather(
  r: Recorder,
  layout: PlainLayout,
  shape: readonly number[],
  axis: number,
  positions: readonly number[],
  elementBytes: number,
  source: Buffer,
  destination: Buffer,
): void {
  const { outer, length: size, inner } = lanesOf(layout, shape, axis);
  r.kernel({ name: 'gather', elementBytes, outer, size, inner, positions }, { source, destination });
}

/** Crops are positions as well. */
export function padByPosition({ x, y, attrs: { pads, mode } }: View<typeof nnPad>, r: Recorder): void {
  const rank = r.shape(x).length;
  const positions = r.shape(y).map((length, axis) => {
    const [begin, end] = [Number(pads[axis]), Number(pads[axis + rank])];
    if (begin === 0 && end === 0) return undefined;
    const crop = Math.min(begin, 0);
    const kept = r.shape(x)[axis] + crop + Math.min(end, 0);
    return Array.from({ length }, (_, i) => {
      const at = i - Math.max(begin, 0);
      return (mode === 'constant' ? at : paddedPosition(at, kept, mode)) - crop;
    });
  });
  recordPositions(r, x, y, positions);
}

export function nearestResize({ x, y, attrs }: View<typeof nnResize>, r: Recorder): void {
  const [from, to] = [r.shape(x), r.shape(y)];
  const positions = resizePositions(from, to, attrs).map((list, axis) => {
    const at = Array.from(list, (position) => nearestPosition(position, from[axis], attrs.nearest));
    return at.length === from[axis] && at.every((position, i) => position === i) ? undefined : at;
  });
  recordPositions(r, x, y, positions);
}
