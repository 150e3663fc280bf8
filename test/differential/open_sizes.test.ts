/** Sizes that only the values of a tensor decide: of what is not zero, and of boxes that are left. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPeer, type Feeds } from '../../src/cli/onnxruntime.ts';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import {
  addDims,
  type Graph,
  GraphBuilder,
  type ITensor,
  interpret,
  nnAdd,
  nnConcat,
  nnGather,
  nnNonMaxSuppression,
  nnNonZero,
  nnRelu,
  nnReshape,
  nnSlice,
  nnTranspose,
  parse,
  print,
} from '../../src/ir/index.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { sizeOf, tensor, toPublic } from '../../src/tensors/tensor.ts';
import { random } from '../native/support.ts';
import { draws } from '../support/draws.ts';

const drawn = (shape: readonly number[], next: () => number): ITensor =>
  tensor('f32', Float32Array.from({ length: sizeOf(shape) }, next), shape);

/** The same on the addon, as text, in ONNX Runtime, and read back from ONNX. */
async function expectSameEverywhere(graph: Graph, feeds: Readonly<Record<string, ITensor>>): Promise<void> {
  const expected = interpret(graph, feeds);
  const publicFeeds = Object.fromEntries(Object.entries(feeds).map(([id, t]) => [id, toPublic(t)]));
  expect(interpret(parse(print(graph)), feeds)).toEqual(expected);
  const bytes = exportOnnx(graph);
  expect(Object.values(interpret(importOnnx(bytes), feeds))).toEqual(Object.values(expected));
  const model = new Model(compileGraph(graph));
  const peer = await createPeer(bytes, { threads: 1 });
  const results = [
    model.runSync(publicFeeds),
    await model.run(publicFeeds),
    await peer.run(publicFeeds as unknown as Feeds),
  ];
  model.dispose();
  await peer.dispose();
  for (const found of results)
    for (const [id, { shape, data }] of Object.entries(expected)) {
      expect([...found[id].dims]).toEqual(shape);
      expect(found[id].data).toEqual(data);
    }
}

/** Rows of a native result at the positions that are not zero, the first three of them, and their number twice as a shape. */
function rowsThatAreNotZero(): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'f32', [9, 4]);
  const rows = b.emit(nnAdd, { a: x, b: b.emit(nnRelu, { x }) });
  const found = b.emit(nnNonZero, { x: b.input('chosen', 'f32', [9]) }, { symbol: 'count.1' });
  const count = 'count.1';
  const indices = b.emit(nnReshape, { x: found }, { shape: [count] });
  const gathered = b.emit(nnGather, { x: rows, indices });
  const first = b.emit(nnSlice, { x: gathered }, { starts: [0], ends: [3], axes: [0], steps: [1] });
  const twice = b.emit(nnConcat, { xs: [gathered, gathered] }, { axis: 0 });
  const flat = b.emit(nnReshape, { x: twice }, { shape: [addDims(count, count), 2, 2] });
  return b.finish([first, flat, rows]);
}

describe('elements that are not zero', () => {
  it('none, some, all', async () => {
    for (const seed of [0, 1, 2, 3, 4]) {
      const next = random(seed);
      const chosen = drawn([9], () => Number(next() < seed / 4));
      await expectSameEverywhere(rowsThatAreNotZero(), { x: drawn([9, 4], () => next() - 0.5), chosen });
    }
  });

  it('of any shape', async () => {
    const shape = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(shape, fc.nat(0xffff), async (shape, seed) => {
        const next = random(seed);
        const b = new GraphBuilder();
        const found = b.emit(nnNonZero, { x: b.input('x', 'f32', shape) }, { symbol: 'count.1' });
        const graph = b.finish([b.emit(nnTranspose, { x: found }, { perm: [1, 0] })]);
        await expectSameEverywhere(graph, { x: drawn(shape, () => Math.floor(next() * 2)) });
      }),
      draws(30),
    );
  });
});

it('boxes that are left', async () => {
  const draw = fc.record({
    batch: fc.integer({ min: 1, max: 2 }),
    classes: fc.integer({ min: 1, max: 3 }),
    count: fc.integer({ min: 1, max: 30 }),
    maxPerClass: fc.integer({ min: 0, max: 20 }),
    overlapThreshold: fc.constantFrom(0, 0.25, 0.5, 1),
    scoreThreshold: fc.constantFrom(Number.NEGATIVE_INFINITY, 0, 0.4),
    byCentre: fc.boolean(),
    seed: fc.nat(0xffff),
  });
  await fc.assert(
    fc.asyncProperty(draw, async ({ batch, classes, count, seed, ...attrs }) => {
      const next = random(seed);
      const b = new GraphBuilder();
      const operands = {
        boxes: b.input('boxes', 'f32', [batch, count, 4]),
        scores: b.input('scores', 'f32', [batch, classes, count]),
      };
      const rows = b.emit(nnNonMaxSuppression, operands, { ...attrs, symbol: 'count.1' });
      const graph = b.finish([
        b.emit(nnGather, { x: rows, indices: b.constant(tensor('s64', [2n] as never, [])) }, { axis: 1 }),
        rows,
      ]);
      await expectSameEverywhere(graph, {
        boxes: drawn([batch, count, 4], () => Math.floor(next() * 12) / 4),
        scores: drawn([batch, classes, count], () => Math.floor(next() * 10) / 10),
      });
    }),
    draws(30),
  );
});
