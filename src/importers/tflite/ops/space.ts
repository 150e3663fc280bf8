/** Operators that trade positions of spatial axes for channels, or for batches. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnDepthToSpace, nnPad, nnSlice, nnSpaceToDepth, type Value } from '../../../ir/index.ts';
import { laid } from '../axes.ts';
import { defineTfliteOp, type Result, type TfliteOp } from '../define_tflite_op.ts';
import { axisIn, inLayout } from '../layouts.ts';
import type { Operand, OperatorContext } from '../operator_context.ts';
import { zeroOf } from './pad.ts';

/** The sizes of an image of four axes; its spatial ones are multiples of a block. */
function imageOf(ctx: OperatorContext, x: Operand, divisors: readonly number[]): readonly number[] {
  const shape = ctx.staticShape(x.shape, 'a block');
  if (shape.length !== 4) ctx.refuse(`the input has rank ${shape.length}, not 4`, 'U2005');
  const wrong = divisors.findIndex((divisor, axis) => !(divisor > 0) || shape[axis] % divisor !== 0);
  if (wrong >= 0) ctx.refuse(`axis ${wrong} of [${shape}] does not divide by ${divisors[wrong]}`, 'U2005');
  return shape;
}

/** Position (i, j) of each block becomes the channels (i·b + j)·C …. */
const spaceToDepth = defineTfliteOp({
  name: 'SPACE_TO_DEPTH',
  inputs: ['x'],
  options: tfliteOptions.spaceToDepthOptions,
  import(ctx, { blockSize: b }) {
    const x = ctx.get('x');
    const [n, h, w, c] = imageOf(ctx, x, [1, b, b, 1]);
    const { value, layout } = laid(ctx, x);
    if (layout === 'first') return { value: ctx.emit(nnSpaceToDepth, { x: value }, { block: b }), layout };
    const blocks = ctx.reshape(value, [n, h / b, b, w / b, b, c]);
    return { value: ctx.reshape(ctx.transpose(blocks, [0, 1, 3, 2, 4, 5]), [n, h / b, w / b, b * b * c]), layout };
  },
});

const depthToSpace = defineTfliteOp({
  name: 'DEPTH_TO_SPACE',
  inputs: ['x'],
  options: tfliteOptions.depthToSpaceOptions,
  import(ctx, { blockSize: b }) {
    const x = ctx.get('x');
    const [n, h, w, c] = imageOf(ctx, x, [1, 1, 1, b * b]);
    const { value, layout } = laid(ctx, x);
    if (layout === 'first') return { value: ctx.emit(nnDepthToSpace, { x: value }, { block: b }), layout };
    const blocks = ctx.reshape(value, [n, h, w, b, b, c / (b * b)]);
    return { value: ctx.reshape(ctx.transpose(blocks, [0, 1, 3, 2, 4, 5]), [n, h * b, w * b, c / (b * b)]), layout };
  },
});

/** A block for each axis from 1 on, and [before, after] for each of them. */
function blocksOf(ctx: OperatorContext, { shape }: Operand, edges: string) {
  const [block, rows] = [ctx.integers(ctx.get('block')), ctx.integers(ctx.get(edges))];
  const wrong = [...block.map((b) => b - 1), ...rows].find((count) => count < 0);
  if (block.length + 1 > shape.length || rows.length !== 2 * block.length || wrong !== undefined)
    ctx.refuse(`blocks [${block}] with [${rows}] do not fit a tensor of rank ${shape.length}`, 'U2005');
  const perAxis = <T>(of: (i: number) => T, otherwise: T) =>
    shape.map((_, axis) => (axis >= 1 && axis <= block.length ? of(axis - 1) : otherwise));
  return {
    blocks: perAxis((i) => block[i], 1),
    begins: perAxis((i) => rows[2 * i], 0),
    ends: perAxis((i) => rows[2 * i + 1], 0),
  };
}

/** Batch (i·b + j)·N + n has the positions (i, j) of the blocks of batch n. */
const spaceToBatch = defineTfliteOp({
  name: 'SPACE_TO_BATCH_ND',
  inputs: ['x', 'block', 'paddings'],
  import(ctx) {
    const x = ctx.get('x');
    const { blocks, begins, ends } = blocksOf(ctx, x, 'paddings');
    const { value, layout } = laid(ctx, x);
    const pads = [...inLayout(layout, begins), ...inLayout(layout, ends)];
    const isPadded = pads.some((count) => count > 0);
    const padded = isPadded ? ctx.emit(nnPad, { x: value, value: zeroOf(ctx) }, { pads }) : value;
    const sizes = ctx.staticShape(padded.type.shape, 'a block');
    const block = inLayout(layout, blocks);
    const wrong = sizes.findIndex((size, axis) => size % block[axis] !== 0);
    if (wrong >= 0) ctx.refuse(`${sizes[wrong]} positions do not divide by ${block[wrong]}`, 'U2005');
    const split = sizes.map((size, axis) => size / block[axis]);
    return { value: blocksFirst(ctx, padded, split, block), layout };
  },
});

/** [s0·b0, s1·b1, …] to [b1·b2·…·s0, s1, …], b0 = 1: blocks go before the batch. */
function blocksFirst(ctx: OperatorContext, x: Value, split: readonly number[], block: readonly number[]): Value {
  const parts = split.flatMap((size, axis) => [size, block[axis]]);
  const perm = [...split.map((_, axis) => 2 * axis + 1), ...split.map((_, axis) => 2 * axis)];
  const count = block.reduce((a, b) => a * b, 1);
  const moved = ctx.transpose(ctx.reshape(x, parts), perm);
  return ctx.reshape(moved, split.with(0, split[0] * count));
}

const batchToSpace = defineTfliteOp({
  name: 'BATCH_TO_SPACE_ND',
  inputs: ['x', 'block', 'crops'],
  import(ctx): Result {
    const x = ctx.get('x');
    const { blocks, begins, ends } = blocksOf(ctx, x, 'crops');
    const { value, layout } = laid(ctx, x);
    const rank = x.shape.length;
    const sizes = ctx.staticShape(value.type.shape, 'a block');
    const block = inLayout(layout, blocks);
    const count = block.reduce((a, b) => a * b, 1);
    if (sizes[0] % count !== 0) ctx.refuse(`${sizes[0]} batches do not divide by ${count}`, 'U2005');
    const split = sizes.with(0, sizes[0] / count);
    const perm = split.flatMap((_, axis) => [rank + axis, axis]);
    const whole = split.map((size, axis) => size * block[axis]);
    const moved = ctx.reshape(ctx.transpose(ctx.reshape(value, [...block, ...split]), perm), whole);
    const cropped = begins.flatMap((begin, axis) => (begin + ends[axis] > 0 ? [axis] : []));
    if (cropped.length === 0) return { value: moved, layout };
    const axes = cropped.map((axis) => axisIn(layout, rank, axis));
    const attrs = {
      starts: cropped.map((axis) => begins[axis]),
      ends: cropped.map((axis, i) => whole[axes[i]] - ends[axis]),
      axes,
      steps: cropped.map(() => 1),
    };
    return { value: ctx.emit(nnSlice, { x: moved }, attrs), layout };
  },
});

export const spaceOps: readonly TfliteOp[] = [spaceToDepth, depthToSpace, spaceToBatch, batchToSpace];
