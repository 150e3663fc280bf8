/** Lanes in which vpmaddubsw does not saturate, and that they are the same product. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { halvedLanes, inLanes, type Lanes, pairedLanes } from '../../../src/codegen/onednn/saturation_lanes.ts';
import {
  anyPairs,
  type FilterView,
  filterView,
  neighbouringPairs,
  pairsFit,
  stepsOf,
} from '../../../src/codegen/onednn/saturation_pairs.ts';
import { tensor } from '../../../src/ir/index.ts';

const view: fc.Arbitrary<FilterView> = fc
  .record({
    groups: fc.constantFrom(1, 1, 2, 3),
    each: fc.integer({ min: 1, max: 5 }),
    channels: fc.integer({ min: 1, max: 12 }),
    taps: fc.constantFrom(1, 1, 2, 9),
    columns: fc.boolean(),
    spread: fc.constantFrom(127, 127, 80, 66, 40),
  })
  .chain(({ groups, each, channels, taps, columns, spread }) => {
    const size = (columns ? each : groups * each) * channels * taps;
    const weight = fc.oneof(fc.integer({ min: -spread, max: spread }), fc.constantFrom(-128, 127, 0));
    return fc
      .array(weight, { minLength: size, maxLength: size })
      .map((data) =>
        columns
          ? filterView(tensor('s8', data, [taps, channels, each]), { kind: 'matmul', group: 1 })
          : filterView(tensor('s8', data, [groups * each, channels, taps]), { kind: 'conv', group: groups }),
      );
  });
const reach = fc.constantFrom(255, 255, 200, 127);

/** Σ over the lanes of a group and tap, of sources that are their channels' numbers to some power. */
function sums({ data, filters, channels, taps, groups, ...rest }: FilterView, sources: readonly number[]): number[] {
  const [byFilter, byChannel, byTap] = stepsOf({ data, filters, channels, taps, groups, ...rest });
  return Array.from({ length: filters * taps }, (_, i) => {
    const [o, t] = [Math.floor(i / taps), i % taps];
    const first = Math.floor((o * groups) / filters) * channels;
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += data[o * byFilter + c * byChannel + t * byTap] * sources[first + c];
    return sum;
  });
}

function expectSameProduct(given: FilterView, lanes: Lanes): void {
  const sources = Array.from({ length: given.channels * given.groups }, (_, c) => (c * 37 + 11) % 256);
  const wide = inLanes(given, lanes);
  expect(
    sums(
      wide,
      lanes.channels.map((c) => sources[c]),
    ),
  ).toEqual(sums(given, sources));
}

describe('lanes', () => {
  it('hold the same product, and neighbours fit', () => {
    fc.assert(
      fc.property(view, reach, (given, most) => {
        const lanes = pairedLanes(given, most);
        expectSameProduct(given, lanes);
        expect(pairsFit(most, neighbouringPairs(inLanes(given, lanes)))).toBe(true);
        expect(lanes.perGroup % 4).toBe(0);
        expect(lanes.perGroup).toBeLessThanOrEqual(2 * given.channels + 4);
      }),
    );
  });

  it('of halved weights hold the same product, and any two fit', () => {
    fc.assert(
      fc.property(view, (given) => {
        const lanes = halvedLanes(given);
        expectSameProduct(given, lanes);
        expect(pairsFit(255, anyPairs(inLanes(given, lanes)))).toBe(true);
      }),
    );
  });

  it('leave channels where they fit, and pair others with opposite signs', () => {
    const filters = (rows: number[][]) =>
      filterView(tensor('s8', rows.flat(), [rows.length, rows[0].length, 1]), { kind: 'conv', group: 1 });
    expect(pairedLanes(filters([[100, 28, 5, 5]]), 255).channels).toEqual([0, 1, 2, 3]);
    // 1 and 3 change places.
    expect(pairedLanes(filters([[100, 90, -100, -90]]), 255)).toMatchObject({
      channels: [0, 3, 2, 1],
      parts: ['whole', 'whole', 'whole', 'whole'],
    });
    expect(pairedLanes(filters([[100, 90, 80, 70]]), 255).perGroup).toBe(8);
  });
});
