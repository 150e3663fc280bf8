/** w − zw where it fits s8, and nothing where one does not. */
import { expect, it } from 'vitest';
import { tensor } from '../../../src/ir/index.ts';
import { centred } from '../../../src/passes/corrections/operands.ts';

const conv = { kind: 'conv', group: 1 } as const;
const matmul = { kind: 'matmul', group: 1 } as const;

it.each([
  [-127, 1, -128],
  [-128, 1, undefined],
  [126, -1, 127],
  [127, -1, undefined],
  [-128, 0, -128],
  [0, -127, 127],
  [0, -128, undefined],
])('%i less %i is %s', (weight, zero, expected) => {
  const [w, z] = [tensor('s8', [0, weight], [1, 2]), tensor('s8', [zero], [1])];
  const outside = -zero < -128 || -zero > 127;
  expect(centred(w, z, conv, -128, 127)?.[1]).toBe(outside ? undefined : expected);
  expect(centred(tensor('s8', [weight], [1, 1]), z, matmul, -128, 127)?.[0]).toBe(expected);
});

it('each filter has a zero point of its own', () => {
  const w = tensor('u8', [200, 128, 10, 0], [2, 2]);
  expect(centred(w, tensor('u8', [128, 5], [2]), conv, -128, 127)).toEqual(Int16Array.of(72, 0, 5, -5));
  expect(centred(w, tensor('u8', [5, 128], [2]), conv, -128, 127)).toBeUndefined();
});
