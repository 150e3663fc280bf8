/** Floats with an operand that is broadcast along any of its axes, on addon and interpreter: the same bits. */
import { it } from 'vitest';
import { GraphBuilder, sizeOf, tensor } from '../../src/ir/index.ts';
import { nnAdd, nnDiv, nnMul, nnSub } from '../../src/ir/ops/nn_elementwise_binary.op.ts';
import { addonAvailable } from '../../src/runtime/addon.ts';
import { describeUnless } from '../support/unless.ts';
import { expectSame } from './support.ts';

const special = [Number.NaN, Number.POSITIVE_INFINITY, -0, 1e38, 1e-42];
const made = (shape: readonly number[], seed: number) =>
  tensor(
    'f32',
    Float32Array.from(
      { length: sizeOf(shape) },
      (_, i) => special[(i * 7 + seed) % 61] ?? ((i * 37 + seed) % 101) / 7 - 5,
    ),
    shape,
  );

const shapes = [[7], [3, 5], [2, 3, 4], [1, 3, 17, 5], [2, 3, 4, 5], [2, 1, 3, 2, 5], [2, 0, 3]];

const addon = addonAvailable();

for (const op of [nnAdd, nnSub, nnMul, nnDiv])
  describeUnless(addon.available ? undefined : addon.reason, op.name, () => {
    it.each(shapes.map((shape) => ({ shape })))('of [$shape]', async ({ shape }) => {
      for (let kept = 0; kept < 2 ** shape.length; kept++) {
        const other = shape.map((size, axis) => ((kept >> axis) & 1 ? size : 1));
        const b = new GraphBuilder();
        const operands = { a: b.input('x', 'f32', shape), b: b.input('other', 'f32', other) };
        const graph = b.finish([b.emit(op, operands)]);
        (await expectSame(graph, { x: made(shape, 1), other: made(other, 2) })).dispose();
      }
    });
  });
