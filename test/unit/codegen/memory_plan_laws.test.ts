/** The laws of the arena: buffers that are alive together lie apart, and no buffer takes more room than it must. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lifetime, planMemory } from '../../../src/codegen/onednn/memory_plan.ts';

const lifetime: fc.Arbitrary<Lifetime> = fc
  .record({
    bytes: fc.oneof(fc.constantFrom(0, 1, 63, 64, 65, 128), fc.integer({ min: 0, max: 5000 })),
    from: fc.integer({ min: 0, max: 30 }),
    length: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 })),
  })
  .map(({ bytes, from, length }) => ({ bytes, first: from, last: from + length }));
const lifetimes = fc.array(lifetime, { maxLength: 40 });

const rounded = ({ bytes }: Lifetime): number => Math.ceil(bytes / 64) * 64;
const meet = (a: Lifetime, b: Lifetime): boolean => a.first <= b.last && b.first <= a.last;
const sum = (list: readonly Lifetime[]): number => list.reduce((total, one) => total + rounded(one), 0);

/** Checks a law of a plan for many buffers. */
const holds = (law: (buffers: readonly Lifetime[], plan: ReturnType<typeof planMemory>) => void) =>
  fc.assert(
    fc.property(lifetimes, (buffers) => law(buffers, planMemory(buffers))),
    { numRuns: 500 },
  );

describe('planMemory', () => {
  it('gives each buffer a place of its own inside the arena, on a cache line', () => {
    holds((buffers, { offsets, bytes }) => {
      expect(offsets).toHaveLength(buffers.length);
      for (const [i, offset] of offsets.entries()) {
        expect(offset % 64).toBe(0);
        expect(offset).toBeGreaterThanOrEqual(0);
        expect(offset + rounded(buffers[i])).toBeLessThanOrEqual(bytes);
      }
    });
  });

  it('keeps buffers apart that are alive at the same time, also for a moment', () => {
    holds((buffers, { offsets }) => {
      for (const [i, a] of buffers.entries())
        for (const [j, b] of buffers.slice(0, i).entries())
          if (meet(a, b) && a.bytes > 0 && b.bytes > 0)
            expect(offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i]).toBe(true);
    });
  });

  it('takes at least the bytes that are alive at once, and at most all', () => {
    holds((buffers, { bytes }) => {
      const moments = buffers.map(({ first }) => sum(buffers.filter((b) => b.first <= first && first <= b.last)));
      expect(bytes).toBeGreaterThanOrEqual(Math.max(0, ...moments));
      expect(bytes).toBeLessThanOrEqual(sum(buffers));
    });
  });

  it('puts nothing higher than upon something that is as large, and alive with it', () => {
    holds((buffers, { offsets }) => {
      for (const [i, offset] of offsets.entries()) {
        if (offset === 0) continue;
        const isBelow = (j: number) =>
          j !== i &&
          meet(buffers[i], buffers[j]) &&
          buffers[j].bytes >= buffers[i].bytes &&
          offsets[j] + rounded(buffers[j]) === offset;
        expect(buffers.some((_, j) => isBelow(j))).toBe(true);
      }
    });
  });

  it('uses the same bytes again for buffers that live later', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 30 }), (sizes) => {
        const chain = sizes.map((bytes, i) => ({ bytes, first: 2 * i, last: 2 * i + 1 }));
        expect(planMemory(chain).offsets.every((offset) => offset === 0)).toBe(true);
        expect(planMemory(chain).bytes).toBe(Math.max(...chain.map(rounded)));
      }),
    );
  });
});
