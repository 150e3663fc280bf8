import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDims, bindDim, divDims, mulDims } from '../../../src/ir/dims.ts';
import type { Dim } from '../../../src/ir/types.ts';

describe('dimensions', () => {
  /** A dimension built by random steps from symbols and numbers, beside its value. */
  const bindings = new Map([
    ['H', 17],
    ['batch.size', 5],
  ]);
  const built = fc
    .tuple(
      fc.constantFrom<readonly [Dim, number]>(['H', 17], ['batch.size', 5]),
      fc.array(fc.tuple(fc.constantFrom('add', 'mul', 'div', 'addH', 'mulH'), fc.integer({ min: -9, max: 9 })), {
        maxLength: 6,
      }),
    )
    .map(([start, steps]) =>
      steps.reduce<readonly [Dim, number]>(([dim, value], [step, n]) => {
        if (step === 'add') return [addDims(dim, n), value + n];
        if (step === 'mul') return [mulDims(dim, Math.abs(n) + 1), value * (Math.abs(n) + 1)];
        if (step === 'div') return [divDims(dim, Math.abs(n) + 1), Math.floor(value / (Math.abs(n) + 1))];
        if (step === 'addH') return [addDims(dim, 'H'), value + 17];
        return [mulDims('H', dim), value * 17];
      }, start),
    );

  it('have the value of the arithmetic that made them', () => {
    fc.assert(
      fc.property(built, ([dim, value]) => {
        expect(bindDim(dim, bindings)).toBe(value);
      }),
    );
  });

  it('are the same text when constants only cancel: what padding adds and a window takes away', () => {
    fc.assert(
      fc.property(built, fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 }), ([dim], a, b) => {
        expect(addDims(addDims(dim, a), -a)).toBe(addDims(dim, 0));
        expect(addDims(addDims(dim, a), b)).toBe(addDims(dim, a + b));
      }),
    );
    expect(addDims(divDims(addDims(addDims('H', 2), -3), 2), 1)).toBe('((H-1)/2)+1');
    expect(addDims(addDims('H', -1), 1)).toBe('H');
  });
});
