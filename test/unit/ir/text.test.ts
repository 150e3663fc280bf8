import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AnyOp,
  constantOf,
  GraphBuilder,
  nodesOf,
  ops,
  parse,
  print,
  scalar,
  tensor,
  verify,
} from '../../../src/ir/index.ts';
import { nnAdd } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
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

const body = (node: string): string => `graph @g(%x: f32[1]) -> (%x) {\n  ${node}\n}\n`;
const constants = (lines: string): string => `graph @g(%x: u8[1]) -> (%x) {\n}\n\nconstants {\n  ${lines}\n}\n`;

describe('the textual form', () => {
  it('has no required operand behind an optional one, since those in front are told by their places', () => {
    const misplaced = Object.values<AnyOp>(ops).filter(({ operands }) => {
      const presences = Object.values(operands).map(({ presence }) => presence);
      const optional = presences.indexOf('optional');
      return optional >= 0 && presences.slice(optional).some((presence) => presence !== 'optional');
    });
    expect(misplaced.map(({ name }) => name)).toEqual([]);
  });

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

  it('reads back its own text', () => {
    const graph = convGraph();
    const text = print(graph);
    const again = parse(text);
    expect(print(again)).toBe(text);
    expect(verify(again)).toEqual([]);
    expect(nodesOf(again)[0].loc).toEqual(nodesOf(graph)[0].loc);
  });

  it('reads back numbers to the bit, and names of any text', () => {
    const numbers = [-0, 0, Number.NaN, Infinity, -Infinity, 2 ** -149, -1.5];
    const names = ['x', 'a b', 'a"b', 'a)b', 'a,b', '\\', '%', '@', 'a:0', 'ä', '', '1'];
    for (const name of names) {
      const b = new GraphBuilder('g');
      const x = b.input(name, 'f32', [numbers.length]);
      const y = b.emit(nnAdd, { a: x, b: b.constant(tensor('f32', numbers)) }, {}, { names: [`${name}.y`] });
      const graph = b.finish([y]);
      const again = parse(print(graph));
      expect([...again.inputs, ...again.outputs]).toEqual([...graph.inputs, ...graph.outputs]);
      const constant = constantOf(again, nodesOf(again)[0].operands[1]);
      expect(Array.from(constant!.data as Float32Array)).toEqual(numbers);
    }
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
      "line 2, column 3: 'nn.nothing' is not an operator",
    ],
    ['graph @g(%x: u8[1]) -> (%x) {', "'}' is missing"],
    ['graph @g(%x: u8[1]) -> (%x) ~', 'line 1, column 29: unexpected character "~"'],
    ['graph @g(%x: u8[-4,3]) -> (%x) {\n}', "line 1, column 17: '-4' is not a size"],
    ['graph @g(%x: u8["-4"]) -> (%x) {\n}', 'line 1, column 17:'],
    ['graph @g(%x: u8["N-\\q"]) -> (%x) {\n}', 'line 1, column 17:'],
    ['graph @g(%x: u8[1.5]) -> (%x) {\n}', "'1.5' is not a size"],
    ['graph @g(%x: u8[99999999999999999999]) -> (%x) {\n}', "'99999999999999999999' is not a size"],
    ['graph @g(%x: u8[""]) -> (%x) {\n}', 'line 1, column 17:'],
    ['graph @g(%x: u8[=]) -> (%x) {\n}', "line 1, column 17: '=' is not a size"],
    ['graph @g(%x: u8[1], %x: u8[1]) -> (%x) {\n}', 'line 1, column 21: the value %x is defined twice'],
    ['graph @g(%x: u8[1]) -> (%x) {\n}\nmore', "line 3, column 1: the end of the text was expected, not 'more'"],
    ['graph @"a\nb(%x: u8[1]) -> (%x) {\n}', 'line 1, column 8: a string does not end'],
    ['graph @"a\\qb"(%x: u8[1]) -> (%x) {\n}', 'line 1, column 10: "\\\\q" is not an escape'],
    ['graph @g(%x: u8[1]) -> (%x) profile="x" {\n}', "line 1, column 37: 'x' is not a profile"],
    [body('%y = nn.relu(%x) : f32[2]'), 'line 2, column 3: the result types'],
    [body('%y = nn.relu(%x, %x) : f32[1]'), 'line 2, column 3: nn.relu: takes 1 operands, 2 are given'],
    [body('%y = nn.add(%x, 1:u8) : f32[1]'), 'line 2, column 3: nn.add:'],
    [body('%y = nn.relu(%x) {alpha=1} : f32[1]'), "line 2, column 3: nn.relu has no attribute 'alpha'"],
    [body('%y = nn.leaky_relu(%x) {alpha=[[1]]} : f32[1]'), 'line 2, column 34: an attribute value was expected'],
    [body('%y = nn.leaky_relu(%x) {alpha="} : f32[1]'), 'line 2, column 33: a string does not end'],
    [body('%x = nn.relu(%x) : f32[1]'), 'line 2, column 3: the value %x is defined twice'],
    [body('%y = nn.add(%x, 1.5:s64) : f32[1]'), 'line 2, column 19: 1.5 is not of type s64'],
    [body('%y = nn.add(%x, nan:s32) : f32[1]'), 'line 2, column 19: nan is not of type s32'],
    [body('%y = nn.add(%x, 256:u8) : f32[1]'), 'line 2, column 19: 256 is not of type u8'],
    [body('%y = nn.add(%x, [1, -9223372036854775809]:s64) : f32[1]'), '-9223372036854775809 is not of type s64'],
    [body('%y = nn.add(%x, 1:f16) : f32[1]'), 'line 2, column 19: constants of f16 stand at the end'],
    [body('%y = nn.relu(%x) : f32[1] loc(line="a")'), "line 2, column 33: a location has no 'line'"],
    [constants('@c : u8[2] = base64"AAA="'), undefined],
    [constants('@c : u8[3] = base64"AAA="'), 'line 5, column 4: @c needs 3 bytes, but has 2'],
    [constants('@c : u8[2] = base64"A!AA="'), 'line 5, column 4: the contents of @c are not base64'],
    [constants('@c : u8[N] = base64"AAA="'), 'line 5, column 4: @c needs a type of known shape'],
    [
      constants('@c : u8[1] = base64"AA=="\n@c : u8[1] = base64"AA=="'),
      'line 6, column 2: the constant @c is defined twice',
    ],
    [constants('@x : u8[1] = base64"AA=="'), 'line 1, column 10: the value %x is defined twice'],
    [constants('@c : u8[2] = base64"AAAA"'), 'line 5, column 4: @c needs 2 bytes, but has 3'],
    [constants('@c : u8[2] = base64""'), 'line 5, column 4: @c needs 2 bytes, but has 0'],
  ])('refuses %j', (text, message) => {
    if (message === undefined) expect(verify(parse(text))).toEqual([]);
    else
      expect(() => parse(text)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^U[23]/), message: expect.stringContaining(message) }),
      );
  });

  it('takes a control character in a string for itself', () => {
    const graph = parse(body('%y = nn.relu(%x) : f32[1]  loc("a\tb\x01" Relu)'));
    expect(nodesOf(graph)[0].loc).toEqual({ node: 'a\tb\x01', op: 'Relu' });
  });

  it('refuses every beginning of a text, and every text with a character too few, with line and column or not at all', () => {
    const text = print(convGraph());
    const judge = (broken: string) => {
      try {
        parse(broken);
      } catch (error) {
        expect(error).toMatchObject({ name: 'UnskewError', message: expect.stringMatching(/line \d+, column \d+: /) });
      }
    };
    for (let i = 0; i < text.length; i++) {
      judge(text.slice(0, i));
      judge(text.slice(0, i) + text.slice(i + 1));
    }
  });
});
