import { expect, it } from 'vitest';
import { Foresight } from '../../../src/runtime/foresight.ts';

it('sizes that have grown twice by the same are foreseen, others are not', () => {
  const foresight = new Foresight();
  const next = (past: number, length: number) => {
    const sizes = foresight.around(new Map(Object.entries({ past, length })));
    return sizes && [[...sizes.before.values()], [...sizes.next.values()]];
  };
  expect([next(0, 16), next(16, 1), next(17, 1)]).toEqual([undefined, undefined, undefined]);
  expect([next(18, 1), next(19, 1)]).toEqual([
    [
      [17, 1],
      [19, 1],
    ],
    [
      [18, 1],
      [20, 1],
    ],
  ]);
  expect([next(19, 1), next(19, 1), next(0, 16)]).toEqual([undefined, undefined, undefined]); // the same again is there already
  expect([next(10, 12), next(20, 8)]).toEqual([
    undefined,
    [
      [10, 12],
      [30, 4],
    ],
  ]);
  expect(foresight.around(new Map([['other', 5]]))).toBe(undefined);
});
