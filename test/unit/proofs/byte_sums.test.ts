import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { ColumnSums, sumRun, wordsOf } from '../../../src/passes/proofs/byte_sums.ts';

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

it('a run of bytes is summed wherever it begins and ends', () => {
  const run = fc.record({ head: fc.nat(9), count: fc.nat(1500), tail: fc.nat(9), before: fc.nat(8) });
  const property = fc.property(
    run.chain((r) => fc.tuple(fc.constant(r), bytes(r.head + r.count + r.tail))),
    ([{ head, count, before }, list]) => {
      const data = new Int8Array(new ArrayBuffer(before + list.length), before);
      data.set(list);
      const out = { sum: 0, above: 0 };
      sumRun(data, wordsOf(data), head, count, out);
      expect(out).toEqual(sumsOf(list.subarray(head, head + count)));
    },
  );
  fc.assert(property, { numRuns: 300 });
});

it('columns are summed for any number of rows of any length', () => {
  const shape = fc.record({ rows: fc.nat(600), length: fc.integer({ min: 1, max: 12 }), head: fc.nat(5) });
  const property = fc.property(
    shape.chain((s) => fc.tuple(fc.constant(s), bytes(s.head + s.rows * s.length))),
    ([{ rows, length, head }, data]) => {
      const [sums, aboves] = [new Float64Array(length), new Float64Array(length)];
      new ColumnSums(data, length).add(head, rows, sums, aboves, 0);
      for (let column = 0; column < length; column++) {
        const list = Array.from({ length: rows }, (_, row) => data[head + row * length + column]);
        expect({ sum: sums[column], above: aboves[column] }).toEqual(sumsOf(list));
      }
    },
  );
  fc.assert(property, { numRuns: 300 });
});
