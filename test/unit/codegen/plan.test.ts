import fc from 'fast-check';
import { expect, it } from 'vitest';
import { onednn } from '../../../src/codegen/onednn/index.ts';
import { partition } from '../../../src/codegen/partition.ts';
import { reference } from '../../../src/codegen/reference/index.ts';
import { type Graph, GraphBuilder, type Value } from '../../../src/ir/index.ts';
import { nnAdd } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnAbs, nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { addonAvailable, loadAddon } from '../../../src/runtime/addon.ts';
import { describeUnless } from '../../support/unless.ts';

/** A graph of f32[4] whose nodes each read one or two earlier values; the nodes in `interpreted` have no kernel. */
function graphOf(nodes: readonly { readonly interpreted: boolean; readonly reads: readonly number[] }[]): Graph {
  const b = new GraphBuilder();
  const values: Value<'f32'>[] = [b.input('x', 'f32', [4])];
  for (const { interpreted, reads } of nodes) {
    const [a, c] = reads.map((n) => values[n % values.length]);
    if (interpreted) values.push(b.emit(nnAbs, { x: a }));
    else values.push(c === undefined ? b.emit(nnRelu, { x: a }) : b.emit(nnAdd, { a, b: c }));
  }
  return b.finish(values.slice(-2));
}

/** Steps as a schedule makes them that takes all native nodes that are ready, then all others, and so on. */
function stepsByTurns(graph: Graph, isNative: (op: string) => boolean): string[][] {
  const done = new Set<string>(graph.inputs);
  const left = new Set(Object.values(graph.nodes));
  const steps: string[][] = [];
  for (let native = true; left.size > 0; native = !native) {
    const taken = [...left].filter((node) => {
      if (isNative(node.op) !== native || !node.operands.every((id) => done.has(id ?? ''))) return false;
      for (const id of node.results) done.add(id);
      return left.delete(node);
    });
    if (taken.length > 0) steps.push(taken.map(({ id }) => id));
  }
  return steps;
}

const { available } = addonAvailable();
const addon = onednn({ isa: 'vnni', threads: 1 }, loadAddon);
const native: typeof addon = {
  ...addon,
  accepts: (node, graph) => (node.op === 'nn.abs' ? 'left to the interpreter' : addon.accepts(node, graph)),
};
const interpreter = reference(native);

describeUnless(available ? undefined : 'the addon is not built', 'partition', () => {
  const partsOf = (graph: Graph) => partition(graph, [native, interpreter]);
  const node = fc.record({ interpreted: fc.boolean(), reads: fc.array(fc.nat(1000), { minLength: 1, maxLength: 2 }) });

  it('takes ready nodes in turns, and hands on values that are read later', () => {
    fc.assert(
      fc.property(fc.array(node, { minLength: 2, maxLength: 30 }), (nodes) => {
        const graph = graphOf(nodes);
        const parts = partsOf(graph);
        const ids = parts.map(({ nodes }) => nodes.map(({ id }) => id));
        expect(ids).toEqual(stepsByTurns(graph, (op) => op !== 'nn.abs'));
        parts.forEach(({ outputs, backend, refusals }, i) => {
          const later = parts.slice(i + 1).flatMap(({ inputs }) => inputs);
          expect(outputs).toEqual(ids[i].filter((id) => later.includes(id) || graph.outputs.includes(id)));
          expect(refusals.size).toBe(backend === interpreter ? ids[i].length : 0);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('makes thousands of segments', () => {
    const nodes = Array.from({ length: 3000 }, (_, i) => ({ interpreted: i % 2 === 1, reads: [i] }));
    expect(partsOf(graphOf(nodes))).toHaveLength(3000);
  });
});
