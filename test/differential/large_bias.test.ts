/** Primitives begin sums with the bias: where it is large, every product is rounded to its last place, as the bounds allow. */
import { expect, it } from 'vitest';
import { agreement } from '../../src/cli/agreement.ts';
import { compiledSide } from '../../src/cli/sides.ts';
import { GraphBuilder, type ITensor, sizeOf, tensor } from '../../src/ir/index.ts';
import { nnConv } from '../../src/ir/ops/nn_conv.op.ts';
import { compileGraph } from '../../src/runtime/compile_graph.ts';

const waves = (shape: readonly number[], step: number): ITensor<'f32'> =>
  tensor(
    'f32',
    Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * step)),
    shape,
  ) as ITensor<'f32'>;

it.each([1, 2, 3])('a convolution over %i axes', async (rank) => {
  const repeat = <T>(value: T) => Array<T>(rank).fill(value);
  const [x, w] = [waves([2, 3, ...repeat(9)], 7), waves([4, 3, ...repeat(2)], 3)];
  const b = new GraphBuilder();
  const bias = b.constant(tensor('f32', [0.5, 255.5, -4096.25, 1e6]));
  const graph = b.finish([
    b.emit(
      nnConv,
      { x: b.input('x', 'f32', x.shape), w: b.constant(w), bias },
      { strides: repeat(1), pads: repeat([0, 0]).flat(), dilations: repeat(1) },
    ),
  ]);
  const side = compiledSide(compileGraph(graph, { threads: 1 }), graph, 1);
  const seen = await side.observe?.({ x });
  expect(agreement({ graph, engine: 'compiled' }, { x }, seen ?? new Map()).divergence).toBeUndefined();
});
