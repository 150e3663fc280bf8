/**
 * Positions and weights of RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR in TensorFlow Lite, axis by axis (internal/reference, resize
 * bilinear and nearest neighbor; XNNPACK's src/indirection.c). Position i of `to` shows, of `from` positions with the scale s:
 *
 *   corners aligned   i·s, s = (from − 1)/(to − 1)         half pixels   (i + ½)·s − ½, s = from/to         else   i·s
 *
 *   integers   s and positions with 10 bits behind the point:   y = rha(Σ w·x / 2^20)
 *   xnnpack    positions in binary32, weights of 11 bits:        y = ⌊Σ w·x / 2^22 + ½⌋
 *   floats     everything in binary32 (bytes without a sign):    y = ⌊Σ + ½⌋
 */
import type { DType } from '../tensors/index.ts';
import { roundHalfAway, roundHalfEven } from './rounding.ts';

export type ResizeCoordinates = 'asymmetric' | 'half_pixel' | 'align_corners';
export type ResizeRecipe = 'xnnpack' | 'tflite';

export interface ResizeConvention {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/** The two neighbours of every position, and the weight of the second one in units of 1/`unit`; the first one has the rest. */
export interface ResizeAxis {
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly weight: readonly number[];
  readonly unit: number;
}

const fl = Math.fround;

const scaleOf = ({ alignCorners }: ResizeConvention, from: number, to: number): number =>
  alignCorners && to > 1 ? fl((from - 1) / (to - 1)) : fl(from / to);

const eachOf = (
  to: number,
  at: (i: number) => readonly [low: number, high: number, weight: number],
  unit: number,
): ResizeAxis => {
  const all = Array.from({ length: to }, (_, i) => at(i));
  return {
    low: all.map(([low]) => low),
    high: all.map(([, high]) => high),
    weight: all.map(([, , weight]) => weight),
    unit,
  };
};

/** Reference kernels on signed integers. */
export function integerResizeAxis(how: ResizeConvention, from: number, to: number): ResizeAxis {
  const unit = 1024;
  const isAligned = how.alignCorners && to > 1;
  const scale = isAligned
    ? Math.floor((unit * (from - 1) + Math.floor((to - 1) / 2)) / (to - 1))
    : Math.floor((unit * from + Math.floor(to / 2)) / to);
  const start = how.halfPixelCenters ? Math.floor(scale / 2) - unit / 2 : 0;
  return eachOf(
    to,
    (i) => {
      const position = i * scale + start;
      const low = Math.max(Math.trunc(position / unit), 0);
      return [
        Math.min(low, from - 1),
        Math.min(Math.trunc((position + unit - 1) / unit), from - 1),
        position - unit * low,
      ];
    },
    unit,
  );
}

export function xnnpackResizeAxis(how: ResizeConvention, from: number, to: number): ResizeAxis {
  const unit = 2048;
  const scale = scaleOf(how, from, to);
  return eachOf(
    to,
    (i) => {
      const given = how.halfPixelCenters ? fl(fl(i * scale) + fl(fl(0.5 * scale) - 0.5)) : fl(i * scale);
      const position = Math.min(Math.max(given, 0), from - 1);
      const low = Math.floor(position);
      return [low, Math.min(low + 1, from - 1), roundHalfEven(fl(fl(position - low) * unit))];
    },
    unit,
  );
}

export function floatResizeAxis(how: ResizeConvention, from: number, to: number): ResizeAxis {
  const scale = scaleOf(how, from, to);
  return eachOf(
    to,
    (i) => {
      const position = how.halfPixelCenters ? fl(fl(fl(i + 0.5) * scale) - 0.5) : fl(i * scale);
      const low = Math.max(Math.floor(position), 0);
      return [Math.min(low, from - 1), Math.min(Math.ceil(position), from - 1), fl(position - low)];
    },
    1,
  );
}

/** The arithmetic of bytes: in integers with a rounding of the quotient by unit², or in binary32, cut after a half is added. */
export interface ByteResize {
  readonly rows: ResizeAxis;
  readonly columns: ResizeAxis;
  readonly rounding: 'half-up' | 'half-away' | 'in-f32';
  /** From the four neighbours, and the weights of the lower ones and of the right ones. */
  readonly finish: (top: number, bottom: number, topRight: number, bottomRight: number, v: number, h: number) => number;
}

/** The arithmetic of a recipe; sizes are those of the two axes, before and after. */
export function byteResize(
  recipe: ResizeRecipe,
  dtype: DType,
  coordinates: ResizeCoordinates,
  from: readonly number[],
  to: readonly number[],
): ByteResize {
  const how = { alignCorners: coordinates === 'align_corners', halfPixelCenters: coordinates === 'half_pixel' };
  const isFloat = recipe === 'tflite' && dtype === 'u8';
  const axisFor = isFloat ? floatResizeAxis : recipe === 'tflite' ? integerResizeAxis : xnnpackResizeAxis;
  const [rows, columns] = from.map((size, i) => axisFor(how, size, to[i]));
  if (isFloat) return { rows, columns, rounding: 'in-f32', finish: inFloats };
  const rounding = recipe === 'tflite' ? 'half-away' : 'half-up';
  const round = rounding === 'half-away' ? roundHalfAway : (x: number) => Math.floor(x + 0.5);
  const { unit } = rows;
  const finish: ByteResize['finish'] = (a, b, c, d, v, h) =>
    round(((unit - h) * ((unit - v) * a + v * b) + h * ((unit - v) * c + v * d)) / unit ** 2);
  return { rows, columns, rounding, finish };
}

/** Four products in binary32, by rows first; the sum in the order of the operands. */
function inFloats(a: number, b: number, c: number, d: number, v: number, h: number): number {
  const [top, left] = [fl(1 - v), fl(1 - h)];
  const product = (x: number, row: number, column: number) => fl(fl(x * row) * column);
  const sum = fl(fl(fl(product(a, top, left) + product(b, v, left)) + product(c, top, h)) + product(d, v, h));
  return Math.trunc(fl(sum + 0.5));
}

/** The nearest element of every position: by the reference kernel, which LiteRT's optimized kernels follow but for one way. */
export function nearestPositions(how: ResizeConvention, from: number, to: number): readonly number[] {
  const scale = scaleOf(how, from, to);
  return Array.from({ length: to }, (_, i) => {
    const position = fl((how.halfPixelCenters ? i + 0.5 : i) * scale);
    const nearest = how.alignCorners ? roundHalfAway(position) : Math.floor(position);
    return Math.max(0, Math.min(nearest, from - 1));
  });
}

/** The optimized kernel of bytes, where neither corners nor halves count: i·s/2^16, s = ⌊2^16·from/to⌋ + 1, cut. */
export function optimizedNearestPositions(from: number, to: number): readonly number[] {
  const scale = Math.floor((2 ** 16 * from) / to) + 1;
  return Array.from({ length: to }, (_, i) => Math.min(Math.floor((i * scale) / 2 ** 16), from - 1));
}
