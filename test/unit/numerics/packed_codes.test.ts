/** Codes of weights in blocks: each stands where it belongs, whatever the type and the order of the integers. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bytesOfCodes, codeAt, packedCodes } from '../../../src/numerics/index.ts';
import { dtypes, isPackedType, packed, tensor } from '../../../src/tensors/index.ts';
import { random } from '../../native/support.ts';
import { draws } from '../../support/draws.ts';

const int = (min: number, max: number) => fc.integer({ min, max });

it('are the integers less the least one, row by row or column by column', () => {
  const drawn = fc.record({
    dtype: fc.constantFrom('s8' as const, 'u8' as const, 's4' as const, 'u4' as const, 's2' as const, 'u2' as const),
    /** Bytes that 4 bits would hold. */
    isNarrow: fc.boolean(),
    rows: int(0, 9),
    columns: fc.oneof(int(0, 20), int(0, 20), int(4090, 4100)),
    more: int(0, 9),
    isTurned: fc.boolean(),
    seed: fc.nat(0xffff),
  });
  fc.assert(
    fc.property(drawn, ({ dtype, isNarrow, rows, columns, more, isTurned, seed }) => {
      const next = random(seed);
      const bits = isNarrow ? Math.min(4, dtypes[dtype].bits) : dtypes[dtype].bits;
      const least = dtypes[dtype].min < 0 ? -(2 ** (bits - 1)) : 0;
      const values = Array.from({ length: rows * columns }, () => least + Math.floor(2 ** bits * next()));
      const shape = [rows, columns];
      const integers = isPackedType(dtype) ? packed(dtype, values, shape) : tensor(dtype, values, shape);
      const [count, length] = isTurned ? [columns, rows] : [rows, columns];
      const wanted = length + more;
      const codes = packedCodes(integers, { bits, least, wanted, isTurned });
      const line = bytesOfCodes(wanted, bits);
      expect(codes.length).toBe(count * line);
      for (let row = 0; row < count; row++) {
        const own = Array.from({ length: wanted }, (_, k) => codeAt(codes.subarray(row * line), k, bits));
        const expected = own.map((_, k) =>
          k < length ? values[isTurned ? k * columns + row : row * columns + k] - least : 0,
        );
        expect(own).toEqual(expected);
      }
    }),
    draws(40),
  );
});
