/** Rarer operators of ATen in programs; positions along several axes; numbers that JSON lacks. */
import { describe, expect, it } from 'vitest';
import { interpret } from '../../../src/ir/interpret.ts';
import { type ITensor, numbersOf, tensor } from '../../../src/tensors/tensor.ts';
import { entriesOf, evaluate, f, importEntries, type Json, node, type ProgramSpec, t } from './programs.ts';

const x = (values: readonly number[], shape = [values.length]) => tensor('f32', values, shape);
const ints = (values: readonly number[], shape = [values.length]) => tensor('s64', values, shape);
const upTo = (...shape: readonly number[]) =>
  x(
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
    [...shape],
  );

type Case = readonly [
  target: string,
  args: Readonly<Record<string, Json | ITensor | readonly ITensor[]>>,
  expected: readonly number[],
  shape: readonly number[],
];

const cases: readonly Case[] = [
  ['aten.roll.default', { self: upTo(1, 4), shifts: [1], dims: [1] }, [3, 0, 1, 2], [1, 4]],
  ['aten.tile.default', { self: upTo(2), dims: [2] }, [0, 1, 0, 1], [4]],
  ['aten.movedim.int', { self: upTo(2, 2), source: 0, destination: 1 }, [0, 2, 1, 3], [2, 2]],
  ['aten.glu.default', { self: x([2, 4, 0, 0]) }, [1, 2], [2]],
  ['aten.addcmul.default', { self: x([1]), tensor1: x([2]), tensor2: x([3]), value: 2 }, [13], [1]],
  ['aten.linalg_vector_norm.default', { self: x([3, 4]), ord: 2, dim: [0] }, [5], []],
  ['aten.var.dim', { self: upTo(1, 3), dim: [1] }, [1], [1]],
  ['aten.tril.default', { self: upTo(2, 2) }, [0, 0, 2, 3], [2, 2]],
  [
    'aten.upsample_linear1d.vec',
    { input: upTo(1, 1, 2), align_corners: true, output_size: [3] },
    [0, 0.5, 1],
    [1, 1, 3],
  ],
  ['aten.rsub.Scalar', { self: x([1]), other: 3 }, [2], [1]],
  ['aten.sub.Tensor', { self: 3, other: x([1]) }, [2], [1]],
  ['aten.softplus.default', { self: x([0]), beta: 0.5 }, [Math.fround(2 * Math.LN2)], [1]],
  [
    'aten.index.Tensor',
    { self: upTo(2, 3, 2), indices: [ints([1, 0], [2, 1]), ints([-1, 0])] },
    [10, 11, 6, 7, 4, 5, 0, 1],
    [2, 2, 2],
  ],
  [
    'aten._native_batch_norm_legit.no_stats',
    { input: x([1, 3], [1, 1, 2]), weight: null, bias: null, training: true, momentum: 0.1, eps: 0 },
    [-1, 1],
    [1, 1, 2],
  ],
];

describe('rarer operators of ATen', () => {
  it.each(cases)('%s', async (target, args, expected, shape) => {
    const [y] = await evaluate(target, args, ['f32', shape]);
    expect({ shape: y.shape, values: numbersOf(y) }).toEqual({ shape, values: expected });
  });

  it('attend with fewer heads of keys than of queries', async () => {
    const args = {
      query: x([1, 1], [1, 2, 1, 1]),
      key: x([1], [1, 1, 1, 1]),
      value: x([7], [1, 1, 1, 1]),
      enable_gqa: true,
    };
    const [y] = await evaluate('aten.scaled_dot_product_attention.default', args, ['f32', [1, 2, 1, 1]]);
    expect(numbersOf(y)).toEqual([7, 7]);
  });

  it.each([
    ['aten.roll.default', { self: upTo(1, 2), shifts: [1] }, 'a roll over all elements'],
    ['aten.tile.default', { self: upTo(1, 2), dims: [2], more: 1 }, "the argument 'more'"],
  ] as const)('%s is opaque where it is not understood', async (target, args, reason) => {
    await expect(evaluate(target, args, ['f32', [1, 2]])).rejects.toThrow(reason);
  });
});

describe('numbers that JSON lacks', () => {
  it('may be written as Python writes them, as bare words', async () => {
    const spec: ProgramSpec = {
      inputs: { x: ['f32', [2]] },
      nodes: [
        node('aten.clamp.default', { self: t('x'), min: f(-Infinity), max: f(Infinity) }, 'NaN'),
        node('aten.relu.default', { self: t('NaN') }, 'y'),
      ],
      values: { NaN: ['f32', [2]], y: ['f32', [2]] },
      outputs: ['y'],
    };
    const entries = entriesOf(spec).map((entry) => ({
      ...entry,
      data: entry.name.endsWith('.json') ? String(entry.data).replaceAll(/:"(-?Infinity)"/g, ': $1') : entry.data,
    }));
    expect(entries.some(({ data }) => /: -Infinity/.test(String(data)))).toBe(true);
    const graph = await importEntries(entries);
    expect(numbersOf(interpret(graph, { x: x([-1, 2]) }).y)).toEqual([0, 2]);
  });
});
