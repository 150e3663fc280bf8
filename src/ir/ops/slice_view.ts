/** The elements of a slice whose positions are known. */
import type { StridedView } from '../../tensors/index.ts';
import type { Dim } from '../types.ts';

/** First position, number of positions and step along an axis of known size, clamped as ONNX says. */
export function clampSlice(size: number, start: number, end: number, step: number): { first: number; count: number } {
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const clamp = (at: number, least: number) => Math.min(Math.max(at < 0 ? at + size : at, least), high);
  const first = clamp(start, 0);
  return { first, count: Math.max(0, Math.ceil((clamp(end, low) - first) / step)) };
}

interface SliceAttrs {
  readonly starts: readonly Dim[];
  readonly ends: readonly Dim[];
  readonly axes: readonly number[];
  readonly steps: readonly number[];
}

/** A slice as a view of the tensor that has these strides. */
export function sliceView(shape: readonly number[], strides: readonly number[], slice: SliceAttrs): StridedView {
  let offset = 0;
  const taken = [...strides];
  slice.axes.forEach((axis, i) => {
    const normal = axis < 0 ? axis + shape.length : axis;
    const [start, end, step] = [Number(slice.starts[i]), Number(slice.ends[i]), slice.steps[i]];
    offset += clampSlice(shape[normal], start, end, step).first * strides[normal];
    taken[normal] = strides[normal] * step;
  });
  return { offset, strides: taken };
}
