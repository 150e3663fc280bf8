import { expect, it } from 'vitest';
import { tensor } from '../../../src/ir/index.ts';
import { requantizeModes } from '../../../src/numerics/index.ts';
import { bounds, compareRecipes, type Recipe } from '../../../src/proofs/rounding.ts';

const reach = { low: Float64Array.of(0, -(10 ** 6)), high: Float64Array.of(10, 10 ** 6), axis: 1 };

it('a channel reaches the sums of its own axis, and all channels the sums along any other', () => {
  expect(bounds(reach, 0, 1)).toEqual([0, 10]);
  expect(bounds(reach, 0, 0)).toEqual([-(10 ** 6), 10 ** 6]);
  expect(bounds(reach, 0, undefined)).toEqual([-(10 ** 6), 10 ** 6]);
  expect(bounds({ ...reach, high: Float64Array.of(2 ** 31, 5) }, 0, 1)).toEqual([-(2 ** 31), 2 ** 31 - 1]);
});

it('multipliers that differ beyond the reach of a channel are the same, multipliers along another axis are not', () => {
  const recipe = (factors: readonly number[], axis: number): Recipe => ({
    mode: requantizeModes.ort,
    multiplier: tensor('f32', factors, [factors.length]),
    axis,
    zeroPoint: 0,
    low: 0,
    high: 255,
    rises: true,
  });
  // up to 10, 0.12 and 0.1201 round alike
  expect(compareRecipes(recipe([0.12, 0.5], 1), recipe([0.1201, 0.5], 1), reach)).toEqual({ compared: 1 });
  const { differs } = compareRecipes(recipe([0.12, 0.5], 0), recipe([0.1201, 0.5], 0), reach);
  expect(differs?.channel).toBe(0);
  expect(compareRecipes(recipe([0.12], 1), recipe([0.1201], 1), reach).differs?.channel).toBe(0);
});
