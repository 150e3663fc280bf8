import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDims, bindDim, divDims, maxDims, mulDims, subDims } from '../../../src/ir/dims.ts';
import { evaluateNode } from '../../../src/ir/interpret.ts';
import type { OpName } from '../../../src/ir/op_table.ts';
import { elementsAfter, elementsDecided, type KnownElements, roundedQuotient } from '../../../src/ir/symbolic.ts';
import type { Dim } from '../../../src/ir/types.ts';
import type { DType } from '../../../src/tensors/dtype.ts';
import { type ITensor, numbersOf, sizeOf, tensor } from '../../../src/tensors/tensor.ts';

const bindings = fc
  .tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 30 }))
  .map(([n, s]) => new Map([['N', n], ['S', s]])); // biome-ignore format: a pair
const dim: fc.Arbitrary<Dim> = fc.oneof(
  fc.constantFrom<Dim>(
    'N',
    'S',
    mulDims('N', 'S'),
    subDims('N', 1),
    subDims('S', 'N'),
    divDims(addDims('N', 1), 2),
    maxDims('N', 'S'),
  ),
  fc.integer({ min: -3, max: 9 }),
);

interface Case {
  readonly op: OpName;
  readonly attrs?: Readonly<Record<string, number | boolean | string | readonly number[]>>;
  readonly operands: readonly {
    readonly shape: readonly number[];
    readonly dtype?: DType;
    readonly values?: readonly number[];
  }[];
  /** The shape and, where it is another one, the type of the result. */
  readonly result: readonly number[];
  readonly dtype?: DType;
}

const pair = [{ shape: [2, 3] }, { shape: [3] }];
const binary = (op: OpName, dtype?: DType): Case => ({ op, operands: pair, result: [2, 3], ...(dtype && { dtype }) });
const logical = (op: OpName): Case => ({
  op,
  operands: [{ shape: [2], dtype: 'bool', values: [0, 1] }, { shape: [2], dtype: 'bool', values: [1, 1] }], // biome-ignore format: a table
  result: [2],
  dtype: 'bool',
});
const one = (op: OpName, attrs: NonNullable<Case['attrs']>, result: readonly number[]): Case => ({
  op,
  attrs,
  operands: [{ shape: [2, 3] }],
  result,
});

/** Every operator that sizes are followed through. */
const cases: readonly Case[] = [
  ...(['add', 'sub', 'mul', 'div', 'min', 'max'] as const).map((op) => binary(`nn.${op}`)),
  { ...binary('nn.mod'), attrs: { fmod: false } },
  ...(['equal', 'greater', 'less', 'greater_or_equal', 'less_or_equal'] as const).map((op) =>
    binary(`nn.${op}`, 'bool'),
  ),
  ...(['and', 'or', 'xor'] as const).map((op) => logical(`nn.${op}`)),
  { op: 'nn.not', operands: [{ shape: [2], dtype: 'bool', values: [0, 1] }], result: [2], dtype: 'bool' },
  { op: 'nn.where', operands: [{ shape: [3], dtype: 'bool', values: [0, 1, 0] }, ...pair], result: [2, 3] },
  one('nn.neg', {}, [2, 3]),
  one('nn.abs', {}, [2, 3]),
  ...(['bool', 's32', 'f32', 's64'] as const).map((to): Case => ({ ...one('nn.cast', { to }, [2, 3]), dtype: to })),
  ...(['floor', 'ceil', 'round'] as const).map(
    (op): Case => ({ op: `nn.${op}`, operands: [{ shape: [4], dtype: 'f32' }], result: [4], dtype: 'f32' }),
  ),
  { op: 'nn.cast', attrs: { to: 's64' }, operands: [{ shape: [3], dtype: 'f32' }], result: [3] },
  ...(['prod', 'sum', 'max', 'min'] as const).flatMap((op) => [
    one(`nn.reduce_${op}`, { axes: [1], keepdims: false }, [2]),
    one(`nn.reduce_${op}`, { axes: [], keepdims: true }, [1, 1]),
  ]),
  one('nn.identity', {}, [2, 3]),
  one('nn.reshape', { shape: [6] }, [6]),
  one('nn.transpose', { perm: [1, 0] }, [3, 2]),
  one('nn.expand', { shape: [2, 2, 3] }, [2, 2, 3]),
  one('nn.tile', { repeats: [1, 2] }, [2, 6]),
  one('nn.slice', { starts: [-1, 0], ends: [-9, 9], axes: [0, 1], steps: [-1, 2] }, [2, 2]),
  one('nn.pad', { pads: [1, 0, 0, 1], mode: 'constant' }, [3, 4]),
  {
    op: 'nn.gather',
    attrs: { axis: 1 },
    operands: [{ shape: [2, 3] }, { shape: [2], values: [-1, 0] }],
    result: [2, 2],
  },
  { op: 'nn.concat', attrs: { axis: 0 }, operands: [{ shape: [2] }, { shape: [3] }], result: [5] },
];

describe('elements that are sizes', () => {
  it.each(cases)(
    '$op: binding symbols and evaluating commute',
    ({ op, attrs = {}, operands, result, dtype = 's64' }) => {
      let known = 0;
      const elements = fc.tuple(
        ...operands.map(({ shape, values }) =>
          values ? fc.constant(values) : fc.array(dim, { minLength: sizeOf(shape), maxLength: sizeOf(shape) }),
        ),
      );
      fc.assert(
        fc.property(elements, bindings, (lists, bound) => {
          const given = operands.map(
            ({ shape, dtype: own = 's64' }, i): KnownElements => ({ dtype: own, shape, elements: lists[i] }),
          );
          const node = { op, attrs, loc: {} };
          const after = elementsAfter(node, given, { dtype, shape: result });
          if (after === undefined) return;
          known++;
          const isDivision = op === 'nn.div' || op === 'nn.mod';
          fc.pre(!isDivision || lists[1].every((divisor) => bindDim(divisor, bound) !== 0));
          const tensors = given.map(
            ({ dtype: own, shape, elements: e }): ITensor =>
              tensor(
                own,
                e.map((d) => Number(bindDim(d, bound))),
                shape,
              ),
          );
          const [evaluated] = evaluateNode(node, tensors);
          expect(evaluated.shape).toEqual(result);
          expect(after.map((d) => Number(bindDim(d, bound)))).toEqual(numbersOf(evaluated).map((x) => x + 0));
        }),
      );
      expect(known).toBeGreaterThan(0); // the rule is not always at a loss
    },
  );

  it.each([
    ['nn.ceil', 'nn.div', 3],
    ['nn.floor', 'nn.div', 4],
    ['nn.cast', 'nn.div', 7],
    ['nn.ceil', 'nn.mul', 0.25],
    ['nn.floor', 'nn.mul', 0.5],
  ] as const)('%s of a quotient by %s with %d: binding symbols and evaluating commute', (op, by, factor) => {
    const attrs: Readonly<Record<string, string>> = op === 'nn.cast' ? { to: 's64' } : {};
    const dtype = op === 'nn.cast' ? 's64' : 'f32';
    const vector = (elements: readonly Dim[]): KnownElements => ({ dtype: 'f32', shape: [2], elements });
    let known = 0;
    fc.assert(
      fc.property(fc.array(dim, { minLength: 2, maxLength: 2 }), bindings, (list, bound) => {
        const [node, quotient] = [
          { op, attrs, loc: {} },
          { op: by, attrs: {}, loc: {} },
        ];
        const after = roundedQuotient(node, quotient, [vector(list), vector([factor, factor])], { dtype, shape: [2] });
        if (after === undefined) return;
        known++;
        const values = list.map((d) => Number(bindDim(d, bound)));
        const parts = evaluateNode(quotient, [tensor('f32', values, [2]), tensor('f32', [factor, factor], [2])]);
        const [evaluated] = evaluateNode(node, parts);
        expect(after.map((d) => Number(bindDim(d, bound)))).toEqual(numbersOf(evaluated).map((x) => x + 0));
      }),
    );
    expect(known).toBeGreaterThan(0);
  });

  it('are not followed through operators that depend on the sizes', () => {
    const vector = (...elements: Dim[]): KnownElements => ({ dtype: 's64', shape: [elements.length], elements });
    const followed = (op: OpName, ...operands: KnownElements[]) =>
      elementsAfter({ op, attrs: {}, loc: {} }, operands, { dtype: op === 'nn.equal' ? 'bool' : 's64', shape: [1] });
    expect(followed('nn.equal', vector('N'), vector(3))).toBeUndefined();
    expect(followed('nn.equal', vector('N'), vector(-1))).toEqual([0]);
    expect(followed('nn.mod', vector(subDims('N', 5)), vector('S'))).toEqual([
      subDims(subDims('N', 5), mulDims('S', divDims(subDims('N', 5), 'S'))),
    ]);
    const truths = { dtype: 'bool', shape: [2] } as const;
    const [no, yes]: KnownElements[] = [{ ...truths, elements: [0, 0] }, { ...truths, elements: [1, 1] }]; // biome-ignore format: a pair
    expect(elementsDecided({ op: 'nn.and' }, no, truths)).toEqual([0, 0]);
    expect(elementsDecided({ op: 'nn.or' }, yes, truths)).toEqual([1, 1]);
    expect(elementsDecided({ op: 'nn.and' }, yes, truths)).toBeUndefined();
    const third = [{ ...vector('N'), dtype: 'f32' } as const, { ...vector(1 / 3), dtype: 'f32' } as const];
    const type = { dtype: 'f32', shape: [1] } as const;
    expect(roundedQuotient({ op: 'nn.ceil', attrs: {} }, { op: 'nn.mul' }, third, type)).toBeUndefined();
    expect(roundedQuotient({ op: 'nn.round', attrs: {} }, { op: 'nn.div' }, third, type)).toBeUndefined();
    expect(followed('nn.div', vector(subDims('N', 5)), vector(2))).toBeUndefined();
    expect(followed('nn.mul', { ...vector('N'), dtype: 'f32' }, { ...vector(0.5), dtype: 'f32' })).toBeUndefined();
  });
});
