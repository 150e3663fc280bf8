import type { AttrType } from '../define_op.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import { sameDim } from './broadcast.ts';

const fl = Math.fround;
const f32 = tensorOf('f32');
const padding = attr.oneOfOr('zeros', 'zeros', 'border', 'reflection');

/** Coordinates farther away, and those that are no numbers, count as this far below 0. */
const FAR = 2 ** 24;
const near = (at: number): number => (Math.abs(at) <= FAR ? at : -FAR);

/** The position of a coordinate along an axis: −1 and 1 are the first and the last element, or their outer edges. */
function positionOf(coordinate: number, size: number, alignsCorners: boolean): number {
  const at = alignsCorners
    ? fl(fl(fl(coordinate + 1) / 2) * (size - 1))
    : fl(fl(fl(fl(coordinate + 1) * size) - 1) / 2);
  return near(at);
}

/** A position that is mirrored at the ends until it lies between them. */
function mirrored(at: number, size: number, alignsCorners: boolean): number {
  const [low, high] = alignsCorners ? [0, size - 1] : [-0.5, size - 0.5];
  const range = high - low;
  if (range === 0) return 0;
  if (at >= low && at <= high) return at;
  const beyond = at < low ? fl(low - at) : fl(at - high);
  const times = Math.floor(fl(beyond / range));
  const rest = fl(beyond - fl(times * range));
  const isFromLow = times % 2 === 0 ? at < low : at > high;
  return isFromLow ? fl(low + rest) : fl(high - rest);
}

type Padding = AttrType<typeof padding>;
interface Sampling {
  readonly mode: 'linear' | 'nearest';
  readonly padding: Padding;
  readonly alignsCorners: boolean;
}

/** The two elements around a point of an axis, −1 where there is none, and their weights; the nearest one weighs 1. */
function tapsOf(coordinate: number, size: number, { mode, padding, alignsCorners }: Sampling) {
  let at = positionOf(coordinate, size, alignsCorners);
  if (padding === 'border') at = Math.min(Math.max(at, 0), size - 1);
  if (padding === 'reflection') at = mirrored(at, size, alignsCorners);
  const inside = (i: number): number => {
    if (i >= 0 && i < size) return i;
    return padding === 'zeros' ? -1 : Math.min(Math.max(i, 0), size - 1);
  };
  const low = Math.floor(at);
  if (mode === 'linear') return [inside(low), inside(low + 1), fl(low + 1 - at), fl(at - low)] as const;
  const isUpper = at - low > 0.5 || (at - low === 0.5 && low % 2 !== 0);
  return [inside(isUpper ? low + 1 : low), -1, 1, 0] as const;
}

/** ONNX GridSample of images: https://onnx.ai/onnx/operators/onnx__GridSample.html */
export const nnGridSample = defineOp({
  name: 'nn.grid_sample',
  doc: 'y[n,c,p] = x[n,c] at the point (column, row) = grid[n,p], −1 and 1 being the outer edges of the image or, with alignsCorners, its first and last elements: the nearest element (ties to even), or the four around it, first along rows and then along columns, each weighted by the distance of the other. Beyond the image lie zeros, its border, or its reflection. In binary32, each step rounded. x: [N,C,H,W], grid: [N,…,2] of rank 4.',
  operands: { x: f32, grid: f32 },
  attrs: { mode: attr.oneOfOr('linear', 'linear', 'nearest'), padding, alignsCorners: attr.bool(false) },
  results: { y: ['f32'] },
  infer({ x, grid }, _attrs, refuse) {
    if (x.shape.length !== 4 || grid.shape.length !== 4 || (typeof grid.shape[3] === 'number' && grid.shape[3] !== 2))
      refuse('x should be [N,C,H,W] and the grid [N,H,W,2]', 'grid');
    if (x.shape[2] === 0 || x.shape[3] === 0) refuse.limit('an image without elements', 'x');
    const batch = sameDim(x.shape[0], grid.shape[0], () => refuse('x and the grid have different batches', 'grid'));
    return { dtype: 'f32', shape: [batch, x.shape[1], grid.shape[1], grid.shape[2]] };
  },
  evaluate({ x, grid }, attrs, [{ shape }]) {
    const [batch, channels, rows, columns] = shape;
    const [, , height, width] = x.shape;
    const positions = rows * columns;
    const [source, points] = [x.data as Float32Array, grid.data as Float32Array];
    const data = new Float32Array(batch * channels * positions);
    for (let i = 0; i < batch * positions; i++) {
      const [left, right, weightOfLeft, weightOfRight] = tapsOf(points[2 * i], width, attrs);
      const [top, bottom, weightOfTop, weightOfBottom] = tapsOf(points[2 * i + 1], height, attrs);
      const n = Math.floor(i / positions);
      for (let c = 0; c < channels; c++) {
        const image = (n * channels + c) * height * width;
        const at = (row: number, column: number) => (row < 0 || column < 0 ? 0 : source[image + row * width + column]);
        const line = (row: number) => fl(fl(weightOfLeft * at(row, left)) + fl(weightOfRight * at(row, right)));
        const to = (n * channels + c) * positions + (i % positions);
        data[to] =
          attrs.mode === 'nearest' ? at(top, left) : fl(weightOfTop * line(top)) + fl(weightOfBottom * line(bottom));
      }
    }
    return { dtype: 'f32', shape, data };
  },
});
