import { allDTypes, gatherView, stridesOf } from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import { ceilDims, maxDims, minDims, subDims, wrapDims } from '../dims.ts';
import type { Dim } from '../types.ts';
import { normalizeAxes } from './broadcast.ts';
import { clampSlice, sliceView } from './slice_view.ts';

/** An end that means "to the end": no axis is that long. */
const FAR = 2 ** 31 - 1;

/** A position along an axis, counted from the end where it is negative. Far ones are `least` or `most`. */
function position(at: Dim, size: Dim, least: number, most: Dim): Dim {
  if (typeof at === 'number' && at <= -FAR) return least;
  if (typeof at === 'number' && at >= FAR) return most;
  return wrapDims(at, size);
}

/** The size of a slice, sizes and positions possibly symbols. */
function slicedDim(dim: Dim, start: Dim, end: Dim, step: number): Dim {
  if ([dim, start, end].every((d) => typeof d === 'number'))
    return clampSlice(dim as number, start as number, end as number, step).count;
  if (step > 0) {
    // a start behind the axis, and an end in front of it, make less than nothing
    const to = minDims(position(end, dim, 0, dim), dim);
    const count = minDims(subDims(to, position(start, dim, 0, dim)), to);
    return maxDims(ceilDims(count, step), 0);
  }
  const last = subDims(dim, 1);
  const from = minDims(maxDims(position(start, dim, 0, last), 0), last);
  const count = subDims(from, maxDims(position(end, dim, -1, last), -1));
  return maxDims(ceilDims(count, -step), 0);
}

/** ONNX Slice: https://onnx.ai/onnx/operators/onnx__Slice.html */
export const nnSlice = defineOp({
  name: 'nn.slice',
  doc: 'Along axes[i] every steps[i]-th position from starts[i] up to, not including, ends[i]; negative positions count from the end, all are clamped to the axis. Steps may be negative, not 0.',
  operands: { x: tensorOf(...allDTypes) },
  attrs: { starts: attr.dims(), ends: attr.dims(), axes: attr.ints(), steps: attr.ints() },
  results: { y: { like: 'x' } },
  traits: ['movement'],
  infer({ x }, { starts, ends, axes, steps }, refuse) {
    if ([starts, ends, steps].some((list) => list.length !== axes.length))
      refuse(`starts [${starts}], ends [${ends}], axes [${axes}] and steps [${steps}] should be as many of each`);
    if (steps.includes(0)) refuse('a step is 0');
    const rank = x.shape.length;
    normalizeAxes(axes, rank, refuse);
    const shape = [...x.shape];
    axes.forEach((axis, i) => {
      const normal = axis < 0 ? axis + rank : axis;
      shape[normal] = slicedDim(x.shape[normal], starts[i], ends[i], steps[i]);
    });
    return { dtype: x.dtype, shape };
  },
  evaluate: ({ x }, attrs, [{ shape }]) => gatherView(x, shape, sliceView(x.shape, stridesOf(x.shape), attrs)),
});
