/** Sparse constants: spread over the places that an encoder of our own gave their elements. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SparsityLevel, TfliteSparsity } from '../../src/formats/tflite/index.ts';
import { importTflite } from '../../src/importers/tflite/import.ts';
import { type ITensor, interpret } from '../../src/ir/index.ts';
import { sizeOf, stridesOf, tensor } from '../../src/tensors/index.ts';
import { type Draw, once, pick, random } from '../fuzz/draw.ts';
import { draws } from '../support/draws.ts';
import { type ModelInit, modelBytes } from './model_writer.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

interface Encoded {
  readonly whole: ITensor;
  readonly stored: ITensor;
  readonly sparsity: TfliteSparsity;
}

/** Positions of a level: those along one axis of the whole, or along the blocks of one. */
function encoded(draw: Draw): Encoded {
  const rank = 1 + draw(4);
  const blocks = range(rank).filter(() => once(draw, 3));
  const blockSizes = range(rank).map((axis) => (blocks.includes(axis) ? 1 + draw(4) : 1));
  const shape = range(rank).map((axis) => blockSizes[axis] * (1 + draw(axis === rank - 1 && once(draw, 8) ? 300 : 4)));
  const dtype = pick(draw, ['f32', 's8', 'f16'] as const);
  const values = range(sizeOf(shape)).map(() => (once(draw, 3) ? 1 + draw(100) : 0));
  const shuffled = range(rank)
    .map((axis) => [draw(1000), axis])
    .toSorted(([a], [b]) => a - b)
    .map(([, axis]) => axis);
  const order = [...shuffled, ...blocks.map((_, i) => rank + i)];
  const strides = stridesOf(shape);
  const sizes = order.map((axis) => (axis < rank ? shape[axis] / blockSizes[axis] : blockSizes[blocks[axis - rank]]));
  const steps = order.map((axis) => (axis < rank ? strides[axis] * blockSizes[axis] : strides[blocks[axis - rank]]));
  /** True where something under a position of a level is not zero. */
  const holds = (depth: number, place: number): boolean =>
    depth === order.length
      ? values[place] !== 0
      : range(sizes[depth]).some((i) => holds(depth + 1, place + i * steps[depth]));
  let places = [0];
  const levels = order.map((axis, depth): SparsityLevel => {
    const isDense = axis >= rank || once(draw, 2);
    const under = places.map((place) =>
      range(sizes[depth]).filter((i) => isDense || holds(depth + 1, place + i * steps[depth])),
    );
    places = places.flatMap((place, i) => under[i].map((index) => place + index * steps[depth]));
    if (isDense) return { size: sizes[depth] };
    return { segments: [0, ...under.map((_, i) => under.slice(0, i + 1).flat().length)], indices: under.flat() };
  });
  const tensorOf = (list: readonly number[], dims: readonly number[]): ITensor =>
    dtype === 'f16' ? { ...tensor('u16', [...list], [...dims]), dtype } : tensor(dtype, [...list], [...dims]);
  const stored = tensorOf(
    places.map((place) => values[place]),
    [places.length],
  );
  return { whole: tensorOf(values, shape), stored, sparsity: { order, blocks, levels } };
}

const modelOf = ({ whole: { dtype, shape }, stored, sparsity }: Encoded, name = 'DENSIFY'): ModelInit => ({
  tensors: [
    { dtype, shape, data: stored, sparsity },
    { dtype, shape },
  ],
  inputs: [],
  outputs: [1],
  operators: [{ name, inputs: name === 'DENSIFY' ? [0] : [0, 0], outputs: [1] }],
});

const example: Encoded = {
  whole: tensor('f32', [0, 0, 1, 2, 0, 0, 0, 0, 3, 4, 0, 0], [3, 4]),
  stored: tensor('f32', [1, 2, 3, 4]),
  sparsity: {
    order: [0, 1, 2],
    blocks: [1],
    levels: [{ size: 3 }, { segments: [0, 1, 1, 2], indices: [1, 0] }, { size: 2 }],
  },
};

describe('a sparse constant', () => {
  it('is spread by DENSIFY', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const made = encoded(random(seed));
        const graph = importTflite(modelBytes(modelOf(made)));
        expect(interpret(graph, {})[graph.outputs[0]]).toEqual(made.whole);
      }),
      draws(100),
    );
    const graph = importTflite(modelBytes(modelOf(example)));
    expect(interpret(graph, {})[graph.outputs[0]]).toEqual(example.whole);
  });

  it('is not read by kernels that know nothing of it', () => {
    const graph = importTflite(modelBytes(modelOf(example, 'MAXIMUM')));
    expect(graph.origin?.unsupported).toMatchObject([{ operator: 'MAXIMUM', reason: 'it reads a sparse constant' }]);
  });

  const { order, blocks, levels } = example.sparsity;
  const [rows, columns, block] = levels;
  const huge = [2 ** 15, 2 ** 15];
  it.each<[string, Partial<TfliteSparsity>, (readonly number[])?]>([
    ['fewer levels than axes', { levels: [rows, columns] }],
    ['an axis twice', { order: [0, 0, 2] }],
    ['a block outside of an axis', { order: [0, 2, 1] }],
    ['a block of no axis', { blocks: [2] }],
    ['a block that divides no axis', { levels: [rows, columns, { size: 3 }] }],
    ['a block without a size', { levels: [rows, columns, { size: 0 }] }],
    ['a level of another size', { levels: [{ size: 4 }, columns, block] }],
    ['segments that go back', { levels: [rows, { segments: [0, 2, 1, 2], indices: [1, 0] }, block] }],
    ['segments that begin late', { levels: [rows, { segments: [1, 1, 1, 2], indices: [1, 0] }, block] }],
    ['too few segments', { levels: [rows, { segments: [0, 1, 2], indices: [1, 0] }, block] }],
    ['segments beyond the indices', { levels: [rows, { segments: [0, 1, 1, 3], indices: [1, 0] }, block] }],
    ['an index beyond the axis', { levels: [rows, { segments: [0, 1, 1, 2], indices: [1, 2] }, block] }],
    ['more places than elements', { levels: [rows, { segments: [0, 2, 2, 3], indices: [0, 1, 0] }, block] }],
    ['a whole that no machine holds', { order: [0, 1], blocks: [], levels: huge.map((size) => ({ size })) }, huge],
  ])('is refused with %s', (_, change, shape = [3, 4]) => {
    const wrong = { ...example, whole: { ...example.whole, shape }, sparsity: { order, blocks, levels, ...change } };
    expect(() => importTflite(modelBytes(modelOf(wrong)))).toThrowError(/U1004.*the sparse constant is not valid/);
  });
});
