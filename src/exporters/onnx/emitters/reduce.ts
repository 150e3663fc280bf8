/** Reductions. Axes are an input since version 18 (ReduceSum: 13), an attribute before. */
import { dtypes, type nnArgMax, type nnArgMin, type nnCumsum, type nnReduceSum } from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { type Attributes, castTo, flag, int, ints, type Written } from '../node_writer.ts';
import { clipped, finishVia, ordered, via, widened } from './elements.ts';

export const reduction =
  (opType: string, axesAsInput = 18) =>
  (e: NodeEmitter<typeof nnReduceSum>): Written => {
    const { dtype, shape } = e.typeOf(e.view.x);
    const { axes: given, keepdims: isKept } = e.view.attrs;
    const axes = (given.length === 0 ? shape.map((_, axis) => axis) : given).map((axis) =>
      axis < 0 ? axis + shape.length : axis,
    );
    const isInput = e.opset >= axesAsInput;
    const keepdims = flag(isKept);
    const isBounded = opType === 'ReduceMax' || opType === 'ReduceMin';
    const wide = isBounded ? ordered(dtype) : widened(dtype);
    const [x] = via(e, wide, e.view.x);
    const isNone = axes.length === 0; // of a scalar
    const inputs = isInput && !isNone ? [x, e.list(axes, 'axes')] : [x];
    const attributes: Attributes = isInput || isNone ? { keepdims } : { axes: ints(axes), keepdims };
    if (isBounded && wide !== undefined && axes.some((axis) => shape[axis] === 0)) {
      const { min, max } = dtypes[dtype]; // the extreme of no elements is that of the wider type
      return e.finish('Cast', [clipped(e, e.add(opType, inputs, attributes), wide, min, max)], castTo(dtype));
    }
    return finishVia(e, wide, opType, inputs, attributes);
  };

export const argument =
  (opType: string) =>
  (e: NodeEmitter<typeof nnArgMax | typeof nnArgMin>): Written => {
    const { x, attrs } = e.view;
    const { dtype, shape } = e.typeOf(x);
    const { axis, keepdims, selectLast } = attrs;
    if (selectLast) e.since(12, 'select_last_index');
    const wide = dtype === 'u32' || dtype === 'u16' || dtype === 's16' ? 'f64' : undefined;
    return e.finish(opType, via(e, wide, x), {
      axis: int(axis < 0 ? axis + shape.length : axis),
      keepdims: flag(keepdims),
      ...(selectLast && { select_last_index: int(1) }),
    });
  };

export function cumsum(e: NodeEmitter<typeof nnCumsum>): Written {
  e.since(11, 'CumSum');
  const { x, attrs } = e.view;
  const wide = widened(e.typeOf(x).dtype);
  return finishVia(e, wide, 'CumSum', [...via(e, wide, x), e.scalar('s64', attrs.axis)], {
    exclusive: flag(attrs.exclusive),
    reverse: flag(attrs.reverse),
  });
}
