/** Positions of TensorFlow Lite's resizing against the real ones. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  floatResizeAxis,
  integerResizeAxis,
  nearestPositions,
  optimizedNearestPositions,
  type ResizeConvention,
  xnnpackResizeAxis,
} from '../../../src/numerics/index.ts';

const conventions: readonly ResizeConvention[] = [
  { alignCorners: false, halfPixelCenters: false },
  { alignCorners: true, halfPixelCenters: false },
  { alignCorners: false, halfPixelCenters: true },
];
const sizes = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 90 }));

const real = ({ alignCorners, halfPixelCenters }: ResizeConvention, i: number, from: number, to: number): number => {
  const scale = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  return halfPixelCenters ? (i + 0.5) * scale - 0.5 : i * scale;
};

it.each([
  ['the reference kernels', integerResizeAxis, 0.1],
  ['XNNPACK', xnnpackResizeAxis, 0.001],
  ['kernels in binary32', floatResizeAxis, 0.001],
] as const)('%s: neighbours and weights show the real position inside the input', (_, axisOf, slack) => {
  fc.assert(
    fc.property(fc.constantFrom(...conventions), sizes, (how, [from, to]) => {
      const { low, high, weight, unit } = axisOf(how, from, to);
      expect(low).toHaveLength(to);
      for (let i = 0; i < to; i++) {
        expect(low[i] >= 0 && high[i] >= low[i] && high[i] <= from - 1 && high[i] <= low[i] + 1).toBe(true);
        const shown = low[i] + (high[i] - low[i]) * (weight[i] / unit);
        const inside = Math.min(Math.max(real(how, i, from, to), 0), from - 1);
        expect(Math.abs(shown - inside)).toBeLessThan(slack);
      }
    }),
  );
});

it('the nearest element is at most one position from the real one', () => {
  fc.assert(
    fc.property(fc.constantFrom(...conventions), sizes, (how, [from, to]) => {
      nearestPositions(how, from, to).forEach((place, i) => {
        expect(Number.isInteger(place) && place >= 0 && place < from).toBe(true);
        expect(Math.abs(place - real(how, i, from, to))).toBeLessThanOrEqual(1);
      });
    }),
  );
});

/** Recorded from ai-edge-litert 2.3.0: where a product of binary32 falls below a whole position, the optimized kernel does not. */
it.each([
  [2, 110, 55],
  [4, 332, 83],
  [3, 291, 97],
  [2, 188, 94],
])('from %i to %i the two kernels differ at %i', (from, to, at) => {
  const reference = nearestPositions({ alignCorners: false, halfPixelCenters: false }, from, to);
  const optimized = optimizedNearestPositions(from, to);
  expect(optimized.findIndex((place, i) => place !== reference[i])).toBe(at);
  expect([optimized[at], reference[at]]).toEqual([reference[at] + 1, (at * from) / to - 1]);
});
