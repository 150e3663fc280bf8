/** The graph that each way to correct a zero point leaves behind, as text. */
import { describe, expect, it } from 'vitest';
import { legalize } from '../../src/codegen/legalize.ts';
import { defaultTarget } from '../../src/codegen/targets.ts';
import { GraphBuilder, print, tensor } from '../../src/ir/index.ts';
import { qnnConv } from '../../src/ir/ops/qnn_conv.op.ts';

/** A 2x2 convolution over 3x3, padded at the end, with zero points on both sides. */
function graph(zx: number, zw: number, pads = [0, 0, 1, 1]) {
  const b = new GraphBuilder();
  const x = b.input('x', 'u8', [1, 1, 3, 3]);
  const w = b.constant(tensor('s8', [1, 2, 3, 4], [1, 1, 2, 2]), 'w');
  const y = b.emit(
    qnnConv,
    { x, w, zx: b.scalar('u8', zx), zw: b.scalar('s8', zw) },
    { strides: [1, 1], pads, dilations: [1, 1] },
    { names: ['y'] },
  );
  return b.finish([y]);
}
const text = (strategy: 'fold' | 'border-table' | 'pad' | 'native' | 'two-conv', zw = 0, pads?: number[]) =>
  print(legalize(graph(5, zw, pads), { target: defaultTarget('onednn'), strategy }).graph, { elideConstants: true });

describe('a convolution with zero point 5 becomes', () => {
  it('fold', () =>
    expect(text('fold', 0, [0, 0, 0, 0])).toMatchInlineSnapshot(`
    "graph @main(%x: u8[1,1,3,3]) -> (%y) {
      %conv = nn.conv(%x, @w) {strides=[1,1], pads=[0,0,0,0], dilations=[1,1]} : s32[1,1,2,2]
      %y = nn.sub(%conv, @const.3) : s32[1,1,2,2]
    }
    constants {
      @w : s8[1,1,2,2] = sha256"ecb47850a0c70f7d"
      @const.3 : s32[1,1,1,1] = sha256"e9d95efe7fd31b7a"
    }
    "
  `));
  it('border-table', () =>
    expect(text('border-table')).toMatchInlineSnapshot(`
    "graph @main(%x: u8[1,1,3,3]) -> (%y) {
      %conv = nn.conv(%x, @w) {strides=[1,1], pads=[0,0,1,1], dilations=[1,1]} : s32[1,1,3,3]
      %y = nn.sub(%conv, @const.3) : s32[1,1,3,3]
    }
    constants {
      @w : s8[1,1,2,2] = sha256"ecb47850a0c70f7d"
      @const.3 : s32[1,1,3,3] = sha256"542f02b8be7b616b"
    }
    "
  `));
  it('pad', () =>
    expect(text('pad')).toMatchInlineSnapshot(`
    "graph @main(%x: u8[1,1,3,3]) -> (%y) {
      %pad = nn.pad(%x, value=5:u8) {pads=[0,0,0,0,0,0,1,1]} : u8[1,1,4,4]
      %conv = nn.conv(%pad, @w) {strides=[1,1], pads=[0,0,0,0], dilations=[1,1]} : s32[1,1,3,3]
      %y = nn.sub(%conv, @const.3) : s32[1,1,3,3]
    }
    constants {
      @w : s8[1,1,2,2] = sha256"ecb47850a0c70f7d"
      @const.3 : s32[1,1,1,1] = sha256"e9d95efe7fd31b7a"
    }
    "
  `));
  it('native', () =>
    expect(text('native')).toMatchInlineSnapshot(`
    "graph @main(%x: u8[1,1,3,3]) -> (%y) {
      %y = qnn.conv(%x, @w, zx=5:u8) {strides=[1,1], pads=[0,0,1,1], dilations=[1,1]} : s32[1,1,3,3]
    }
    constants {
      @w : s8[1,1,2,2] = sha256"ecb47850a0c70f7d"
    }
    "
  `));
  it('two-conv', () =>
    expect(text('two-conv')).toMatchInlineSnapshot(`
    "graph @main(%x: u8[1,1,3,3]) -> (%y) {
      %conv = nn.conv(%x, @w) {strides=[1,1], pads=[0,0,1,1], dilations=[1,1]} : s32[1,1,3,3]
      %expand = nn.expand(@const.1) {shape=[1,1,3,3]} : u8[1,1,3,3]
      %conv.1 = nn.conv(%expand, @w) {strides=[1,1], pads=[0,0,1,1], dilations=[1,1]} : s32[1,1,3,3]
      %y = nn.sub(%conv, %conv.1) : s32[1,1,3,3]
    }
    constants {
      @w : s8[1,1,2,2] = sha256"ecb47850a0c70f7d"
      @const.1 : u8[1,1,1,1] = sha256"8f86b650ec17534b"
    }
    "
  `));
  it('pad, the weights zero point being absorbed by the weights', () =>
    expect(text('pad', 3)).toMatchInlineSnapshot(`
    "graph @main(%x: u8[1,1,3,3]) -> (%y) {
      %pad = nn.pad(%x, value=5:u8) {pads=[0,0,0,0,0,0,1,1]} : u8[1,1,4,4]
      %conv = nn.conv(%pad, @w.centred) {strides=[1,1], pads=[0,0,0,0], dilations=[1,1]} : s32[1,1,3,3]
      %y = nn.sub(%conv, @const.3) : s32[1,1,3,3]
    }
    constants {
      @w.centred : s8[1,1,2,2] = sha256"60b49a65c4d32998"
      @const.3 : s32[1,1,1,1] = sha256"c38f36e8c3db99d1"
    }
    "
  `));
  it('window-sum and border-table, where the weights cannot absorb their zero point', () =>
    expect(text('border-table', -126)).toMatchInlineSnapshot(`
      "graph @main(%x: u8[1,1,3,3]) -> (%y) {
        %conv.2 = nn.conv(%x, @w) {strides=[1,1], pads=[0,0,1,1], dilations=[1,1]} : s32[1,1,3,3]
        %conv = nn.sub(%conv.2, @const.4) : s32[1,1,3,3]
        %conv.3 = nn.conv(%x, @w.ones) {strides=[1,1], pads=[0,0,1,1], dilations=[1,1]} : s32[1,1,3,3]
        %conv.1 = nn.sub(%conv.3, @const.7) : s32[1,1,3,3]
        %mul = nn.mul(%conv.1, @const.3) : s32[1,1,3,3]
        %y = nn.sub(%conv, %mul) : s32[1,1,3,3]
      }
      constants {
        @w : s8[1,1,2,2] = sha256"ecb47850a0c70f7d"
        @const.4 : s32[1,1,3,3] = sha256"542f02b8be7b616b"
        @w.ones : s8[1,1,2,2] = sha256"07ad68c123729a10"
        @const.7 : s32[1,1,3,3] = sha256"acd793f1833276ba"
        @const.3 : s32[1,1,1,1] = sha256"9eb3180dd5a4d126"
      }
      "
    `));
});
