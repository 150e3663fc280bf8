/** Layers and graphs for tests of costs. */
import { type Graph, GraphBuilder, tensor } from '../../../src/ir/index.ts';
import { nnAdd, type nnSub } from '../../../src/ir/ops/nn_elementwise_binary.op.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { qnnRequantize } from '../../../src/ir/ops/qnn_requantize.op.ts';
import type { LayerClass } from '../../../src/passes/cost/layer_class.ts';

export const layerOf = (change: Partial<LayerClass> = {}): LayerClass => ({
  kind: 'conv',
  depthwise: false,
  padded: true,
  groups: 1,
  taps: 9,
  stride: 1,
  inputChannels: 64,
  outputChannels: 64,
  positions: 196,
  ...change,
});

/** Two 3x3 convolutions alike, then a 1x1 one; each with bias and requantize, and zero points of 7, 9 and 11. */
export function network(size: number | string = 6, addition: typeof nnAdd | typeof nnSub = nnAdd): Graph {
  const b = new GraphBuilder();
  let x = b.input('x', 'u8', ['N', 8, size, size]);
  for (const [i, kernel] of [3, 3, 1].entries()) {
    const count = 8 * 8 * kernel * kernel;
    const weights = Array.from({ length: count }, (_, at) => ((at * 37 + i) % 251) - 125);
    const w = b.constant(tensor('s8', weights, [8, 8, kernel, kernel]), `w${i}`);
    const pad = (kernel - 1) / 2;
    const sum = b.emit(
      qnnConv,
      { x, w, zx: b.scalar('u8', 7 + 2 * i) },
      { strides: [1, 1], pads: [pad, pad, pad, pad], dilations: [1, 1] },
      { names: [`sum${i}`], loc: { node: `layer${i}` } },
    );
    const bias = b.constant(
      tensor(
        's32',
        Array.from({ length: 8 }, (_, c) => 100 * c - 300),
        [8, 1, 1],
      ),
    );
    const added = b.emit(addition, { a: sum, b: bias }, {});
    const multiplier = b.constant(tensor('f32', [0.0005], []));
    x = b.emit(
      qnnRequantize,
      { x: added, multiplier, zy: b.scalar('u8', 9 + 2 * i) },
      {},
      { names: [`y${i}`] },
    ) as typeof x;
  }
  return b.finish([x]);
}
