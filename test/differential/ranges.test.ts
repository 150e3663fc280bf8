/** Numbers that follow from sizes run natively, and equal the interpreter. */
import fc from 'fast-check';
import { it } from 'vitest';
import { GraphBuilder } from '../../src/ir/index.ts';
import { nnRange } from '../../src/ir/ops/nn_range.op.ts';
import { draws } from '../support/draws.ts';
import { expectAgreement } from './agreement.ts';

const types = ['s16', 's32', 's64', 'f32', 'f64'] as const;

it('ranges of every type, with starts and steps of the run', () => {
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.integer({ min: 1, max: 400 }), fc.nat(0xffff), (dtype, count, seed) => {
      const b = new GraphBuilder();
      const [start, delta] = [b.input('start', dtype, []), b.input('delta', dtype, [])];
      const graph = b.finish([b.emit(nnRange, { start, delta }, { count: [count] })]);
      expectAgreement(graph, { pattern: 'alternating', seed }, { isa: 'scalar', threads: 1 });
      expectAgreement(graph, { pattern: 'random', seed }, { isa: 'scalar', threads: 1 });
    }),
    draws(75),
  );
});
