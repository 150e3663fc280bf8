import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteSums } from '../../../src/proofs/byte_sums.ts';
import { addonAvailable, loadAddon } from '../../../src/runtime/addon.ts';
import { portableBackend } from '../../../src/runtime/backends.ts';
import { describeUnless } from '../../support/unless.ts';

/** Bytes at the extremes as often as any others. */
const bytes = (size: number) =>
  fc.oneof(
    fc.constantFrom(-128, -1, 0, 127).map((v) => new Int8Array(size).fill(v)),
    fc.int8Array({ minLength: size, maxLength: size }),
  );

const sumsOf = (values: Iterable<number>) => {
  let [sum, above] = [0, 0];
  for (const v of values) [sum, above] = [sum + v, above + Math.max(v, 0)];
  return { sum, above };
};

/** Blocks of rows, from anywhere in a buffer. */
const blocked = fc
  .record({
    blocks: fc.integer({ min: 1, max: 3 }),
    rows: fc.oneof(fc.nat(40), fc.nat(700)),
    length: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 12 }), fc.constantFrom(16, 49, 64, 100)),
    before: fc.nat(8),
    after: fc.nat(8),
  })
  .chain((s) => fc.tuple(fc.constant(s), bytes(s.blocks * s.rows * s.length)));

const { byteSums: ofBackend } = portableBackend;
const native = ofBackend && addonAvailable().available ? [['the addon', ofBackend] as const] : [];

describe.each([['TypeScript', byteSums] as const, ...native])('sums by %s', (_, sums) => {
  it('equal the sums of one byte after another', () => {
    const property = fc.property(blocked, ([{ blocks, rows, length, before, after }, list]) => {
      const data = new Int8Array(new ArrayBuffer(before + list.length + after), before, list.length);
      data.set(list);
      const found = sums(data, blocks, rows, length);
      for (let block = 0; block < blocks; block++)
        for (let column = 0; column < length; column++) {
          const own = Array.from({ length: rows }, (_, row) => list[(block * rows + row) * length + column]);
          const to = block * length + column;
          expect({ sum: found.sums[to], above: found.aboves[to] }).toEqual(sumsOf(own));
        }
    });
    fc.assert(property, { numRuns: 300 });
  });

  it('of nothing are 0', () => {
    expect([...sums(new Int8Array(0), 2, 0, 3).sums]).toEqual([0, 0, 0, 0, 0, 0]);
    expect(sums(new Int8Array(0), 0, 5, 3).sums.length).toBe(0);
  });
});

describeUnless(native.length === 0 ? 'the addon is not built' : undefined, 'the addon', () => {
  it('refuses sizes that do not fit the bytes', () => {
    const { byteSums: sums } = loadAddon();
    expect(() => sums(new Uint8Array(12), 2, 3, 3)).toThrow('blocks · rows · length');
    expect(() => sums(new Uint8Array(0), 2, 3, 3)).toThrow('blocks · rows · length');
    expect(() => sums(new Uint8Array(12), 1, 0, 12)).toThrow('blocks · rows · length');
    expect(() => sums(new Uint8Array(1), 2 ** 31 - 1, 1, 2 ** 31 - 1)).toThrow('blocks · rows · length');
    expect(() => sums(new Uint8Array(0), 2 ** 31 - 1, 0, 2 ** 31 - 1)).toThrow('below 2^31');
    expect(() => sums(new Uint8Array(1), 1, 2 ** 24, 1)).toThrow('byteSums: rows');
    expect(() => sums([1] as never, 1, 1, 1)).toThrow('byteSums: bytes');
  });
});
