/** The bound of partial sums, against the sums themselves. */
import { expect, it } from 'vitest';
import { dtypes, tensor } from '../../../src/ir/index.ts';
import { accumulatorBound } from '../../../src/passes/corrections/bounds.ts';

const bound = (dtype: 'u8' | 's8', zero: number | undefined, filters: readonly number[][]): number =>
  accumulatorBound(tensor('s8', filters.flat(), [filters.length, filters[0].length]), {
    x: { id: 'x', type: { dtype, shape: [1, filters[0].length, 1, 1] } },
    zx: zero === undefined ? undefined : { id: 'z', type: { dtype, shape: [] } },
    layout: { kind: 'conv', group: 1 },
    constant: (value: unknown) => (value === undefined ? undefined : tensor(dtype, [zero ?? 0], [])),
  } as unknown as Parameters<typeof accumulatorBound>[1]);

/** The largest of all sums of products in any order: all that go up first, or all that go down. */
function largest(dtype: 'u8' | 's8', zero: number, filters: readonly number[][]): number {
  const { min, max } = dtypes[dtype];
  const sums = filters.flatMap((weights) => {
    const ends = weights.map((w) => [w * (min - zero), w * (max - zero)]);
    return [Math.max, Math.min].map((end) => Math.abs(ends.reduce((sum, pair) => sum + end(...pair), 0)));
  });
  return Math.max(...sums);
}

it.each([
  ['u8', 0],
  ['u8', 3],
  ['u8', 128],
  ['u8', 200],
  ['u8', 255],
  ['s8', 0],
  ['s8', -128],
  ['s8', 127],
  ['s8', 90],
] as const)('%s less %i: no sum is beyond, and one of one sign comes up to it', (dtype, zero) => {
  for (const weights of [
    [[5, 7, 9]],
    [[-5, -7, -9]],
    [[127, -128, 3]],
    [
      [1, 2],
      [-90, 40],
    ],
  ]) {
    const most = bound(dtype, zero, weights);
    expect(most).toBeGreaterThanOrEqual(largest(dtype, zero, weights));
    const isOfOneSign = weights.length === 1 && weights[0].every((w) => w > 0 === weights[0][0] > 0);
    if (isOfOneSign) expect(most).toBe(largest(dtype, zero, weights));
  }
});

it('without a zero point it equals the bound for 0', () => {
  expect(bound('s8', undefined, [[1, -2]])).toBe(128 * 3);
});
