/** FAKE_QUANT against answers of ai-edge-litert 2.3.0, and by its laws. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { tfliteProfiles } from '../../src/importers/tflite/profiles.ts';
import { numbersOf, tensor } from '../../src/tensors/index.ts';
import { answerOf } from './layout_law.ts';

const of = (min: number, max: number, bits: number, values: readonly number[]) => ({
  name: 'FAKE_QUANT',
  operands: [{ value: tensor('f32', [...values], [1, values.length]) }],
  results: [{ dtype: 'f32' as const, shape: [1, values.length] }],
  options: {
    number: 58,
    fields: [
      [0, min, 'float32'],
      [1, max, 'float32'],
      [2, bits],
    ] as const,
  },
});

it.each([
  {
    range: [-6.2272233963012695, 4.515376091003418, 8],
    x: [-3.489243745803833, 7.577535152435303, 1.0397138595581055, 1000000000, -1000000000],
    y: [-3.4966108798980713, 4.507678985595703, 1.0531959533691406, 4.507678985595703, -6.234920501708984],
  },
  {
    range: [0, 5.451683044433594, 16],
    x: [-0.5522468686103821, 4.964365482330322, 4.208315372467041, 0.2972761392593384, 1000000000],
    y: [0, 4.964371204376221, 4.208281517028809, 0.29731157422065735, 5.451683044433594],
  },
] as const)('gives what LiteRT gave, from $range.0 to $range.1', ({ range: [min, max, bits], x, y }) => {
  for (const profile of tfliteProfiles)
    expect(numbersOf(answerOf(of(min, max, bits, x), 'last', profile).results[0])).toEqual([...y]);
});

it('keeps 0, and moves a number inside of the range by half of a step at most', () => {
  const ends = fc.tuple(fc.float({ min: -8, max: 0, noNaN: true }), fc.float({ min: 0.125, max: 8, noNaN: true }));
  fc.assert(
    fc.property(
      ends,
      fc.constantFrom(4, 8, 16),
      fc.array(fc.integer({ min: 0, max: 1000 })),
      ([min, max], bits, at) => {
        const step = (max - min) / (2 ** bits - 1);
        // the range is moved by up to half of a step, so that it has 0
        const inside = at.map((i) => Math.fround(min + step / 2 + ((max - min - step) * i) / 1000));
        const [zero, ...rest] = numbersOf(answerOf(of(min, max, bits, [0, ...inside]), 'last').results[0]);
        expect(zero).toBeCloseTo(0, 12);
        for (const [i, y] of rest.entries())
          expect(Math.abs(y - inside[i])).toBeLessThanOrEqual(step * 0.5 + 8 * 2 ** -20);
      },
    ),
  );
});
