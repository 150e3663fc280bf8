/** Reductions. Axes are an input since version 18 (ReduceSum: 13), an attribute before. */
import { dtypes } from '../../../ir/index.ts';
import { type Attributes, castTo, flag, int, ints, type NodeEmitter, type Written } from '../node_emitter.ts';
import { clipped, finishVia, ordered, via, widened } from './elements.ts';

export const reduction =
  (opType: string, axesAsInput = 18) =>
  (e: NodeEmitter): Written => {
    const { dtype, shape } = e.type(0);
    const given = e.attr<readonly number[]>('axes');
    const axes = (given.length === 0 ? shape.map((_, axis) => axis) : given).map((axis) =>
      axis < 0 ? axis + shape.length : axis,
    );
    const isInput = e.opset >= axesAsInput;
    const keepdims = flag(e.attr('keepdims'));
    const isBounded = opType === 'ReduceMax' || opType === 'ReduceMin';
    const wide = isBounded ? ordered(dtype) : widened(dtype);
    const [x] = via(e, dtype, wide, [e.input(0)]);
    const isNone = axes.length === 0; // of a scalar
    const inputs = isInput && !isNone ? [x, e.list(axes, 'axes')] : [x];
    const attributes: Attributes = isInput || isNone ? { keepdims } : { axes: ints(axes), keepdims };
    if (isBounded && wide !== undefined && axes.some((axis) => shape[axis] === 0)) {
      const { min, max } = dtypes[dtype]; // the extreme of none is that of the wider type
      return e.finish('Cast', [clipped(e, e.add(opType, inputs, attributes), wide, min, max)], castTo(dtype));
    }
    return finishVia(e, wide, opType, inputs, attributes);
  };

export const argument =
  (opType: string) =>
  (e: NodeEmitter): Written => {
    const { dtype, shape } = e.type(0);
    const axis = e.attr<number>('axis');
    const last = e.attr<boolean>('selectLast');
    if (last) e.since(12, 'select_last_index');
    const wide = dtype === 'u32' || dtype === 'u16' || dtype === 's16' ? 'f64' : undefined;
    return e.finish(opType, via(e, dtype, wide, [e.input(0)]), {
      axis: int(axis < 0 ? axis + shape.length : axis),
      keepdims: flag(e.attr('keepdims')),
      ...(last && { select_last_index: int(1) }),
    });
  };

export function cumsum(e: NodeEmitter): Written {
  e.since(11, 'CumSum');
  const { dtype } = e.type(0);
  const wide = widened(dtype);
  return finishVia(e, wide, 'CumSum', [...via(e, dtype, wide, [e.input(0)]), e.scalar('s64', e.attr('axis'))], {
    exclusive: flag(e.attr('exclusive')),
    reverse: flag(e.attr('reverse')),
  });
}
