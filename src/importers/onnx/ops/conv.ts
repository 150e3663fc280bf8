/** Convolutions, float and quantized. */

import {
  nnAdd,
  nnConcat,
  nnConv,
  nnConvTranspose,
  nnPad,
  nnSlice,
  qnnConv,
  type Shape,
  subDims,
  type Value,
} from '../../../ir/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { requantize } from './requantize.ts';
import { swish } from './unary.ts';
import {
  type AutoPad,
  autoPad,
  convAttributes,
  convOf,
  kernelOf,
  perChannel,
  splitPads,
  toChannelsFirst,
  toChannelsLast,
} from './windows.ts';

/** ConvTranspose: https://onnx.ai/onnx/operators/onnx__ConvTranspose.html */
function convTranspose(ctx: NodeContext): Value {
  const [x, w] = [ctx.get('X'), ctx.get('W')];
  const kernel = kernelOf(ctx, w, 'W');
  const rank = kernel.length;
  const spatial = x.type.shape.slice(2);
  const list = (name: string, fallback: number) => {
    const values = ctx.attr.ints(name, Array(rank).fill(fallback));
    return values.length === rank ? values : ctx.refuse(`'${name}' should have ${rank} entries, but is [${values}]`);
  };
  const [strides, dilations, outputPadding] = [list('strides', 1), list('dilations', 1), list('output_padding', 0)];
  const reach = kernel.map((size, i) => dilations[i] * (size - 1) + 1 + outputPadding[i]);
  const { pads, room } = transposedPads(ctx, spatial, strides, reach);
  const attrs = { strides, dilations, pads, group: ctx.attr.int('group', 1) };
  return ctx.emit(
    nnConvTranspose,
    { x, w, bias: ctx.find('B') },
    {
      ...attrs,
      outputPadding: outputPadding.map((size, i) => size + room[i]),
    },
  );
}

interface TransposedPads {
  readonly pads: readonly number[];
  /** The end of the output beyond all taps, one entry per axis: only the bias is there. */
  readonly room: readonly number[];
}

/** `output_shape` overrides pads: the rest of the output is cut off on both sides. */
function transposedPads(
  ctx: NodeContext,
  spatial: Shape,
  strides: readonly number[],
  reach: readonly number[],
): TransposedPads {
  const rank = strides.length;
  const auto = autoPad(ctx);
  const none = Array<number>(rank).fill(0);
  const outputShape = ctx.attr.ints('output_shape')?.slice(-rank);
  if (outputShape) {
    const totals = spatial.map((size, i) => {
      if (typeof size !== 'number') return ctx.unsupported('output_shape with an unknown size');
      const whole = strides[i] * (size - 1) + reach[i];
      if (outputShape[i] < whole + strides[i]) return whole - outputShape[i];
      return ctx.refuse(
        `output_shape is [${outputShape}], but [${spatial}] gives at most ${whole + strides[i] - 1} there`,
      );
    });
    // ONNX gives the odd pad to the begin, except for SAME_UPPER
    return split(totals, auto === 'SAME_UPPER' ? 'SAME_UPPER' : 'SAME_LOWER');
  }
  if (auto === 'VALID') return { pads: [...none, ...none], room: none };
  if (auto === 'NOTSET') {
    const pads = ctx.attr.ints('pads', [...none, ...none]);
    if (pads.length !== 2 * rank) ctx.refuse(`'pads' should have ${2 * rank} entries, but is [${pads}]`);
    if (pads.some((pad) => pad < 0)) ctx.refuse(`'pads' should be at least 0, but is [${pads}]`);
    return { pads, room: none };
  }
  // output = input · stride where taps reach so far; ONNX Runtime adds no room for the rest
  const totals = strides.map((stride, i) => Math.max(0, reach[i] - stride));
  return { pads: splitPads(totals, auto), room: none };
}

/** Splits the total pads as ONNX Runtime does: positive ones are cut off, negative ones are missing at the end. */
const split = (totals: readonly number[], auto: AutoPad): TransposedPads => ({
  pads: splitPads(
    totals.map((total) => Math.max(0, total)),
    auto,
  ),
  room: totals.map((total) => Math.max(0, -total)),
});

/** QLinearConv: https://onnx.ai/onnx/operators/onnx__QLinearConv.html; com.microsoft's has `channels_last`. */
function qlinearConv(ctx: NodeContext): Value {
  const channelsLast = ctx.attr.flag('channels_last');
  const [given, w] = [ctx.get('x'), ctx.get('w')];
  const x = channelsLast ? toChannelsFirst(ctx, given) : given;
  const zero = ctx.find('x_zero_point');
  const { source, attrs } = convOf(ctx, x, w, { name: 'w', zero });
  const sum = ctx.emit(qnnConv, { x: source, w, zx: zero, zw: ctx.find('w_zero_point') }, attrs);
  const bias = ctx.find('B');
  const accumulator = bias ? ctx.emit(nnAdd, { a: sum, b: perChannel(ctx, bias, x.type.shape.length) }) : sum;
  const scales = { a: ctx.get('x_scale'), b: ctx.get('w_scale'), y: ctx.get('y_scale') };
  const y = requantize(ctx, accumulator, scales, ctx.find('y_zero_point') ?? ctx.scalar('u8', 0, 'zero_point'), 1);
  return channelsLast ? toChannelsLast(ctx, y) : y;
}

/** A convolution of each channel over its own and earlier positions; before the first are those of `past_state`, or zeros. */
function causalConv(ctx: NodeContext): readonly Value[] {
  const [x, w] = [ctx.get('input'), ctx.get('weight')];
  const [channels, perGroup, kernel] = ctx.staticShape(w.type.shape, 'a filter');
  if (w.type.shape.length !== 3 || x.type.shape.length !== 3 || perGroup !== 1 || kernel < 1)
    ctx.refuse(`the filter [${w.type.shape}] should be one of one channel for each of [${x.type.shape}]`, 'U2005');
  const past = ctx.find('past_state');
  const pads = [0, 0, kernel - 1, 0, 0, 0];
  const source = past
    ? ctx.emit(nnConcat, { xs: [past, x] }, { axis: 2 })
    : ctx.emit(nnPad, { x, value: undefined }, { pads, mode: 'constant' });
  const attrs = { strides: [1], dilations: [1], pads: [0, 0], group: channels };
  const y = ctx.emit(nnConv, { x: source, w, bias: ctx.find('bias') }, attrs);
  const activation = ctx.attr.string('activation', 'none');
  if (!['none', 'silu', 'swish'].includes(activation)) ctx.unsupported(`the activation '${activation}'`);
  const length = source.type.shape[2];
  const last = { starts: [subDims(length, kernel - 1)], ends: [length], axes: [2], steps: [1] };
  return [activation === 'none' ? y : swish(ctx, y, 1), ctx.emit(nnSlice, { x: source }, last)];
}

const qlinearInputs = [
  'x: T1',
  'x_scale: S',
  'x_zero_point: T1',
  'w: T2',
  'w_scale: S',
  'w_zero_point: T2',
  'y_scale: S',
  'y_zero_point: T3',
  'B?',
];

export const convOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'Conv',
    inputs: ['X: T', 'W: T', 'B?: T'],
    attributes: convAttributes,
    import(ctx) {
      const [x, w] = [ctx.get('X'), ctx.get('W')];
      const { source, attrs } = convOf(ctx, x, w);
      return ctx.emit(nnConv, { x: source, w, bias: ctx.find('B') }, attrs);
    },
  }),
  defineOnnxOp({
    name: 'ConvTranspose',
    inputs: ['X: T', 'W: T', 'B?: T'],
    attributes: [...convAttributes, 'output_padding', 'output_shape'],
    import: convTranspose,
  }),
  defineOnnxOp({
    name: 'CausalConvWithState',
    since: 27,
    inputs: ['input: T', 'weight: T', 'bias?: T', 'past_state?: T'],
    outputs: 2,
    attributes: ['activation'],
    import: causalConv,
  }),
  defineOnnxOp({
    name: 'ConvInteger',
    since: 10,
    inputs: ['x: T1', 'w: T2', 'x_zero_point?: T1', 'w_zero_point?: T2'],
    attributes: convAttributes,
    import(ctx) {
      const [x, w] = [ctx.get('x'), ctx.get('w')];
      const zero = ctx.find('x_zero_point');
      const { source, attrs } = convOf(ctx, x, w, { name: 'w', zero });
      return ctx.emit(qnnConv, { x: source, w, zx: zero, zw: ctx.find('w_zero_point') }, attrs);
    },
  }),
  defineOnnxOp({
    name: 'QLinearConv',
    since: 10,
    inputs: qlinearInputs,
    attributes: convAttributes,
    import: qlinearConv,
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'QLinearConv',
    inputs: qlinearInputs.map((input) => input.replace(/^([xwy]_zero_point)/, '$1?')),
    attributes: [...convAttributes, 'channels_last'],
    import: qlinearConv,
  }),
];
