import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, nodesOf, parse, print, scalar, tensor, verify } from '../../../src/ir/index.ts';
import { nnIdentity } from '../../../src/ir/ops/nn_movement.op.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';

function convGraph() {
  const b = new GraphBuilder();
  const x = b.input('x', 'u8', ['N', 3, 8, 'W+1']);
  const w = b.constant(
    tensor(
      's8',
      Int8Array.from({ length: 108 }, (_, i) => i - 50),
      [4, 3, 3, 3],
    ),
    'onnx::w',
  );
  b.loc = { file: 'm.onnx', node: 'conv "1"', op: 'QLinearConv' };
  const y = b.emit(
    qnnConv,
    { x, w, zx: b.constant(scalar('u8', 114)), zw: b.constant(tensor('s8', [1, -2, 3, 4])) },
    { strides: [1, 2], pads: [1, 1, 1, 1], dilations: [1, 1] },
  );
  return b.finish([y]);
}

describe('the textual form', () => {
  it('prints operators, inline constants, symbols and locations', () => {
    expect(print(convGraph(), { elideConstants: true })).toMatchInlineSnapshot(`
      "graph @main(%x: u8[N,3,8,"W+1"]) -> (%conv) {
        %conv = qnn.conv(%x, @"onnx::w", zx=114:u8, zw=[1, -2, 3, 4]:s8) {strides=[1,2], pads=[1,1,1,1], dilations=[1,1]} : s32[N,4,8,"(W+2)/2"]  loc(file="m.onnx" "conv \\"1\\"" QLinearConv)
      }
      constants {
        @"onnx::w" : s8[4,3,3,3] = sha256"1ddba4b1579fb783"
      }
      "
    `);
  });

  it('reads back what it prints', () => {
    const graph = convGraph();
    const text = print(graph);
    const again = parse(text);
    expect(print(again)).toBe(text);
    expect(verify(again)).toEqual([]);
    expect(nodesOf(again)[0].loc).toEqual(nodesOf(graph)[0].loc);
  });

  it('reads back locations of any text', () => {
    const text = fc.string({ minLength: 1, unit: 'binary' });
    const op = fc.oneof(text, fc.constantFrom('aten::add', 'inf', '1', 'com.microsoft.QLinearAdd', 'op', 'file', '='));
    fc.assert(
      fc.property(text, text, op, (file, node, name) => {
        const b = new GraphBuilder('g');
        b.loc = { file, node, op: name };
        const y = b.emit(nnIdentity, { x: b.input('x', 'f32', [1]) }, {}, { names: ['y'] });
        const again = parse(print(b.finish([y])));
        expect(nodesOf(again)[0].loc).toEqual({ file, node, op: name });
      }),
    );
  });

  it.each([
    ['graph @g(%x: u8[1]) -> (%y) {\n}', 'line 1, column 25: %y is not defined'],
    ['graph @g(%x: u9[1]) -> (%x) {\n}', "'u9' is not an element type"],
    [
      'graph @g(%x: u8[1]) -> (%x) {\n  %y = nn.nothing(%x) : u8[1]\n}',
      "line 2, column 3: there is no operator 'nn.nothing'",
    ],
    ['graph @g(%x: u8[1]) -> (%x) {', "'}' is missing"],
    ['graph @g(%x: u8[1]) -> (%x) ~', 'unexpected character "~"'],
  ])('refuses %j', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });
});
