/** The pass puts back nodes that changed for nothing, and yields patches for it. */
import { applyPatches, enablePatches } from 'immer';
import { describe, expect, it } from 'vitest';
import { resolveTarget } from '../../../src/codegen/targets.ts';
import { interpret, parse, print, tensor } from '../../../src/ir/index.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { leaveUntouched } from '../../../src/passes/leave_untouched.ts';
import { runPipeline } from '../../../src/passes/manager.ts';

enablePatches();
const target = resolveTarget('symmetric');
/** Two parts that canonicalization tidies up, one of them around a product with a zero point. */
const graph = parse(`graph @main(%x: u8[2,3], %f: f32[2,3]) -> (%y, %g) {
  %x1 = nn.identity(%x) : u8[2,3]
  %x2 = nn.identity(%x1) : u8[2,3]
  %y = qnn.matmul(%x2, @w, za=7:u8) : s32[2,2]
  %f1 = nn.identity(%f) : f32[2,3]
  %f2 = nn.transpose(%f1) {perm=[1,0]} : f32[3,2]
  %f3 = nn.transpose(%f2) {perm=[1,0]} : f32[2,3]
  %g = nn.relu(%f3) : f32[2,3]
}
constants {
  @w : s8[3,2] = base64"${Buffer.from([1, 2, 3, 4, 5, 6]).toString('base64')}"
}
`);
const feeds = { x: tensor('u8', [9, 8, 7, 6, 5, 4], [2, 3]), f: tensor('f32', [1, -1, 2, -2, 3, -3], [2, 3]) };

describe('a layer that needs no correction', () => {
  const tidy = runPipeline(graph, [canonicalize], { target }).graph;
  const { graph: after, trace } = runPipeline(tidy, [leaveUntouched(graph)], { target });

  it('is put back node by node, and the rest stays as it is now', () => {
    expect(Object.keys(tidy.nodes).sort()).toEqual(['g', 'y']);
    expect(Object.keys(after.nodes).sort()).toEqual(['f1', 'f2', 'f3', 'g', 'y']);
    for (const id of ['f1', 'f2', 'f3', 'g'] as never[]) expect(after.nodes[id]).toBe(graph.nodes[id]);
    expect(after.nodes['y' as never]).toBe(tidy.nodes['y' as never]);
    expect(interpret(after, feeds)).toEqual(interpret(graph, feeds));
  });

  it('is told by patches that replay and undo it', () => {
    const [{ patches, inversePatches }] = trace;
    expect(print(applyPatches(tidy, [...patches]))).toBe(print(after));
    expect(print(applyPatches(after, [...inversePatches]))).toBe(print(tidy));
    expect(patches.length).toBeLessThan(12); // the difference, not the whole graph
  });

  it('is all of a graph without zero points: the graph itself', () => {
    const plain = parse(print(graph).replace(', za=7:u8', ''));
    const now = runPipeline(plain, [canonicalize], { target }).graph;
    const { graph: back } = runPipeline(now, [leaveUntouched(plain)], { target });
    for (const [id, node] of Object.entries(plain.nodes)) expect(back.nodes[id as never]).toBe(node);
    expect(print(back)).toBe(print(plain));
  });
});
