import {
  allDTypes,
  copyStrided,
  doublesOf,
  fromDoubles,
  type ITensor,
  newArray,
  sizeOf,
  stridesOf,
  zeros,
} from '../../tensors/index.ts';
import { attr, defineOp, tensorOf } from '../define_op.ts';
import type { Dim } from '../types.ts';
import { cubicAxes, cubicResize } from './cubic_resize.ts';
import { interpolatedTypes, linearResize } from './linear_resize.ts';
import { type NearestWay, nearestPosition, resizePositions, resizeScales, shrinkingFirst } from './resize_positions.ts';

const attrs = {
  shape: attr.dims(),
  scales: attr.floats(),
  mode: attr.oneOfOr('nearest', 'nearest', 'linear', 'cubic'),
  coordinates: attr.oneOfOr('half_pixel', 'half_pixel', 'pytorch_half_pixel', 'asymmetric', 'align_corners'),
  nearest: attr.oneOfOr('round_prefer_floor', 'round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'),
  recipe: attr.oneOfOr('exact', 'exact', 'ort'),
  cubicFactor: attr.float(-0.75),
  excludesOutside: attr.bool(false),
} as const;

/**
 * True when a scale leads from one size to the other. Sizes round down by the standard, and to the nearest under a
 * policy of aspect ratios; the scale is itself a quotient that was rounded to binary32. Symbols are judged once they
 * are known.
 */
function leadsTo(from: Dim, to: Dim, scale: number): boolean {
  if (scale === 0 || typeof from === 'string' || typeof to === 'string') return true;
  return Math.abs(from * scale - to) < Math.max(1, to * 2 ** -23);
}

/** ONNX Resize, sizes resolved, coordinates beyond the edge clamped to it: https://onnx.ai/onnx/operators/onnx__Resize.html */
export const nnResize = defineOp({
  name: 'nn.resize',
  doc: 'x at `shape`, which is x at `scales` with a size rounded either way, a scale of 0 being the quotient of the sizes, position i of an axis showing position (i + ½)/scale − ½ of x (half_pixel; 0 for an axis of size 1 in pytorch_half_pixel), i/scale (asymmetric) or i·(from − 1)/(to − 1) (align_corners): the nearest element, or linearly between two neighbours per axis (f32, s32, s8, u8): in binary64, rounded once (truncated to an integer), or with `recipe` ort as ONNX Runtime does, see linear_resize.ts; or cubic, between four neighbours per axis (f32): see cubic_resize.ts.',
  operands: { x: tensorOf(...allDTypes) },
  attrs,
  results: { y: { like: 'x' } },
  infer({ x }, { shape, scales, mode }, refuse) {
    const rank = x.shape.length;
    if (shape.length !== rank || scales.length !== rank || scales.some((scale) => !(scale >= 0)))
      refuse(`shape and scales should have ${rank} entries, and scales not be negative`);
    if (x.shape.some((dim, axis) => dim === 0 && shape[axis] !== 0)) refuse.limit('there is nothing to resize', 'x');
    const wrong = x.shape.findIndex((from, axis) => !leadsTo(from, shape[axis], scales[axis]));
    if (wrong >= 0) refuse(`a scale of ${scales[wrong]} does not lead from ${x.shape[wrong]} to ${shape[wrong]}`);
    if (mode === 'cubic' && x.dtype !== 'f32') refuse(`cubic interpolation is for f32, not ${x.dtype}`, 'x');
    if (mode === 'linear' && !interpolatedTypes.includes(x.dtype))
      refuse(`linear interpolation is for ${interpolatedTypes.join(', ')}, not ${x.dtype}`, 'x');
    return { dtype: x.dtype, shape };
  },
  evaluate({ x }, given, [{ shape }]) {
    if (sizeOf(shape) === 0) return zeros(x.dtype, shape);
    const attrs = { ...given, scales: resizeScales(x.shape, shape, given.scales) };
    const positions = resizePositions(x.shape, shape, attrs);
    if (attrs.mode === 'linear' && attrs.recipe === 'ort')
      return linearResize(x, attrs.scales.map(Math.fround), positions);
    if (attrs.mode === 'cubic') return cubicResize(x, cubicAxes(x.shape, shape, attrs));
    let result: ITensor = attrs.mode === 'linear' ? fromDoubles('f64', doublesOf(x), x.shape) : x;
    for (const axis of shrinkingFirst(x.shape, shape)) {
      const at = positions[axis];
      if (at.length === x.shape[axis] && attrs.scales[axis] === 1) continue;
      result = attrs.mode === 'linear' ? interpolated(result, axis, at) : picked(result, axis, at, attrs.nearest);
    }
    if (attrs.mode === 'nearest') return result;
    const values = doublesOf(result);
    return fromDoubles(x.dtype, x.dtype === 'f32' ? values : values.map(Math.trunc), result.shape);
  },
});

function picked(x: ITensor, axis: number, at: Float64Array, how: NearestWay): ITensor {
  const shape = x.shape.with(axis, at.length);
  const data = newArray(x.dtype, sizeOf(shape));
  const [from, to] = [stridesOf(x.shape), stridesOf(shape)];
  at.forEach((position, i) => {
    const source = nearestPosition(position, x.shape[axis], how);
    const view = { offset: source * from[axis], strides: from };
    copyStrided(shape.with(axis, 1), x.data, view, data, { offset: i * to[axis], strides: to });
  });
  return { dtype: x.dtype, shape, data };
}

function interpolated(x: ITensor, axis: number, at: Float64Array): ITensor {
  const [size, inner] = [x.shape[axis], sizeOf(x.shape.slice(axis + 1))];
  const outer = sizeOf(x.shape.slice(0, axis));
  const values = doublesOf(x);
  const y = new Float64Array(outer * at.length * inner);
  for (let o = 0, to = 0; o < outer; o++) {
    for (const position of at) {
      const clamped = Math.min(Math.max(position, 0), size - 1);
      const low = Math.floor(clamped);
      const part = clamped - low;
      const below = (o * size + low) * inner;
      const above = (o * size + Math.min(low + 1, size - 1)) * inner;
      for (let k = 0; k < inner; k++) y[to++] = (1 - part) * values[below + k] + part * values[above + k];
    }
  }
  return { dtype: 'f64', shape: x.shape.with(axis, at.length), data: y };
}
