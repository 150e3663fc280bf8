/** Operators over channels in blocks, as ONNX Runtime saves optimized models: plain ones on the values in their usual order. */
import { nnAdd, nnConv, nnGlobalAveragePool, nnGlobalMaxPool, nnPad, nnSlice, type Value } from '../../../ir/index.ts';
import { blockedDomain as domain } from '../channel_blocks.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { activatedBy } from './fused.ts';
import { averagePool, maxPool, poolAttributes } from './pool.ts';
import { scaledBy } from './resize.ts';
import { convAttributes, convOf, toChannelsFirst, toChannelsLast } from './windows.ts';

const roundedUp = (size: number, block: number): number => Math.ceil(size / block) * block;

/** The block of the file. @throws Unsupported where it cannot be told */
function blockOf(ctx: NodeContext): number {
  return ctx.blocks.block ?? ctx.unsupported(ctx.blocks.refusal ?? 'channels in blocks');
}

/** Channels up to a whole number of blocks, the last ones 0. */
function reorderInput(ctx: NodeContext): Value {
  const given = ctx.get('X');
  const block = blockOf(ctx);
  const x = ctx.attr.flag('channels_last') ? toChannelsFirst(ctx, given) : given;
  const channels = x.type.shape[1];
  if (typeof channels !== 'number') return ctx.unsupported('an open number of channels');
  const missing = roundedUp(channels, block) - channels;
  if (missing === 0) return x;
  const none = Array<number>(x.type.shape.length - 2).fill(0);
  return ctx.emit(nnPad, { x, value: undefined }, { pads: [0, 0, ...none, 0, missing, ...none], mode: 'constant' });
}

function reorderOutput(ctx: NodeContext): Value {
  blockOf(ctx);
  const x = ctx.get('X');
  const channels = ctx.attr.int('channels', 0);
  const all = x.type.shape[1];
  if (typeof all !== 'number' || channels < 1 || channels > all)
    return ctx.unsupported(`${channels} of ${all} channels`);
  const y = channels === all ? x : ctx.emit(nnSlice, { x }, { starts: [0], ends: [channels], axes: [1], steps: [1] });
  return ctx.attr.flag('channels_last') ? toChannelsLast(ctx, y) : y;
}

/**
 * A filter [O, I, H, W] in its usual order. In memory it is [O / block, I / block, H, W, block of I, block of O] where channels of the source are in
 * blocks, else (fewer channels than a block, or one for each of O) [O / block, I, H, W, block of O].
 */
function filterOf(ctx: NodeContext, w: Value, block: number, isOfBlocks: boolean): Value {
  const shape = ctx.staticShape(w.type.shape, 'a filter');
  const [o, i, ...kernel] = shape;
  if (o % block !== 0 || (isOfBlocks && i % block !== 0))
    ctx.unsupported(`the filter [${shape}] in blocks of ${block}`);
  const lying = isOfBlocks
    ? ctx.transpose(ctx.reshape(w, [o / block, i / block, ...kernel, block, block]), [0, 5, 1, 4, 2, 3])
    : ctx.transpose(ctx.reshape(w, [o / block, i, ...kernel, block]), [0, 4, 1, 2, 3]);
  return ctx.reshape(lying, shape);
}

/** activation(convolution + bias + Sum) */
function conv(ctx: NodeContext): Value {
  const block = blockOf(ctx);
  const [x, given, sum] = [ctx.get('X'), ctx.get('W'), ctx.find('Sum')];
  const [filters, perGroup] = ctx.staticShape(given.type.shape, 'a filter');
  const isBlocked = ctx.blocks.isBlocked(x.id);
  const isDepthwise = perGroup === 1 && ctx.attr.int('group', 1) > 1;
  const w = filterOf(ctx, given, block, isBlocked && !isDepthwise);
  const { source, attrs } = convOf(ctx, x, w);
  const group = isDepthwise ? filters : attrs.group;
  const y = ctx.emit(nnConv, { x: source, w, bias: ctx.find('B') }, { ...attrs, group });
  return activatedBy(ctx, sum ? ctx.emit(nnAdd, { a: y, b: sum }) : y);
}

/** An operator that does not see the order of channels. */
const pool = (name: string, attributes: readonly string[], read: (ctx: NodeContext, x: Value) => Value): OnnxOp =>
  defineOnnxOp({
    ...{ domain, name, attributes, inputs: ['X'] },
    import(ctx) {
      blockOf(ctx);
      return read(ctx, ctx.get('X'));
    },
  });

export const channelBlockOps: readonly OnnxOp[] = [
  defineOnnxOp({
    ...{ domain, name: 'ReorderInput' },
    inputs: ['X'],
    attributes: ['channels_last'],
    import: reorderInput,
  }),
  defineOnnxOp({
    ...{ domain, name: 'ReorderOutput' },
    inputs: ['X'],
    attributes: ['channels', 'channels_last'],
    import: reorderOutput,
  }),
  defineOnnxOp({
    ...{ domain, name: 'Conv' },
    inputs: ['X: T', 'W: T', 'B?: T', 'Sum?: T'],
    attributes: [...convAttributes, 'activation', 'activation_params'],
    import: conv,
  }),
  pool('MaxPool', [...poolAttributes, 'storage_order'], maxPool),
  pool('AveragePool', [...poolAttributes, 'count_include_pad'], averagePool),
  pool('GlobalMaxPool', [], (ctx, x) => ctx.emit(nnGlobalMaxPool, { x })),
  pool('GlobalAveragePool', [], (ctx, x) => ctx.emit(nnGlobalAveragePool, { x })),
  pool('Upsample', ['scales', 'mode', 'coordinate_transformation_mode'], scaledBy),
];
