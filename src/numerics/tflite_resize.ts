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
import { roundHalfAway, roundHalfEven } from './rounding.ts';

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
