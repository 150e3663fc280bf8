import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveTarget } from '../../../src/codegen/targets.ts';
import { type Graph, GraphBuilder, nodesOf, type Value, type ValueId, verify } from '../../../src/ir/index.ts';
import { nnAbs } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnConcat, nnIdentity } from '../../../src/ir/ops/nn_movement.op.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';

const canonical = (graph: Graph): Graph =>
  canonicalize.run(graph, { target: resolveTarget('onednn'), note: () => {} }).graph;

describe('a node of many operands', () => {
  it('reads the replacements of its operands, each in its place', () => {
    // each operand: a number of identities over one of a few values, or over an operand before
    const operand = fc.record({ over: fc.nat(60), identities: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(operand, { minLength: 1, maxLength: 80 }), (operands) => {
        const b = new GraphBuilder();
        const x = b.input('x', 'f32', [1]);
        const roots: Value<'f32'>[] = [x, b.emit(nnAbs, { x })];
        const made = [...roots];
        const meant: ValueId[] = roots.map(({ id }) => id);
        for (const { over, identities } of operands) {
          const at = over % made.length;
          let value = made[at];
          for (let i = 0; i < identities; i++) value = b.emit(nnIdentity, { x: value });
          made.push(value);
          meant.push(meant[at]);
        }
        const joined = b.emit(nnConcat, { xs: made }, { axis: 0 });
        const graph = b.finish([b.emit(nnAbs, { x: joined })]);
        const after = canonical(graph);
        expect(verify(after)).toEqual([]);
        expect(
          nodesOf(after)
            .map(({ op }) => op)
            .sort(),
        ).toEqual(['nn.abs', 'nn.abs', 'nn.concat']);
        expect(nodesOf(after).find(({ op }) => op === 'nn.concat')?.operands).toEqual(meant);
        expect(nodesOf(graph).find(({ op }) => op === 'nn.concat')?.operands).toEqual(made.map(({ id }) => id));
      }),
    );
  });

  it('may have hundreds of thousands of operands, and chains may be as deep', () => {
    const b = new GraphBuilder();
    let deep: Value<'f32'> = b.input('x', 'f32', [1]);
    for (let i = 0; i < 3000; i++) deep = b.emit(nnIdentity, { x: deep });
    const xs = Array.from({ length: 2000 }, () => b.emit(nnIdentity, { x: deep }));
    const wide = Array.from({ length: 100 }, () => xs).flat();
    const after = canonical(b.finish([b.emit(nnConcat, { xs: wide }, { axis: 0 })]));
    expect(nodesOf(after)).toHaveLength(1);
    expect(new Set(nodesOf(after)[0].operands)).toEqual(new Set(['x']));
    expect(nodesOf(after)[0].operands).toHaveLength(200_000);
  });

  it('goes away when nobody reads it, with all that only it reads', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'f32', [1]);
    const a = b.emit(nnAbs, { x });
    b.emit(nnConcat, { xs: new Array(200_000).fill(a) }, { axis: 0 });
    expect(nodesOf(canonical(b.finish([b.emit(nnAbs, { x })])))).toHaveLength(1);
  });
});
