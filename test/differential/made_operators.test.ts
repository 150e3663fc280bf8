/** Operators that are read as others and constants made for them, beside ONNX Runtime. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPeer, type Feeds } from '../../src/cli/onnxruntime.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { checkFeeds, type ITensor, interpret, nodesOf, specialize } from '../../src/ir/index.ts';
import { sizeOf, tensor, toPublic } from '../../src/tensors/tensor.ts';
import { random } from '../native/support.ts';
import { draws } from '../support/draws.ts';
import { type Model, type ModelInitializer, type ModelNode, writeModel } from '../support/onnx.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const floats = (shape: readonly number[], seed: number): ITensor<'f32'> => {
  const next = random(seed);
  return tensor(
    'f32',
    Float32Array.from({ length: sizeOf(shape) }, () => next() - 0.5),
    shape,
  ) as ITensor<'f32'>;
};
const integers = (name: string, values: readonly number[], shape: readonly number[] = [values.length]) => ({
  name,
  tensor: tensor('s64', values.map(BigInt) as never, shape),
});

/** One node on inputs: nothing in it is opaque, and its results are near those of ONNX Runtime. */
async function expectNear(
  node: ModelNode,
  feeds: Readonly<Record<string, ITensor>>,
  initializers: readonly ModelInitializer[] = [],
  { opset = 18, areSizesKnown = true } = {},
): Promise<void> {
  const types = { f32: 'float32', s64: 'int64', bool: 'bool' } as const;
  const model: Model = {
    nodes: [node],
    inputs: Object.entries(feeds).map(([name, { dtype, shape }]) => ({
      name,
      type: types[dtype as keyof typeof types],
      dims: shape.map((size, axis) => (areSizesKnown ? size : `${name}${axis}`)),
    })),
    outputs: node.outputs.map((name) => ({ name })),
    initializers,
    opsets: { '': opset },
  };
  const bytes = writeModel(model);
  const graph = importOnnx(bytes);
  expect(nodesOf(graph).filter(({ op }) => op === 'opaque')).toEqual([]);
  const peer = await createPeer(bytes, { threads: 1 });
  const publicFeeds = Object.fromEntries(Object.entries(feeds).map(([id, t]) => [id, toPublic(t)]));
  const results = await peer.run(publicFeeds as unknown as Feeds);
  await peer.dispose();
  for (const [name, { shape, data }] of Object.entries(interpret(specialize(graph, checkFeeds(graph, feeds)), feeds))) {
    expect([...results[name].dims]).toEqual(shape);
    const actual = results[name].data as Float32Array;
    for (let i = 0; i < data.length; i++) {
      if (Object.is(Number(actual[i]), Number(data[i]))) continue;
      expect(Math.abs(Number(actual[i]) - Number(data[i]))).toBeLessThan(1e-4);
    }
  }
}

describe('beside ONNX Runtime', () => {
  it('Col2Im', async () => {
    const draw = fc.record({
      channels: int(1, 3),
      block: fc.tuple(int(1, 3), int(1, 3)),
      strides: fc.tuple(int(1, 3), int(1, 3)),
      dilations: fc.tuple(int(1, 2), int(1, 2)),
      pads: fc.tuple(int(0, 1), int(0, 1), int(0, 1), int(0, 1)),
      image: fc.tuple(int(5, 9), int(5, 9)),
      seed: fc.nat(0xffff),
    });
    await fc.assert(
      fc.asyncProperty(draw, async ({ channels, block, strides, dilations, pads, image, seed }) => {
        const count = image.map(
          (size, i) => Math.floor((size + pads[i] + pads[i + 2] - dilations[i] * (block[i] - 1) - 1) / strides[i]) + 1,
        );
        const x = floats([1, channels * block[0] * block[1], count[0] * count[1]], seed);
        await expectNear(
          { op: 'Col2Im', inputs: ['x', 'image', 'block'], outputs: ['y'], attrs: { strides, dilations, pads } },
          { x },
          [integers('image', image), integers('block', block)],
        );
      }),
      draws(40),
    );
  });

  it('EyeLike, of sizes that are known or not', async () => {
    await fc.assert(
      fc.asyncProperty(int(1, 5), int(1, 5), int(-3, 3), fc.boolean(), async (rows, columns, k, areSizesKnown) => {
        const node = { op: 'EyeLike', inputs: ['x'], outputs: ['y'], attrs: { k } };
        await expectNear(node, { x: floats([rows, columns], 1) }, [], { areSizesKnown });
      }),
      draws(20),
    );
  });

  it('BatchNormalization of the batch', async () => {
    const shape = fc.tuple(int(1, 3), int(1, 4), int(1, 5), int(1, 5));
    await fc.assert(
      fc.asyncProperty(shape, fc.nat(0xffff), async (shape, seed) => {
        const names = ['scale', 'bias', 'mean', 'var'];
        const node = {
          op: 'BatchNormalization',
          inputs: ['x', ...names],
          outputs: ['y'],
          attrs: { training_mode: 1, epsilon: { f: 0.01 } },
        };
        const more = names.map((name, i) => ({ name, tensor: floats([shape[1]], seed + i) }));
        await expectNear({ ...node, outputs: ['y', 'means', 'variances'] }, { x: floats(shape, seed) }, more);
      }),
      draws(20),
    );
  });

  it('OneHot', async () => {
    await fc.assert(
      fc.asyncProperty(int(-1, 2), int(1, 5), async (axis, depth) => {
        const node = { op: 'OneHot', inputs: ['i', 'depth', 'values'], outputs: ['y'], attrs: { axis } };
        const i = integers('i', [0, 1, -1, 7, -9, 2], [2, 3]).tensor;
        const values = { name: 'values', tensor: tensor('f32', [0.5, 2], [2]) };
        await expectNear(node, { i }, [integers('depth', [depth], []), values], { opset: 11 });
      }),
      draws(20),
    );
  });

  it('Trilu, of sizes and a diagonal that are known or not', async () => {
    const far = fc.constantFrom(-3, -2, -1, 0, 1, 2, 3, -(2 ** 52), 2 ** 52);
    const known = fc.record({ areSizesKnown: fc.boolean(), isDiagonalKnown: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(int(1, 4), int(1, 4), far, fc.boolean(), known, async (rows, columns, k, upper, options) => {
        const node = { op: 'Trilu', inputs: ['x', 'k'], outputs: ['y'], attrs: { upper: Number(upper) } };
        const x = floats([2, rows, columns], 3);
        const diagonal = integers('k', [k], []);
        const [feeds, constants] = options.isDiagonalKnown ? [{ x }, [diagonal]] : [{ x, k: diagonal.tensor }, []];
        await expectNear(node, feeds, constants, options);
      }),
      draws(30),
    );
  });

  it('IsNaN and IsInf', async () => {
    const x = tensor('f32', [0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, -1], [2, 3]);
    await expectNear({ op: 'IsNaN', inputs: ['x'], outputs: ['y'] }, { x });
    for (const detect_negative of [0, 1])
      for (const detect_positive of [0, 1])
        await expectNear(
          { op: 'IsInf', inputs: ['x'], outputs: ['y'], attrs: { detect_negative, detect_positive } },
          { x },
        );
  });
});
