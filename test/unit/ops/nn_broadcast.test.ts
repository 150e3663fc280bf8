import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bindDim } from '../../../src/ir/dims.ts';
import { broadcastShape, normalizeAxes, sameDim } from '../../../src/ir/ops/broadcast.ts';
import type { Dim, Shape } from '../../../src/ir/types.ts';

const refuse = (message: string): never => {
  throw new Error(message);
};
const shape = fc.array(fc.constantFrom<Dim>(1, 3, 'N', 'M'), { maxLength: 3 });
const size = fc.constantFrom(1, 3, 4);

describe('broadcastShape', () => {
  it('of symbols, once they are bound, equals the broadcast of the sizes, whenever the sizes broadcast', () => {
    fc.assert(
      fc.property(shape, shape, size, size, (a, b, n, m) => {
        const bindings = new Map([
          ['N', n],
          ['M', m],
        ]);
        const bind = (dims: Shape) => dims.map((dim) => bindDim(dim, bindings));
        const broadcasts = Array.from({ length: 3 }, (_, i) => [
          bind(a).at(-i - 1) ?? 1,
          bind(b).at(-i - 1) ?? 1,
        ]).every(([x, y]) => x === y || x === 1 || y === 1);
        if (broadcasts)
          expect(bind(broadcastShape([a, b], refuse))).toEqual(broadcastShape([bind(a), bind(b)], refuse));
        else expect(() => broadcastShape([bind(a), bind(b)], refuse)).toThrow(/do not broadcast/);
      }),
    );
  });
  it('takes the number where a symbol meets one that is not 1', () => {
    expect(
      broadcastShape(
        [
          ['N', 'N', 3],
          ['N', 1, 'M'],
        ],
        refuse,
      ),
    ).toEqual(['N', 'N', 3]);
    expect(broadcastShape([[], ['N']], refuse)).toEqual(['N']);
    expect(broadcastShape([], refuse)).toEqual([]);
  });
});

describe('axes and sizes', () => {
  it('axes count from either end and are sorted', () => {
    expect(normalizeAxes([-1, 0], 3, refuse)).toEqual([0, 2]);
    expect(() => normalizeAxes([3], 3, refuse)).toThrow(/axis 3 is outside a tensor of rank 3/);
    expect(() => normalizeAxes([-4], 3, refuse)).toThrow(/outside/);
  });
  it('sizes that must agree: a number is better than a symbol, two numbers must be equal', () => {
    const never = () => refuse('differ');
    expect([sameDim('N', 3, never), sameDim(3, 'N', never), sameDim('N', 'M', never)]).toEqual([3, 3, 'N']);
    expect(() => sameDim(2, 3, never)).toThrow(/differ/);
  });
});
