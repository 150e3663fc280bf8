/** Groups of nodes that one command computes: every order of them computes operands first, and chains are one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clustersOf, readOutside } from '../../../src/codegen/onednn/lower/elementwise_clusters.ts';
import { type Graph, GraphBuilder, topologicalOrder, type Value } from '../../../src/ir/index.ts';
import { nnAdd, nnMul } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnExp, nnRelu, nnSigmoid } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnTranspose } from '../../../src/ir/ops/nn_movement.op.ts';

const SHAPE = [2, 3];
type F32 = Value<'f32'>;

const operators = ['relu', 'exp', 'add', 'mul', 'transpose', 'wider'] as const;
const drawn = fc.record({ op: fc.constantFrom(...operators), a: fc.nat(), b: fc.nat(), isOutput: fc.boolean() });

/** Values of SHAPE and of a wider one to which they broadcast; transpositions are computed outside of groups. */
const graphs = fc.array(drawn, { minLength: 1, maxLength: 60 }).map((nodes): Graph => {
  const b = new GraphBuilder();
  const wide = b.input('w', 'f32', [2, 2, 3]);
  const values: F32[] = [b.input('x', 'f32', SHAPE), b.input('y', 'f32', SHAPE)];
  const outputs: F32[] = [];
  for (const { op, a, b: other, isOutput } of nodes) {
    const [x, z] = [values[a % values.length], values[other % values.length]];
    const made = {
      relu: () => b.emit(nnRelu, { x }),
      exp: () => b.emit(nnExp, { x }),
      add: () => b.emit(nnAdd, { a: x, b: z }),
      mul: () => b.emit(nnMul, { a: x, b: z }),
      transpose: () => {
        const rank = x.type.shape.length;
        const perm = Array.from({ length: rank }, (_, i) => i);
        return b.emit(nnTranspose, { x }, { perm });
      },
      wider: () => b.emit(nnAdd, { a: x, b: wide }),
    }[op]() as F32;
    values.push(made);
    if (isOutput) outputs.push(made);
  }
  return b.finish(outputs.length > 0 ? outputs : values.slice(-1));
});

const opsOf = (graph: Graph) =>
  clustersOf(graph, topologicalOrder(graph).order).map((nodes) => nodes.map(({ op }) => op.slice(3)));

describe('groups of nodes', () => {
  it('have each node once, behind its operands', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const { order } = topologicalOrder(graph);
        const clusters = clustersOf(graph, order);
        expect(clusters.flat().toSorted((p, q) => order.indexOf(p) - order.indexOf(q))).toEqual(order);
        const made = new Set<string>(graph.inputs);
        const isRead = readOutside(clusters, graph.outputs);
        for (const nodes of clusters) {
          const inside = new Set<string>();
          for (const { operands, results } of nodes) {
            for (const id of operands) expect(id === null || inside.has(id) || made.has(id)).toBe(true);
            inside.add(results[0]);
          }
          // what others read is all that is in memory behind the group
          for (const id of inside) if (isRead.has(id as never)) made.add(id);
          if (nodes.length > 1) expect(nodes.length).toBeLessThanOrEqual(24);
        }
        for (const id of graph.outputs) expect(made.has(id)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('are chains, and the branches that meet in them', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'f32', SHAPE);
    const gate = b.emit(nnSigmoid, { x });
    expect(opsOf(b.finish([b.emit(nnRelu, { x: b.emit(nnMul, { a: b.emit(nnExp, { x }), b: gate }) })]))).toEqual([
      ['sigmoid', 'exp', 'mul', 'relu'],
    ]);
  });

  it('end where a node outside reads a value', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'f32', [3, 3]);
    const read = b.emit(nnRelu, { x: b.emit(nnExp, { x }) });
    const moved = b.emit(nnTranspose, { x: read }, { perm: [1, 0] });
    expect(opsOf(b.finish([b.emit(nnAdd, { a: read, b: moved })]))).toEqual([['exp', 'relu'], ['transpose'], ['add']]);
  });

  it('are of bounded length', () => {
    const b = new GraphBuilder();
    let x = b.input('x', 'f32', SHAPE);
    for (let i = 0; i < 100; i++) x = b.emit(nnRelu, { x }) as F32;
    expect(opsOf(b.finish([x])).map((ops) => ops.length)).toEqual([24, 24, 24, 24, 4]);
  });
});
