/** Images at computed points and cubic interpolation: on the addon as on the interpreter, and near ONNX Runtime. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPeer, type Feeds } from '../../src/cli/onnxruntime.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import { type Graph, GraphBuilder, type ITensor, interpret } from '../../src/ir/index.ts';
import { nnGridSample } from '../../src/ir/ops/nn_grid_sample.op.ts';
import { nnResize } from '../../src/ir/ops/nn_resize.op.ts';
import { sizeOf, tensor, toPublic } from '../../src/tensors/tensor.ts';
import { kernelIsas, random } from '../native/support.ts';
import { draws } from '../support/draws.ts';
import { expectAgreementOn } from './agreement.ts';

const int = (min: number, max: number) => fc.integer({ min, max });
const setting = fc.record({ isa: fc.constantFrom(...kernelIsas), threads: int(1, 2) });
const seed = fc.nat(0xffff);

const drawn = (shape: readonly number[], next: () => number): ITensor =>
  tensor('f32', Float32Array.from({ length: sizeOf(shape) }, next), shape);

/** The graph written as ONNX computes nearly the same in ONNX Runtime, and read back exactly the same. */
async function expectNear(graph: Graph, feeds: Readonly<Record<string, ITensor>>): Promise<void> {
  const bytes = exportOnnx(graph);
  const expected = interpret(graph, feeds);
  expect(interpret(importOnnx(bytes), feeds)).toEqual(expected);
  const peer = await createPeer(bytes, { threads: 1 });
  const publicFeeds = Object.fromEntries(Object.entries(feeds).map(([id, t]) => [id, toPublic(t)]));
  const results = await peer.run(publicFeeds as unknown as Feeds);
  await peer.dispose();
  for (const [id, { data }] of Object.entries(expected)) {
    const actual = results[id].data as Float32Array;
    for (let i = 0; i < data.length; i++) expect(Math.abs(actual[i] - Number(data[i]))).toBeLessThan(1e-4);
  }
}

describe('samples of images', () => {
  const draw = fc.record({
    image: fc.tuple(int(1, 2), int(1, 20), int(1, 7), int(1, 7)),
    points: fc.tuple(int(1, 4), int(1, 4)),
    mode: fc.constantFrom('linear' as const, 'nearest' as const),
    padding: fc.constantFrom('zeros' as const, 'border' as const, 'reflection' as const),
    alignsCorners: fc.boolean(),
    seed,
  });
  type Drawn = typeof draw extends fc.Arbitrary<infer D> ? D : never;

  /** `special`: some coordinates are halves of elements, far away, or no numbers. */
  function made({ image, points, seed, ...attrs }: Drawn, special: boolean) {
    const next = random(seed);
    const shape = [image[0], ...points, 2];
    const others = [0, -1, 1, 0.5, -3, 1e30, Number.POSITIVE_INFINITY, Number.NaN];
    const coordinate = () =>
      special && next() < 0.3 ? others[Math.floor(next() * others.length)] : 3.2 * (next() - 0.5);
    const b = new GraphBuilder();
    const operands = { x: b.input('x', 'f32', [...image]), grid: b.input('grid', 'f32', shape) };
    const graph = b.finish([b.emit(nnGridSample, operands, attrs)]);
    return { graph, feeds: { x: drawn(image, () => next() - 0.5), grid: drawn(shape, coordinate) } };
  }

  it('on the addon as on the interpreter', () => {
    fc.assert(
      fc.property(draw, setting, (given, by) => {
        const { graph, feeds } = made(given, true);
        expectAgreementOn(graph, feeds, by);
      }),
      draws(150),
    );
  });

  it('near ONNX Runtime, written and read back', async () => {
    await fc.assert(
      fc.asyncProperty(draw, async (given) => {
        // of an image of one element aligned at its corners both ends are the same, which ONNX Runtime divides by
        fc.pre(!given.alignsCorners || (given.image[2] > 1 && given.image[3] > 1));
        const { graph, feeds } = made(given, false);
        await expectNear(graph, feeds);
      }),
      draws(75),
    );
  });
});

describe('cubic interpolation', () => {
  const draw = fc.record({
    image: fc.tuple(int(1, 2), int(1, 20), int(1, 9), int(1, 9)),
    to: fc.tuple(int(1, 20), int(1, 20)),
    coordinates: fc.constantFrom('half_pixel', 'pytorch_half_pixel', 'asymmetric', 'align_corners'),
    cubicFactor: fc.constantFrom(-0.75, -0.5),
    excludesOutside: fc.boolean(),
    seed,
  });
  type Drawn = typeof draw extends fc.Arbitrary<infer D> ? D : never;

  function made({ image, to, seed, coordinates, ...attrs }: Drawn) {
    const next = random(seed);
    const shape = [image[0], image[1], ...to];
    const b = new GraphBuilder();
    const given = { shape, scales: [1, 1, 0, 0], mode: 'cubic', coordinates, ...attrs } as const;
    const graph = b.finish([b.emit(nnResize, { x: b.input('x', 'f32', [...image]) }, given as never)]);
    return { graph, feeds: { x: drawn(image, () => next() - 0.5) } };
  }

  it('on the addon as on the interpreter', () => {
    fc.assert(
      fc.property(draw, setting, (given, by) => {
        const { graph, feeds } = made(given);
        expectAgreementOn(graph, feeds, by);
      }),
      draws(100),
    );
  });

  it('near ONNX Runtime, written and read back', async () => {
    await fc.assert(
      fc.asyncProperty(draw, async (given) => {
        const { graph, feeds } = made(given);
        await expectNear(graph, feeds);
      }),
      draws(50),
    );
  });
});
