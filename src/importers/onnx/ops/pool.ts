/** Pools. */

import { nnAveragePool, nnLpPool, nnMaxPool, type Value } from '../../../ir/index.ts';
import { dtypes, isFloat } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';
import { sourceOf, toChannelsFirst, toChannelsLast, type Window, windowAttributes, windowOf } from './windows.ts';

function poolWindow(ctx: NodeContext, x: Value): Window {
  const kernel = ctx.attr.ints('kernel_shape') ?? ctx.refuse('kernel_shape is missing');
  const window = windowOf(ctx, x.type.shape.slice(2), kernel);
  if (window.open) ctx.unsupported('auto_pad over an axis of unknown size (give inputShapes, or --shape NAME=SIZES)');
  return window;
}

/** The padding holds the lowest value, which is never a maximum. */
export function maxPool(ctx: NodeContext, x: Value): Value {
  const kernel = ctx.attr.ints('kernel_shape') ?? ctx.refuse('kernel_shape is missing');
  const window = windowOf(ctx, x.type.shape.slice(2), kernel);
  const { strides, pads, dilations } = window;
  const { dtype } = x.type;
  const lowest = window.open && (isFloat(dtype) ? -Infinity : dtypes[dtype].min);
  const fill = typeof lowest === 'number' ? ctx.scalar(dtype, lowest, 'lowest') : undefined;
  return ctx.emit(
    nnMaxPool,
    { x: sourceOf(ctx, x, window, fill) },
    {
      kernel,
      strides,
      pads,
      dilations,
      ceilMode: ctx.attr.flag('ceil_mode'),
    },
  );
}

/** The attributes of a mean over windows. */
export const averageWindow = (ctx: NodeContext, x: Value) => {
  const { kernel, strides, pads, dilations } = poolWindow(ctx, x);
  return {
    kernel,
    strides,
    pads,
    dilations,
    ceilMode: ctx.attr.flag('ceil_mode'),
    countIncludePad: ctx.attr.flag('count_include_pad'),
  };
};

/** The mean over the elements of a window. */
export const averagePool = (ctx: NodeContext, x: Value): Value => ctx.emit(nnAveragePool, { x }, averageWindow(ctx, x));

export const poolAttributes = [...windowAttributes, 'ceil_mode'];

export const poolOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'MaxPool',
    inputs: ['X'],
    outputs: 2,
    attributes: [...poolAttributes, 'storage_order'],
    import(ctx) {
      if (ctx.wants(1)) ctx.unsupported('the indices are used'); // storage_order is for the indices
      return maxPool(ctx, ctx.get('X'));
    },
  }),
  defineOnnxOp({
    domain: 'com.microsoft',
    name: 'NhwcMaxPool',
    inputs: ['x'],
    attributes: poolAttributes,
    import: (ctx) => toChannelsLast(ctx, maxPool(ctx, toChannelsFirst(ctx, ctx.get('x')))),
  }),
  defineOnnxOp({
    name: 'AveragePool',
    inputs: ['X'],
    attributes: [...poolAttributes, 'count_include_pad'],
    import: (ctx) => averagePool(ctx, ctx.get('X')),
  }),
  defineOnnxOp({
    name: 'LpPool',
    since: 2,
    inputs: ['X'],
    attributes: [...poolAttributes, 'p'],
    import(ctx) {
      const x = ctx.get('X');
      const { kernel, strides, pads, dilations } = poolWindow(ctx, x);
      const p = ctx.attr.int('p', 2);
      return ctx.emit(nnLpPool, { x }, { kernel, strides, pads, dilations, ceilMode: ctx.attr.flag('ceil_mode'), p });
    },
  }),
];
