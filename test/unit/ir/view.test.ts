import { describe, expect, it } from 'vitest';
import {
  allOps,
  byOp,
  GraphBuilder,
  isOp,
  keyOf,
  nnAdd,
  nnConcat,
  nnMul,
  nodesOf,
  oneOf,
  ops,
  qnnConv,
  seenAs,
  tensor,
  view,
} from '../../../src/ir/index.ts';

const b = new GraphBuilder();
const x = b.input('x', 'u8', [1, 1, 3, 3]);
const w = b.constant(tensor('s8', new Int8Array(1), [1, 1, 1, 1]), 'w');
const zw = b.scalar('s8', 3, 'zw');
const window = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] };
const conv = b.emit(qnnConv, { x, w, zw }, window);
const sum = b.emit(nnAdd, { a: conv, b: conv });
const joined = b.emit(nnConcat, { xs: [sum, conv, sum] }, { axis: 0 });
const graph = b.finish([joined]);
const [convNode, addNode, concatNode] = nodesOf(graph);

describe('a view', () => {
  it('has operands and results by name; an operand that is absent is not there', () => {
    const seen = view(qnnConv, convNode);
    expect(seen).toEqual({ x: x.id, w: w.id, zw: zw.id, y: conv.id, attrs: convNode.attrs, node: convNode });
    expect(seen && 'zx' in seen).toBe(false);
  });

  it('has variadic operands as a list', () => {
    expect(view(nnConcat, concatNode)?.xs).toEqual([sum.id, conv.id, sum.id]);
  });

  it('may have something else in the place of operands, in lists as well', () => {
    const named = (id: string) => `%${id}`;
    expect(seenAs<typeof nnAdd, string>(addNode, named)).toEqual({
      a: named(addNode.operands[0] ?? ''),
      b: named(addNode.operands[1] ?? ''),
      attrs: addNode.attrs,
      node: addNode,
    });
    expect(seenAs<typeof nnConcat, string>(concatNode, named).xs).toEqual([sum.id, conv.id, sum.id].map(named));
  });

  it('is undefined for another operator, and for no node', () => {
    expect(view(nnMul, addNode)).toBeUndefined();
    expect(view(nnMul, undefined)).toBeUndefined();
  });
});

describe('operators', () => {
  it('give their operands and results different names, and none that a view uses itself', () => {
    for (const { name, operands, results } of allOps) {
      const words = ['attrs', 'node', ...Object.keys(operands), ...Object.keys(results)];
      expect(new Set(words).size, name).toBe(words.length);
    }
  });

  it('are told apart one by one, of several, and in tables', () => {
    expect(isOp(addNode, nnMul, nnAdd)).toBe(true);
    expect(isOp(addNode, nnMul)).toBe(false);
    expect(isOp(undefined, nnMul)).toBe(false);
    expect([convNode, addNode, concatNode].map(oneOf(nnAdd, nnConcat))).toEqual([false, true, true]);
    const entry = byOp<string>({ nnAdd: '+', qnnConv: '*' });
    expect([convNode, addNode, concatNode].map(entry)).toEqual(['*', '+', undefined]);
    expect([convNode, addNode, concatNode].map(keyOf)).toEqual(['qnnConv', 'nnAdd', 'nnConcat']);
  });

  it('have names of their own, and are called after them', () => {
    const names = Object.entries(ops).map(([key, { name }]) => [key, name]);
    expect(new Set(names.map(([, name]) => name)).size).toBe(names.length);
    const camel = (name: string) => name.replace(/[._](\w)/g, (_, letter: string) => letter.toUpperCase());
    for (const [key, name] of names) expect([camel(name), `${name}Op`]).toContain(key);
  });
});
