import fc from 'fast-check';
import { expect, it } from 'vitest';
import { evaluateBounded } from '../../../src/cli/running_error.ts';
import {
  evaluateNode,
  GraphBuilder,
  nnAbs,
  nnClip,
  nnCos,
  nnHardSigmoid,
  nnRelu,
  nnSin,
  nodesOf,
  type OpWith,
  tensor,
} from '../../../src/ir/index.ts';

it.each(Object.entries({ nnSin, nnCos }))(
  '%s of a number that is off by more than a period may be anything',
  (_, op) => {
    const b = new GraphBuilder();
    const graph = b.finish([b.emitList(op, [b.input('x', 'f32', [1])], {})[0]]);
    const [node] = nodesOf(graph);
    const one = (v: number) => tensor('f32', [v], [1]);
    fc.assert(
      fc.property(
        fc.double({ min: -40, max: 40, noNaN: true }),
        fc.double({ min: 0, max: 9, noNaN: true }),
        (x, error) => {
          const operand = { tensor: one(x), error: Float64Array.of(error), samples: [1, 1, 1].map(() => one(x)) };
          const [{ tensor: y, error: bound }] = evaluateBounded(node, [operand], 'once');
          for (const off of [-1, -0.7, -0.4, 0.4, 0.7, 1]) {
            const [other] = evaluateNode(node, [one(x + off * error)]);
            const distance = Math.abs(Number(other.data[0]) - Number(y.data[0]));
            expect(distance).toBeLessThanOrEqual((bound?.[0] ?? 0) + 2 ** -18);
          }
        },
      ),
    );
  },
);

const functions: Readonly<Record<string, OpWith<'x'>>> = { nnHardSigmoid, nnClip, nnRelu, nnAbs };

it.each(Object.entries(functions))(
  '%s of a number that is a little off is within its bound, where samples round alike too',
  (_, op) => {
    const value = fc.integer({ min: -(2 ** 24), max: 2 ** 24 }).map((n) => n / 2 ** 22);
    fc.assert(
      fc.property(value, fc.nat(16), fc.integer({ min: -16, max: 16 }), (x, places, off) => {
        const b = new GraphBuilder();
        const graph = b.finish([b.emitList(op, [b.input('x', 'f32', [1])], {})[0]]);
        const [node] = nodesOf(graph);
        const unit = Math.max(Math.abs(x), 2 ** -100) * 2 ** -26;
        const [error, moved] = [places * unit, Math.fround(x + (off * places * unit) / 16)];
        const one = (v: number) => tensor('f32', [v], [1]);
        // three samples may all have moved to one side
        const samples = [1, 1, 1].map((side) => one(x + side * error));
        const operand = { tensor: one(x), error: Float64Array.of(error), samples };
        const [{ tensor: y, error: bound }] = evaluateBounded(node, [operand], 'once');
        fc.pre(Math.abs(moved - x) <= error);
        const [other] = evaluateNode(node, [one(moved)]);
        expect(Math.abs(Number(other.data[0]) - Number(y.data[0]))).toBeLessThanOrEqual(bound?.[0] ?? 0);
      }),
      { numRuns: 500 },
    );
  },
);
