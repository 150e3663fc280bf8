import { describe, expect, test } from 'vitest';
import { resolveTarget } from '../../../src/codegen/targets.ts';
import { constantOf, type Graph, GraphBuilder, interpret, tensor, type Value } from '../../../src/ir/index.ts';
import { nnAdd, nnMul } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnExpand, nnIdentity, nnReshape, nnShape, nnTranspose } from '../../../src/ir/ops/nn_movement.op.ts';
import { opaqueOp } from '../../../src/ir/ops/opaque.op.ts';
import { qnnQuantize } from '../../../src/ir/ops/qnn_quantize.op.ts';
import { foldConstants, foldWeights } from '../../../src/passes/fold_constants.ts';
import { deq, type Float } from './qdq_graphs.ts';

const run = (graph: Graph): Graph =>
  foldConstants.run(graph, { target: resolveTarget('onednn'), note: () => {} }).graph;
const opsOf = (graph: Graph): string[] => Object.values(run(graph).nodes).map((node) => node.op);
const ones = (b: GraphBuilder, shape: readonly number[]): Float =>
  b.constant(tensor('f32', new Float32Array(shape.reduce((a, c) => a * c, 1)).fill(1), shape));

describe('constants are folded', () => {
  test('through any number of operators', () => {
    const b = new GraphBuilder();
    const sum = b.emit(nnAdd, { a: ones(b, [3]), b: b.scalar('f32', 2) });
    const y = b.emit(nnMul, { a: b.input('x', 'f32', [2, 3]), b: b.emit(nnReshape, { x: sum }, { shape: [1, 3] }) });
    const graph = b.finish([y]);
    const after = run(graph);
    expect(Object.values(after.nodes).map((node) => node.op)).toEqual(['nn.mul']);
    const x = tensor('f32', [1, 2, 3, 4, 5, 6], [2, 3]);
    expect(interpret(after, { x })).toEqual(interpret(graph, { x }));
    expect(run(after)).toBe(after);
  });
  test('quantized weights, but not dequantized ones', () => {
    const b = new GraphBuilder();
    const quantized = b.emit(
      qnnQuantize,
      { x: ones(b, [2, 2]), scale: b.scalar('f32', 0.25) },
      { dtype: 's8' },
    ) as Value<'s8'>;
    const graph = b.finish([b.emit(nnAdd, { a: b.input('x', 'f32', [2, 2]), b: deq(b, quantized, { s: 0.25 }) })]);
    const after = run(graph);
    expect(Object.values(after.nodes).map((node) => node.op)).toEqual(['qnn.dequantize', 'nn.add']);
    const [dequantize] = Object.values(after.nodes);
    expect(constantOf(after, dequantize.operands[0])).toEqual(tensor('s8', [4, 4, 4, 4], [2, 2]));
  });
  test('dequantized weights and values made of them, on request', () => {
    const b = new GraphBuilder();
    const w = b.constant(tensor('s8', [1, 2, 3, 4], [2, 2])) as Value<'s8'>;
    const relu = b.emit(nnRelu, { x: deq(b, w, { s: 0.25, z: 2 }) });
    const graph = b.finish([b.emit(nnAdd, { a: b.input('x', 'f32', [2, 2]), b: relu })]);
    const after = foldWeights('dnnl').run(graph, { target: resolveTarget('onednn'), note: () => {} }).graph;
    expect(opsOf(graph)).toEqual(['qnn.dequantize', 'nn.relu', 'nn.add']);
    const [add, ...others] = Object.values(after.nodes);
    expect(others).toEqual([]);
    expect(constantOf(after, add.operands[1])).toEqual(tensor('f32', [0, 0, 0.25, 0.5], [2, 2]));
    expect(Object.keys(after.values)).toHaveLength(3);
  });
  test('shapes that are known', () => {
    const b = new GraphBuilder();
    const [known, unknown] = [b.input('x', 'f32', [2, 3]), b.input('n', 'f32', ['N', 3])];
    const graph = b.finish([b.emit(nnShape, { x: known }), b.emit(nnShape, { x: unknown })]);
    const after = run(graph);
    expect(
      Object.values(after.nodes)
        .map((node) => node.op)
        .sort(),
    ).toEqual(['nn.identity', 'nn.shape']);
    const x = tensor('f32', new Float32Array(6), [2, 3]);
    expect(interpret(after, { x, n: x })).toEqual(interpret(graph, { x, n: x }));
  });
  test('an output keeps its name', () => {
    const b = new GraphBuilder();
    const graph = b.finish([b.emit(nnRelu, { x: ones(b, [2]) }, {}, { names: ['y'] })]);
    const after = run(graph);
    expect(after.outputs).toEqual(['y']);
    expect(interpret(after, {})).toEqual({ y: tensor('f32', [1, 1]) });
    expect(run(after)).toBe(after);
  });
});

describe('constants are not folded', () => {
  test('when a broadcast would be large', () => {
    const b = new GraphBuilder();
    const expanded = (shape: readonly number[]) => b.emit(nnExpand, { x: ones(b, [1, 1]) }, { shape }) as Float;
    const graph = b.finish([
      b.emit(nnRelu, { x: expanded([1024, 1025]) }),
      b.emit(nnRelu, { x: expanded([1024, 1024]) }),
    ]);
    expect(opsOf(graph).sort()).toEqual(['nn.expand', 'nn.identity', 'nn.relu']);
  });
  test('a large result no larger than its operands is', () => {
    const b = new GraphBuilder();
    const x = b.constant(tensor('s8', new Int8Array(2 ** 20 + 2), [2, 2 ** 19 + 1]));
    expect(opsOf(b.finish([b.emit(nnTranspose, { x }, { perm: [1, 0] })]))).toEqual(['nn.identity']);
  });
  test('when the operator is opaque or the result has symbols', () => {
    const b = new GraphBuilder();
    const [carried] = b.emitList(opaqueOp, [ones(b, [2])], { operator: 'Custom', results: ['f32[2]'] });
    const symbolic = b.emit(nnReshape, { x: ones(b, [2]) }, { shape: ['N'] });
    expect(opsOf(b.finish([carried, symbolic])).sort()).toEqual(['nn.reshape', 'opaque']);
  });
  test('when one operand is computed', () => {
    const b = new GraphBuilder();
    expect(
      opsOf(b.finish([b.emit(nnIdentity, { x: b.emit(nnAdd, { a: b.input('x', 'f32', [2]), b: ones(b, [2]) }) })])),
    ).toEqual(['nn.add', 'nn.identity']);
  });
});
