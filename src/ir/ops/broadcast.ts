/** Axes and numpy broadcasting: https://onnx.ai/onnx/repo-docs/Broadcasting.html */

import { gatherView, type ITensor, stridesOf } from '../../tensors/index.ts';
import type { Fault } from '../define_op.ts';
import { broadcastDims } from '../dims.ts';
import type { Dim, Shape } from '../types.ts';

/** The axis in [0, rank); negative ones count from the end. */
export function normalizeAxis(axis: number, rank: number, refuse: Fault): number {
  if (axis < -rank || axis >= rank) refuse(`axis ${axis} is outside a tensor of rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

/** Axes in [0, rank), ascending; refuses repetitions. */
export function normalizeAxes(axes: readonly number[], rank: number, refuse: Fault): number[] {
  const normal = axes.map((axis) => normalizeAxis(axis, rank, refuse)).sort((a, b) => a - b);
  if (new Set(normal).size !== normal.length) refuse(`axes [${axes}] name an axis twice`);
  return normal;
}

/**
 * The shape to which all of these broadcast. A symbol meets itself or a number (n > 1 wins over a symbol, which can
 * then only be n or 1; a symbol wins over 1); of two different symbols one is 1 or they agree.
 */
export function broadcastShape(shapes: readonly Shape[], refuse: Fault): Shape {
  const rank = shapes.reduce((most, s) => Math.max(most, s.length), 0);
  return Array.from({ length: rank }, (_, axis) =>
    shapes.map((s) => s[axis - rank + s.length] ?? 1).reduce((a, b) => broadcastDim(a, b, shapes, refuse)),
  );
}

function broadcastDim(a: Dim, b: Dim, shapes: readonly Shape[], refuse: Fault): Dim {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'string' && typeof b === 'number') return b;
  if (typeof b === 'string' && typeof a === 'number') return a;
  if (typeof a === 'string' && typeof b === 'string') return broadcastDims(a, b);
  return refuse(`the shapes ${shapes.map((s) => `[${s.join(', ')}]`).join(' and ')} do not broadcast: ${a} and ${b}`);
}

/** Sizes that must be the same: the known one when one is a symbol. Different symbols are taken to agree. */
export function sameDim(a: Dim, b: Dim, refuse: () => never): Dim {
  if (typeof a === 'number' && typeof b === 'number' && a !== b) refuse();
  return typeof a === 'number' ? a : typeof b === 'number' ? b : a;
}

/** `x` repeated to `shape`; `x` itself when there is nothing to repeat. */
export function broadcastTo<T extends ITensor>(x: T, shape: readonly number[]): T {
  if (x.shape.length === shape.length && x.shape.every((size, axis) => size === shape[axis])) return x;
  const own = stridesOf(x.shape);
  const strides = shape.map((_, axis) => {
    const ownAxis = axis - shape.length + x.shape.length;
    return ownAxis < 0 || x.shape[ownAxis] === 1 ? 0 : own[ownAxis];
  });
  return gatherView(x, shape, { offset: 0, strides }) as T;
}
