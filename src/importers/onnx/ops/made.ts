/** Operators that consist of another one and a constant made for it. https://onnx.ai/onnx/operators */
import { nnConvTranspose, tensor, type Value } from '../../../ir/index.ts';
import { sizeOf } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

/**
 * Blocks of an image that overlap, added up: a transposed convolution of each channel, whose filter for element t of a block has a 1 at
 * tap t.
 */
function col2im(ctx: NodeContext): Value {
  const x = ctx.get('input');
  const { dtype, shape } = x.type;
  const [image, block] = ['image_shape', 'block_shape'].map((name) => ctx.integers(ctx.get(name), name));
  const rank = image.length;
  if (dtype !== 'f32' && dtype !== 'f64') return ctx.unsupported(`blocks of ${dtype}`);
  const [batch, elements, positions] = shape;
  if (shape.length !== 3 || block.length !== rank)
    return ctx.refuse('the input should be [N, C·block, L], and image and block of one rank', 'U2005');
  if (typeof elements !== 'number') return ctx.unsupported('a number of channels that only the run knows');
  const [strides, dilations] = ['strides', 'dilations'].map((name) => ctx.attr.ints(name, Array(rank).fill(1)));
  const pads = ctx.attr.ints('pads', Array(2 * rank).fill(0));
  const room = image.map((size, i) => size + pads[i] + pads[i + rank] - dilations[i] * (block[i] - 1) - 1);
  const blocks = room.map((size, i) => Math.floor(size / strides[i]) + 1);
  const taps = sizeOf(block);
  if (elements % taps !== 0 || (typeof positions === 'number' && positions !== sizeOf(blocks)))
    ctx.refuse(`[${shape}] is not blocks of [${block}] at [${blocks}] positions`, 'U2005', { input: 'input' });
  const data = Array.from({ length: elements * taps }, (_, i) => Number(Math.floor(i / taps) % taps === i % taps));
  const w = ctx.constant(tensor(dtype, data, [elements, 1, ...block]), 'taps');
  const outputPadding = room.map((size, i) => size % strides[i]);
  return ctx.emit(
    nnConvTranspose,
    { x: ctx.reshape(x, [batch, elements, ...blocks]), w },
    { strides, dilations, pads, outputPadding, group: elements / taps },
  );
}

export const madeOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'Col2Im',
    since: 18,
    inputs: ['input', 'image_shape', 'block_shape'],
    attributes: ['dilations', 'pads', 'strides'],
    import: col2im,
  }),
];
