import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lifetime, type MemoryPlan, planMemory } from '../../../src/codegen/onednn/memory_plan.ts';
import { firstNotBelow, Occupancy } from '../../../src/codegen/onednn/occupancy.ts';

/** The same by looking at everything that was placed before. */
function planBySearch(buffers: readonly Lifetime[]): MemoryPlan {
  const offsets = buffers.map(() => 0);
  const placed: { at: number; end: number; life: Lifetime }[] = [];
  const order = buffers.map((life, i) => ({ life, i }));
  order.sort((a, b) => b.life.bytes - a.life.bytes || a.life.first - b.life.first);
  for (const { life, i } of order) {
    const size = Math.ceil(life.bytes / 64) * 64;
    const others = placed.filter((p) => p.life.first <= life.last && life.first <= p.life.last);
    for (const { at, end } of others.sort((a, b) => a.at - b.at))
      if (offsets[i] + size > at) offsets[i] = Math.max(offsets[i], end);
    placed.push({ at: offsets[i], end: offsets[i] + size, life });
  }
  return { offsets, bytes: Math.max(0, ...placed.map(({ end }) => end)) };
}

const lives = (span: number, length: number): fc.Arbitrary<Lifetime[]> =>
  fc.array(
    fc
      .tuple(fc.nat(span), fc.nat(length), fc.oneof(fc.nat(300), fc.nat(5000), fc.constant(64)))
      .map(([first, length, bytes]) => ({ first, last: first + length, bytes })),
    { maxLength: 60 },
  );

describe('planMemory', () => {
  it.each([
    ['few that meet', 200, 3],
    ['many that meet', 40, 40],
    ['long among short', 1000, 300],
  ])('places each at the lowest offset that is free for its life: %s', (_name, span, length) => {
    fc.assert(
      fc.property(lives(span, length), (buffers) => {
        expect(planMemory(buffers)).toEqual(planBySearch(buffers));
      }),
    );
  });

  it('packs buffers that are alive at once without a gap, for any number of them', () => {
    const count = 10_000;
    const nested = Array.from({ length: count }, (_, i) => ({
      first: i,
      last: 2 * count - i,
      bytes: 64 * (1 + (i % 7)),
    }));
    expect(planMemory(nested).bytes).toBe(nested.reduce((sum, { bytes }) => sum + bytes, 0));
    const chain = Array.from({ length: count }, (_, i) => ({ first: i, last: i + 1, bytes: 1000 }));
    expect(planMemory(chain).bytes).toBe(2048);
  });
});

describe('Occupancy', () => {
  it('finds room between and above taken ranges, at the times that are asked for', () => {
    const occupancy = new Occupancy(100);
    occupancy.take(0, 10, 0, 50);
    occupancy.take(20, 10, 40, 99);
    expect(occupancy.lowest(10, 0, 99)).toBe(10);
    expect(occupancy.lowest(11, 0, 99)).toBe(30);
    expect(occupancy.lowest(11, 51, 99)).toBe(0);
    expect(occupancy.lowest(11, 0, 39)).toBe(10);
    expect(occupancy.lowest(20, 51, 51)).toBe(0);
    expect(occupancy.lowest(21, 51, 51)).toBe(30);
  });

  it('counts a list up to a bound', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), fc.nat(22), (list, bound) => {
        const ascending = list.sort((a, b) => a - b);
        expect(firstNotBelow(ascending, bound)).toBe(ascending.filter((n) => n < bound).length);
      }),
    );
  });
});
