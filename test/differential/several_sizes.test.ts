/** One model at many sizes: its sessions share packed weights, come and go, and equal the interpreter. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Graph, GraphBuilder, interpret, specialize, tensor } from '../../src/ir/index.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';
import { qnnDynamicQuantize } from '../../src/ir/ops/qnn_dynamic_quantize.op.ts';
import { qnnMatmul } from '../../src/ir/ops/qnn_matmul.op.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';
import { Model } from '../../src/runtime/model.ts';
import { toPublic } from '../../src/tensors/tensor.ts';
import { feedsOf } from '../../src/testing/index.ts';
import { draws } from '../support/draws.ts';

const bytes = (shape: readonly number[], seed: number) =>
  tensor(
    'u8',
    Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 37 + seed) % 256),
    shape,
  );

/** A convolution and a matrix product over weights with zero points, in all sizes that the symbols take. */
function network(): Graph {
  const b = new GraphBuilder();
  const image = b.emit(qnnDynamicQuantize, { x: b.input('image', 'f32', ['N', 16, 'H', 9]) });
  const rows = b.emit(qnnDynamicQuantize, { x: b.input('rows', 'f32', ['M', 40]) });
  const attrs = { strides: [1, 2], dilations: [1, 1], pads: [1, 1, 1, 1], group: 1 };
  const conv = b.emit(
    qnnConv,
    { x: image.y, w: b.constant(bytes([70, 16, 3, 3], 1)), zx: image.zp, zw: b.constant(bytes([70], 5)) },
    attrs,
  );
  const product = b.emit(qnnMatmul, {
    a: rows.y,
    b: b.constant(bytes([40, 70], 2)),
    za: rows.zp,
    zb: b.constant(tensor('u8', [131], [])),
  });
  return b.finish([conv, product]);
}

it('every size equals the interpreter, whatever was run before', async () => {
  const graph = network();
  const size = fc.integer({ min: 1, max: 9 });
  const sizes = fc.array(fc.tuple(size, size, size), { minLength: 3, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 2 }),
      async (all, kept, threads) => {
        const model = new Model(compileGraph(graph, { threads }), { threads, keptShapes: kept });
        const run = async ([n, h, m]: readonly [number, number, number]) => {
          const sized = specialize(graph, new Map(Object.entries({ N: n, H: h, M: m })));
          const feeds = feedsOf(sized, { pattern: 'random', seed: n * 100 + h });
          const given = Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, toPublic(t)]));
          const results = await model.run(given);
          for (const [name, expected] of Object.entries(interpret(graph, feeds)))
            expect(results[name].data).toEqual(expected.data);
        };
        for (const one of all) await run(one);
        await Promise.all(all.map(run)); // sessions in use are no reason to drop the one that comes next
        model.dispose();
      },
    ),
    draws(12),
  );
});
