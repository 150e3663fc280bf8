/** Where the positions of a resized tensor lie in its source. */
import { roundHalfEven } from '../../numerics/index.ts';
import type { Shape } from '../types.ts';

type CoordinatesWay = 'half_pixel' | 'pytorch_half_pixel' | 'asymmetric' | 'align_corners';
export type NearestWay = 'round_prefer_floor' | 'round_prefer_ceil' | 'floor' | 'ceil';

const step = Math.fround;

/** The scales, 0 standing for the quotient of the sizes: known when these are. */
export const resizeScales = (from: readonly number[], to: Shape, scales: readonly number[]): readonly number[] =>
  scales.map((scale, axis) => (scale > 0 ? scale : (to[axis] as number) / from[axis]));

/** The position in the source that output position `i` shows; binary32, which decides halves. */
function coordinate(i: number, from: number, to: number, scale: number, how: CoordinatesWay): number {
  switch (how) {
    case 'asymmetric':
      return step(i / step(scale));
    case 'align_corners':
      return to === 1 ? 0 : step(step(i * (from - 1)) / (to - 1));
    case 'pytorch_half_pixel':
      return to === 1 ? 0 : step(step((i + 0.5) / step(scale)) - 0.5);
    case 'half_pixel':
      return step(step((i + 0.5) / step(scale)) - 0.5);
  }
}

function nearestTo(at: number, how: NearestWay): number {
  const down = Math.floor(at);
  if (how === 'floor') return down;
  if (how === 'ceil') return Math.ceil(at);
  if (at - down === 0.5) return how === 'round_prefer_floor' ? down : down + 1;
  return roundHalfEven(at);
}

/** For each axis the positions in the source; `scales` as in the operator. */
export function resizePositions(
  from: readonly number[],
  to: readonly number[],
  { scales, coordinates }: { readonly scales: readonly number[]; readonly coordinates: CoordinatesWay },
): readonly Float64Array[] {
  return resizeScales(from, to, scales).map((scale, axis) =>
    Float64Array.from({ length: to[axis] }, (_, i) =>
      scale === 1 ? i : coordinate(i, from[axis], to[axis], scale, coordinates),
    ),
  );
}

/** The element of an axis of `size` that is shown at a position. */
export const nearestPosition = (position: number, size: number, how: NearestWay): number =>
  Math.min(Math.max(nearestTo(position, how), 0), size - 1);

/** The axes in such an order that nothing in between is larger than both x and y. */
export const shrinkingFirst = (from: readonly number[], to: readonly number[]): readonly number[] =>
  [...from.keys()].sort((a, b) => to[a] * from[b] - to[b] * from[a]);
