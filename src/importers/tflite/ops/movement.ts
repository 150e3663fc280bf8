/** Operators that move or repeat the elements of one tensor. */
import { tfliteOptions } from '../../../formats/tflite/index.ts';
import { nnExpand, nnSlice, nnTile } from '../../../ir/index.ts';
import { leftOver } from '../../kit/left_over.ts';
import { axesOf, axisOf, checkOfOne, FAR, laid, regrouped, withNew, without } from '../axes.ts';
import { defineTfliteOp, last, type TfliteOp } from '../define_tflite_op.ts';
import { inLayout } from '../layouts.ts';
import type { OperatorContext } from '../operator_context.ts';

/** The shape that a RESHAPE asks for: an operand, or an option in old files; -1 stands for what is left. */
function newShape(ctx: OperatorContext, option: readonly number[] | undefined): readonly number[] {
  const operand = ctx.find('shape');
  if (operand) return ctx.integers(operand);
  return option ?? ctx.refuse('the new shape is absent');
}

const reshape = defineTfliteOp({
  name: 'RESHAPE',
  inputs: ['x', 'shape?'],
  options: tfliteOptions.reshapeOptions,
  import(ctx, options) {
    const x = ctx.get('x');
    const wanted = newShape(ctx, options.newShape);
    const open = wanted.indexOf(-1);
    const rest = open < 0 ? undefined : leftOver(x.shape, wanted.toSpliced(open, 1), (why) => ctx.refuse(why, 'U2005'));
    const shape = rest === undefined ? wanted : wanted.with(open, rest as number);
    return last(ctx.reshape(ctx.last(x), shape));
  },
});

/** Drops the given axes of one position, or all of them. */
const squeeze = defineTfliteOp({
  name: 'SQUEEZE',
  inputs: ['x'],
  options: tfliteOptions.squeezeOptions,
  import(ctx, { squeezeDims }) {
    const x = ctx.get('x');
    const rank = x.shape.length;
    const dropped =
      squeezeDims.length > 0
        ? squeezeDims.map((axis) => ctx.axis(axis, rank))
        : x.shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
    checkOfOne(ctx, x.shape, dropped);
    return regrouped(ctx, laid(ctx, x), without(rank, dropped));
  },
});

const expandDims = defineTfliteOp({
  name: 'EXPAND_DIMS',
  inputs: ['x', 'axis'],
  import(ctx) {
    const x = ctx.get('x');
    const rank = x.shape.length;
    return regrouped(ctx, laid(ctx, x), withNew(rank, axisOf(ctx, ctx.get('axis'), rank + 1)));
  },
});

/** Axis i of the result is axis perm[i] of x. */
const transpose = defineTfliteOp({
  name: 'TRANSPOSE',
  inputs: ['x', 'perm'],
  import(ctx) {
    const x = ctx.get('x');
    const rank = x.shape.length;
    const perm = ctx.integers(ctx.get('perm')).map((axis) => ctx.axis(axis, rank));
    if (perm.length !== rank || new Set(perm).size !== rank)
      ctx.refuse(`[${perm.join(', ')}] is not a permutation of ${rank} axes`, 'U2005');
    return regrouped(ctx, laid(ctx, x), perm);
  },
});

const tile = defineTfliteOp({
  name: 'TILE',
  inputs: ['x', 'multiples'],
  import(ctx) {
    const { value, layout, order } = laid(ctx, ctx.get('x'));
    const multiples = ctx.integers(ctx.get('multiples'));
    if (multiples.length !== order.length)
      ctx.refuse(`${multiples.length} multiples do not fit a tensor of rank ${order.length}`, 'U2005');
    return { value: ctx.emit(nnTile, { x: value }, { repeats: inLayout(layout, multiples) }), layout };
  },
});

const broadcastTo = defineTfliteOp({
  name: 'BROADCAST_TO',
  inputs: ['x', 'shape'],
  import(ctx) {
    const x = ctx.get('x');
    const shape = ctx.integers(ctx.get('shape'));
    const { value, layout } = laid(ctx, x, shape.length === x.shape.length ? undefined : 'last');
    return { value: ctx.emit(nnExpand, { x: value }, { shape: inLayout(layout, shape) }), layout };
  },
});

const reverse = defineTfliteOp({
  name: 'REVERSE_V2',
  inputs: ['x', 'axes'],
  import(ctx) {
    const { value, layout, order } = laid(ctx, ctx.get('x'));
    const axes = axesOf(ctx, ctx.get('axes'), order.length).map((axis) => order.indexOf(axis));
    const all = (position: number) => axes.map(() => position);
    const attrs = { starts: all(-1), ends: all(-FAR), axes, steps: all(-1) };
    return { value: ctx.emit(nnSlice, { x: value }, attrs), layout };
  },
});

export const movementOps: readonly TfliteOp[] = [reshape, squeeze, expandDims, transpose, tile, broadcastTo, reverse];
