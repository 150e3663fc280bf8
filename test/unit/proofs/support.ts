import { type Graph, GraphBuilder, tensor, type Value } from '../../../src/ir/index.ts';
import { qnnConv } from '../../../src/ir/ops/qnn_conv.op.ts';
import { qnnRequantize } from '../../../src/ir/ops/qnn_requantize.op.ts';

/** A padded convolution with a source zero point, requantized. */
export function padded(zw?: number): Graph {
  const b = new GraphBuilder();
  const x = b.input('x', 'u8', [1, 2, 4, 4]);
  const w = b.constant(
    tensor(
      's8',
      Array.from({ length: 36 }, (_, i) => ((i * 37) % 255) - 127),
      [2, 2, 3, 3],
    ),
    'w',
  );
  const attrs = { strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1], group: 1 };
  const y = b.emit(
    qnnConv,
    { x, w, zx: b.scalar('u8', 114), ...(zw !== undefined && { zw: b.scalar('s8', zw) }) },
    attrs,
    { names: ['y'] },
  ) as Value<'s32'>;
  const q = b.emit(
    qnnRequantize,
    { x: y, multiplier: b.scalar('f32', 0.01), zy: b.scalar('u8', 7) },
    {},
    { names: ['q'] },
  );
  return b.finish([q]);
}
