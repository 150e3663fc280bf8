import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { joinedBytes, sameBytes, sameData } from '../../src/tensors/index.ts';

const leaf = fc.oneof(
  fc.constantFrom(0, -0, 1, Number.NaN, '', 'a', true, null, undefined),
  fc.float32Array({ maxLength: 2 }),
);
const data = fc.letrec((tie) => ({
  any: fc.oneof(leaf, fc.array(tie('any'), { maxLength: 2 }), fc.dictionary(fc.constantFrom('a', 'b'), tie('any'))),
})).any;

it('data is the same where Node.js says that it is', () => {
  fc.assert(
    fc.property(data, data, (a, b) => sameData(a, b) === isDeepStrictEqual(a, b)),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(data, (a) => sameData(a, structuredClone(a)) === isDeepStrictEqual(a, structuredClone(a))));
});

it('bytes are joined and compared', () => {
  const joined = joinedBytes([Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3)]);
  expect([...joined]).toEqual([1, 2, 3]);
  expect(sameBytes(joined, Uint8Array.of(1, 2, 3))).toBe(true);
  expect(sameBytes(joined, Uint8Array.of(1, 2, 4))).toBe(false);
  expect(sameBytes(joined, Uint8Array.of(1, 2))).toBe(false);
});
