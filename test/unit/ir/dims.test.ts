import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addDims,
  bindDim,
  broadcastDims,
  canonicalDim,
  ceilDims,
  divDims,
  leastOf,
  maxDims,
  minDims,
  mulDims,
  subDims,
  symbolsIn,
  wrapDims,
} from '../../../src/ir/dims.ts';
import type { Dim } from '../../../src/ir/types.ts';

describe('dimensions', () => {
  const names = ['H', 'W', 'batch.size'];
  const sizes = fc.tuple(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 0, max: 9 }),
  );

  type Step = (a: Dim, b: Dim) => Dim;
  const steps: Readonly<Record<string, { readonly dims: Step; readonly numbers: (a: number, b: number) => number }>> = {
    add: { dims: addDims, numbers: (a, b) => a + b },
    subtract: { dims: subDims, numbers: (a, b) => a - b },
    multiply: { dims: mulDims, numbers: (a, b) => a * b },
    divide: { dims: divDims, numbers: (a, b) => Math.floor(a / b) },
    ceil: { dims: ceilDims, numbers: (a, b) => Math.ceil(a / b) },
    max: { dims: maxDims, numbers: Math.max },
    min: { dims: minDims, numbers: Math.min },
    wrap: { dims: wrapDims, numbers: (a, b) => (a < 0 ? a + b : a) },
  };
  type Tree = Dim | readonly [string, Tree, Tree];
  const leaf = fc.oneof(fc.constantFrom<Dim>(...names), fc.integer({ min: -9, max: 9 }));
  const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof({ maxDepth: 4 }, leaf, fc.tuple(fc.constantFrom(...Object.keys(steps)), tie('tree'), tie('tree'))),
  }));
  /** Divisors are sizes, and numbers that are positive. */
  const isDivisor = (d: Dim): boolean => d !== 0 && leastOf(d) >= 0;
  const divisor = (d: Dim): Dim => (isDivisor(d) ? d : 3);
  const dimOf = (t: Tree): Dim => {
    if (!Array.isArray(t)) return t as Dim;
    const [name, a, b] = t as [string, Tree, Tree];
    const isDivision = name === 'divide' || name === 'ceil';
    return steps[name].dims(dimOf(a), isDivision ? divisor(dimOf(b)) : dimOf(b));
  };
  const sizeWith = (t: Tree, bound: ReadonlyMap<string, number>): number => {
    if (!Array.isArray(t)) return bindDim(t as Dim, bound) as number;
    const [name, a, b] = t as [string, Tree, Tree];
    const isDivision = name === 'divide' || name === 'ceil';
    const right = isDivision && !isDivisor(dimOf(b)) ? 3 : sizeWith(b, bound);
    return isDivision && right === 0 ? Number.NaN : steps[name].numbers(sizeWith(a, bound), right);
  };
  const boundTo = (values: readonly number[]) => new Map(names.map((name, i) => [name, values[i]]));

  it('have the value of the arithmetic that made them, and are never below their bound', () => {
    fc.assert(
      fc.property(tree, sizes, (t, values) => {
        const [dim, bound] = [dimOf(t), boundTo(values)];
        const value = sizeWith(t, bound);
        fc.pre(Number.isSafeInteger(value) && Math.abs(value) < 2 ** 40);
        expect(Number(bindDim(dim, bound))).toBe(value + 0);
        expect(value).toBeGreaterThanOrEqual(leastOf(dim));
      }),
      { numRuns: 1000 },
    );
  });

  it('tell that a remainder is not negative, and that a multiple of a product is', () => {
    const rest = subDims('H', mulDims(4, divDims('H', 4)));
    const more = subDims(subDims(4, rest), mulDims(4, divDims(subDims(4, rest), 4)));
    expect([rest, more, addDims('H', more)].map(leastOf)).toEqual([0, 0, 0]);
    const padded = divDims(addDims('H', more), 4);
    const windows = mulDims(mulDims(padded, subDims('W', divDims('W', 3))), 'batch.size');
    expect(divDims(windows, mulDims(padded, subDims('W', divDims('W', 3))))).toBe('batch.size');
    expect(divDims(mulDims(addDims('H', 2), subDims('H', 2)), addDims('H', 2))).toBe(subDims('H', 2));
  });

  it('broadcast to the one that is not 1, in any order, and count once', () => {
    const bounded = names.flatMap((name) => [
      minDims(name, 2),
      maxDims(name, 1),
      addDims(maxDims(0, subDims(name, 1)), 1),
      maxDims(name, 0),
      maxDims(name, 2),
    ]);
    const shared = fc.tuple(
      fc.integer({ min: 0, max: 3 }),
      fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
      fc.array(fc.oneof(fc.constantFrom<Dim>(...names, ...bounded), fc.constant(1)), { minLength: 1, maxLength: 6 }),
    );
    fc.assert(
      fc.property(shared, ([size, isOne, dims]) => {
        const bound = boundTo(isOne.map((one) => (one ? 1 : size)));
        const all = dims.map((dim) => Number(bindDim(dim, bound)));
        const [result = 1, ...others] = new Set(all.filter((value) => value !== 1));
        fc.pre(others.length === 0); // the sizes fit
        const dim = dims.reduce(broadcastDims);
        expect(bindDim(dim, bound)).toBe(result);
        expect([...dims, ...dims].reverse().reduce(broadcastDims)).toBe(dim);
        expect(canonicalDim(dim)).toBe(dim);
      }),
    );
  });

  it('have one value, however many of their symbols are known at first', () => {
    fc.assert(
      fc.property(tree, sizes, fc.subarray(names), (t, values, first) => {
        const [dim, bound] = [dimOf(t), boundTo(values)];
        const value = bindDim(dim, bound);
        fc.pre(typeof value === 'number'); // 0 divides nothing
        const some = bindDim(dim, new Map([...bound].filter(([name]) => first.includes(name))));
        for (const symbol of symbolsIn(some)) expect(first).not.toContain(symbol);
        expect(bindDim(some, bound)).toBe(value);
      }),
      { numRuns: 1000 },
    );
  });

  it('read back from their text as they are', () => {
    fc.assert(
      fc.property(tree, (t) => {
        const dim = dimOf(t);
        expect(canonicalDim(dim)).toBe(dim);
        for (const symbol of symbolsIn(dim)) expect(names).toContain(symbol);
      }),
      { numRuns: 1000 },
    );
  });

  it('are the same text for every order of sums and products, and every division of multiples', () => {
    fc.assert(
      fc.property(tree, tree, tree, fc.integer({ min: 1, max: 7 }), (s, t, u, n) => {
        const [a, b, c] = [s, t, u].map(dimOf);
        expect(addDims(a, b)).toBe(addDims(b, a));
        expect(mulDims(a, b)).toBe(mulDims(b, a));
        expect(addDims(addDims(a, b), c)).toBe(addDims(a, addDims(b, c)));
        expect(subDims(addDims(a, b), b)).toBe(addDims(a, 0));
        expect(divDims(mulDims(a, n), n)).toBe(addDims(a, 0));
        expect(divDims(addDims(mulDims(a, n), b), n)).toBe(addDims(a, divDims(b, n)));
        expect(maxDims(a, b)).toBe(maxDims(b, a));
      }),
    );
  });

  it('are shown short', () => {
    expect(addDims(divDims(addDims(addDims('H', 2), -3), 2), 1)).toBe('(H+1)/2');
    expect(addDims(addDims('H', -1), 1)).toBe('H');
    expect(divDims(mulDims('B', 'S'), 'S')).toBe('B');
    expect(divDims(divDims('H', 2), 2)).toBe('H/4');
    expect(minDims('S', 512)).toBe('min(512,S)');
    expect(maxDims('S', minDims('S', 512))).toBe('S');
    expect(maxDims(addDims('S', 'P'), 'P')).toBe('P+S');
    expect(subDims(0, 'H')).toBe('0-H');
  });
});
