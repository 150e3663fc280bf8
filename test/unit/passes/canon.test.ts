import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resolveTarget } from '../../../src/codegen/targets.ts';
import { type AnyOp, type AttrValue, type Graph, GraphBuilder, tensor, type Value } from '../../../src/ir/index.ts';
import { nnCast } from '../../../src/ir/ops/nn_cast.op.ts';
import { nnAdd, nnMax, nnMin } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { nnRelu } from '../../../src/ir/ops/nn_elementwise_unary.op.ts';
import { nnIdentity, nnReshape, nnTranspose } from '../../../src/ir/ops/nn_movement.op.ts';
import { canonicalize, canonicalRules } from '../../../src/passes/canonicalize.ts';
import { addOfAdd } from '../../../src/passes/rules/canon_add.rule.ts';
import { clipOfMax, clipOfMin } from '../../../src/passes/rules/canon_clip.rule.ts';
import { noCast, noIdentity, noReshape, noTranspose } from '../../../src/passes/rules/canon_identity.rule.ts';
import { reshapeOfReshape, transposeOfTranspose } from '../../../src/passes/rules/canon_movement.rule.ts';
import { checkRule, checkWrong } from '../../../src/testing/check.ts';

const run = (graph: Graph) => canonicalize.run(graph, { target: resolveTarget('onednn'), note: () => {} });
const opsOf = (graph: Graph): string[] => Object.values(run(graph).graph.nodes).map((node) => node.op);

/** A graph of f32[N,2,3]. */
const over = (body: (b: GraphBuilder, x: Value<'f32'>) => Value): Graph => {
  const b = new GraphBuilder();
  return b.finish([body(b, b.input('x', 'f32', ['N', 2, 3]))]);
};
const always = (graph: Graph): fc.Arbitrary<Graph> => fc.constant(graph);
const apply = (b: GraphBuilder, op: AnyOp, x: Value, attrs: Readonly<Record<string, AttrValue>> = {}): Value =>
  b.emitList(op, [x], attrs)[0];

describe('an operator that does nothing', () => {
  test.each([
    [noIdentity, nnIdentity, {}],
    [noCast, nnCast, { to: 'f32' }],
    [noReshape, nnReshape, { shape: ['N', 2, 3] }],
    [noTranspose, nnTranspose, { perm: [0, 1, 2] }],
  ] as const)('$name', (rule, op, attrs) => {
    const graph = over((b, x) => apply(b, nnRelu, apply(b, op, x, attrs)));
    checkRule(rule, { graphs: always(graph), runs: 5 });
    expect(opsOf(graph)).toEqual(['nn.relu']);
  });
  test.each([
    [nnCast, { to: 's32' }],
    [nnReshape, { shape: [2, 'N', 3] }],
    [nnTranspose, { perm: [0, 2, 1] }],
  ] as const)('$name that does something stays', (op, attrs) => {
    const graph = over((b, x) => apply(b, op, x, attrs));
    expect(opsOf(graph)).toEqual([op.name]);
  });
  test('an identity that names an output stays, and no second one appears', () => {
    const graph = over((b, x) => apply(b, nnIdentity, apply(b, nnIdentity, x)));
    const { graph: after } = run(graph);
    expect(Object.values(after.nodes).map((node) => node.op)).toEqual(['nn.identity']);
    expect(after.outputs).toEqual(graph.outputs);
    expect(run(after).graph).toBe(after);
  });
});

const permutation = fc.shuffledSubarray([0, 1, 2], { minLength: 3, maxLength: 3 });

describe('movement', () => {
  test('reshape of reshape', () => {
    const shapes = fc.constantFrom(['N', 6], [6, 'N'], [3, 'N', 2]);
    const graphs = fc
      .tuple(shapes, shapes)
      .map(([s, t]) => over((b, x) => apply(b, nnReshape, apply(b, nnReshape, x, { shape: s }), { shape: t })));
    checkRule(reshapeOfReshape, { graphs, runs: 20 });
  });
  test('transpose of transpose', () => {
    const graphs = fc
      .tuple(permutation, permutation)
      .map(([p, q]) => over((b, x) => apply(b, nnTranspose, apply(b, nnTranspose, x, { perm: p }), { perm: q })));
    checkRule(transposeOfTranspose, { graphs, runs: 50 });
    const cubes = fc.tuple(permutation, permutation).map(([p, q]) => {
      const b = new GraphBuilder();
      const inner = apply(b, nnTranspose, b.input('x', 'f32', [2, 2, 2]), { perm: p });
      return b.finish([apply(b, nnTranspose, inner, { perm: q })]);
    });
    checkWrong(transposeOfTranspose, { graphs: cubes });
  });
  test('a transpose and its inverse vanish', () => {
    expect(
      opsOf(
        over((b, x) =>
          apply(b, nnRelu, apply(b, nnTranspose, apply(b, nnTranspose, x, { perm: [2, 0, 1] }), { perm: [1, 2, 0] })),
        ),
      ),
    ).toEqual(['nn.relu']);
  });
  test('the inner one stays for its other readers', () => {
    const b = new GraphBuilder();
    const flat = apply(b, nnReshape, b.input('x', 'f32', [2, 3]), { shape: [6] });
    expect(opsOf(b.finish([apply(b, nnReshape, flat, { shape: [3, 2] }), flat])).sort()).toEqual([
      'nn.reshape',
      'nn.reshape',
    ]);
  });
});

describe('constants that are added', () => {
  const constants = fc.tuple(fc.integer(), fc.integer(), fc.boolean(), fc.boolean());
  const graphs = constants.map(([c, d, left, right]) => {
    const b = new GraphBuilder();
    const x = b.input('x', 's32', ['N', 4, 1]);
    const one = b.constant(tensor('s32', [c, 1, 2, 3], [4, 1]));
    const two = b.constant(tensor('s32', [d], []));
    const inner = b.emit(nnAdd, left ? { a: one, b: x } : { a: x, b: one });
    return b.finish([b.emit(nnAdd, right ? { a: two, b: inner } : { a: inner, b: two })]);
  });
  test('are added once, wrapping', () => {
    checkRule(addOfAdd, { graphs });
    checkWrong(addOfAdd, { graphs });
  });
  test('floats are left alone, and so is a sum that others read', () => {
    expect(
      opsOf(
        over((b, x) => b.emit(nnAdd, { a: b.emit(nnAdd, { a: x, b: b.scalar('f32', 1) }), b: b.scalar('f32', 2) })),
      ),
    ).toEqual(['nn.add', 'nn.add']);
    const b = new GraphBuilder();
    const inner = b.emit(nnAdd, { a: b.input('x', 's32', [2]), b: b.scalar('s32', 1) });
    expect(opsOf(b.finish([inner, b.emit(nnAdd, { a: inner, b: b.scalar('s32', 2) })]))).toEqual(['nn.add', 'nn.add']);
  });
});

describe('clips', () => {
  const bounds = fc.constantFrom(0, 0.1, -3, Infinity, -Infinity);
  const pair = (op: typeof nnMax | typeof nnMin) =>
    fc
      .tuple(bounds, fc.boolean())
      .map(([c, left]) =>
        over((b, x) => b.emit(op, left ? { a: b.scalar('f32', c), b: x } : { a: x, b: b.scalar('f32', c) })),
      );
  test('max and min with one constant', () => {
    checkRule(clipOfMax, { graphs: pair(nnMax) });
    checkRule(clipOfMin, { graphs: pair(nnMin) });
  });
  test('not with several constants, a NaN, or a constant of higher rank', () => {
    const stays = (value: (b: GraphBuilder) => Value<'f32'>) =>
      expect(opsOf(over((b, x) => b.emit(nnMax, { a: x, b: value(b) })))).toEqual(['nn.max']);
    stays((b) => b.constant(tensor('f32', [1, 2, 3])));
    stays((b) => b.scalar('f32', Number.NaN));
    stays((b) => b.constant(tensor('f32', [1], [1, 1, 1, 1])));
  });
});

test('a node that nobody reads goes away, with the constants it read', () => {
  const b = new GraphBuilder();
  const x = b.input('x', 'f32', [2]);
  b.emit(nnAdd, { a: b.emit(nnRelu, { x }), b: b.constant(tensor('f32', [1, 2]), 'unread') });
  const { graph, events } = run(b.finish([b.emit(nnRelu, { x })]));
  expect(Object.keys(graph.nodes)).toHaveLength(1);
  expect(Object.keys(graph.values)).not.toContain('unread');
  expect(events?.map((event) => [event.rule, event.removed.length])).toEqual([['dead-code', 2]]);
});

test('rules have names of their own', () => {
  expect(new Set(canonicalRules.map((rule) => rule.name)).size).toBe(canonicalRules.length);
});
