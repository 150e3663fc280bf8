/** Scaled products beside the operators that they stand for. */
import { describe, expect, it } from 'vitest';
import { scaledRules } from '../../../src/codegen/onednn/select/scaled.rules.ts';
import { type Graph, GraphBuilder, tensor } from '../../../src/ir/index.ts';
import { nnCast } from '../../../src/ir/ops/nn_cast.op.ts';
import { nnAdd, nnMul } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnClip, nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { checkRegion } from '../../../src/proofs/check.ts';
import { applyOnce } from '../../../src/testing/apply_once.ts';

function graphOf(end: 'relu' | 'clip' | 'sum' | 'product'): Graph {
  const b = new GraphBuilder();
  const [x, zx] = [b.input('x', 'u8', [1, 2, 5]), b.input('zx', 'u8', [])];
  const w = b.constant(tensor('u8', [1, 200, 3, 4, 90, 6], [3, 2, 1]));
  const sum = b.emit(qnnConv, { x, w, zx }, { strides: [1], pads: [1, 1], dilations: [1] });
  const [scale, offset] = [b.input('scale', 'f32', []), b.constant(tensor('f32', [1, 2, 3], [1, 3, 1]))];
  const scaled = b.emit(nnMul, { a: b.emit(nnCast, { x: sum }, { to: 'f32' }), b: scale });
  const shifted = end === 'product' ? scaled : b.emit(nnAdd, { a: offset, b: scaled });
  if (end === 'relu') return b.finish([b.emit(nnRelu, { x: shifted })]);
  return b.finish([end === 'clip' ? b.emit(nnClip, { x: shifted }, { min: 0, max: 6 }) : shifted]);
}

const verdict = (before: Graph, after: Graph) =>
  checkRegion(before, after, before.outputs[0]).every((obligation) => obligation.verdict === 'proved');

describe('scaled products', () => {
  it.each(['relu', 'clip', 'sum', 'product'] as const)('%s: proved, and not with a mistake', (end) => {
    const graph = graphOf(end);
    const rule = scaledRules.flat().find(({ name }) => name === `select-scaled-${end}`);
    if (rule?.wrong === undefined) throw new Error('no rule');
    const [right, wrong] = [rule, { ...rule, rewrite: rule.wrong.rewrite }].map((one) => applyOnce(graph, one));
    if (right === undefined || wrong === undefined) throw new Error('the rule does not fire');
    expect(verdict(graph, right)).toBe(true);
    expect(verdict(graph, wrong)).toBe(false);
  });
});
