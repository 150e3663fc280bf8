/** Operators that move elements. Sizes that are symbols stay computed: copied, left over, or read off an input. */

import {
  isStatic,
  type nnExpand,
  type nnGather,
  type nnGatherNd,
  type nnGridSample,
  type nnRange,
  type nnReshape,
  type nnResize,
  type nnSlice,
  numbersOf,
  scaledDim,
  tensor,
} from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { float, int, text, type Written } from '../node_writer.ts';
import { byForm } from './by_form.ts';
import { via } from './elements.ts';
import { sliceParts } from './pad.ts';
import { sizeAs, sizeList } from './sizes.ts';

/** The shape input of a Reshape: 0 copies a size, −1 is what is left over, other symbols are read off a value. */
export function reshape(e: NodeEmitter<typeof nnReshape>): Written {
  e.since(5, 'Reshape');
  const { x } = e.view;
  const { shape } = e.view.attrs;
  const from = e.typeOf(x).shape;
  if (isStatic(shape)) {
    const isEmpty = shape.includes(0);
    if (isEmpty && shape.some((dim, i) => dim === 0 && from[i] !== 0)) e.since(14, 'a Reshape to an empty shape');
    return e.finish(
      'Reshape',
      [e.value(x), e.list(shape, 'shape')],
      isEmpty && e.opset >= 14 ? { allowzero: int(1) } : {},
    );
  }
  if (shape.includes(0)) {
    e.since(14, 'a Reshape to an empty shape of which sizes are computed');
    return e.finish('Reshape', [e.value(x), sizeList(e, shape, 'shape')], { allowzero: int(1) });
  }
  const copied = shape.map((dim, i) => (typeof dim === 'string' && dim === from[i] ? 0 : dim));
  const rest = copied.filter((dim) => typeof dim === 'string');
  if (rest.length <= 1) {
    const list = copied.map((dim) => (typeof dim === 'string' ? -1 : dim));
    return e.finish('Reshape', [e.value(x), e.list(list, 'shape')]);
  }
  return e.finish('Reshape', [e.value(x), sizeList(e, copied, 'shape')]);
}

export function expand(e: NodeEmitter<typeof nnExpand>): Written {
  e.since(8, 'Expand');
  const { x } = e.view;
  const { shape } = e.view.attrs;
  const from = e.typeOf(x).shape;
  // x has these sizes already
  const wanted = shape.map((dim, i) => {
    const own = from[i - shape.length + from.length];
    return typeof dim === 'string' && dim === own ? 1 : dim;
  });
  return e.finish('Expand', [e.value(x), sizeList(e, wanted, 'shape')]);
}

export function slice(e: NodeEmitter<typeof nnSlice>): Written {
  const { x, attrs } = e.view;
  const { inputs, attributes } = sliceParts(e, attrs);
  return e.finish('Slice', [e.value(x), ...inputs], attributes);
}

/** The limit is where the count ends: start + count·delta. */
export function range(e: NodeEmitter<typeof nnRange>): Written {
  e.since(11, 'Range');
  const { start, delta, attrs } = e.view;
  const { dtype } = e.typeOf(start);
  const count = e.add('Squeeze', [sizeList(e, attrs.count, 'count'), ...(e.opset < 13 ? [] : [e.list([0], 'axis')])]);
  const length = e.add('Mul', [sizeAs(e, count, dtype), e.value(delta)]);
  return e.finish('Range', [e.value(start), e.add('Add', [e.value(start), length]), e.value(delta)]);
}

/** Negative indices count from the end since version 11. */
export function gather(e: NodeEmitter<typeof nnGather>): undefined {
  const known = e.constantOf(e.view.indices);
  const mayBeNegative = known === undefined || numbersOf(known).some((index) => index < 0);
  if (mayBeNegative) e.since(11, 'Gather with any index');
}

/** GatherND has indices of 64 bits only. */
export function gatherNd(e: NodeEmitter<typeof nnGatherNd>): Written {
  const { x, indices } = e.view;
  return byForm(e, [e.value(x), ...via(e, 's64', indices)]);
}

/**
 * Resizes by sizes when the scales are their quotients, as a runtime computes them: a rounded scale may not give the
 * size that it came from (10 times f32(2.1) is 20 in some runtimes). Otherwise by the scales, which decide the
 * coordinates, when they give the shape in binary32 and in binary64.
 */
export function resize(e: NodeEmitter<typeof nnResize>): Written {
  e.since(11, 'Resize with coordinates');
  const { x, attrs } = e.view;
  const { mode, shape, coordinates, nearest } = attrs;
  const from = e.typeOf(x).shape;
  const scales = attrs.scales.map(Math.fround);
  const isQuotient = (i: number) => {
    if (scales[i] === 0 || shape[i] === from[i]) return scales[i] === 0 || scales[i] === 1;
    return Math.fround(Number(shape[i]) / Number(from[i])) === scales[i]; // NaN for a symbol
  };
  const fits = (i: number) => {
    const [a, b] = [from[i], shape[i]];
    if (typeof a !== 'number') return scaledDim(a, scales[i]) === b;
    return Math.floor(Math.fround(a * scales[i])) === b && Math.floor(a * scales[i]) === b;
  };
  const attributes = {
    mode: text(mode),
    coordinate_transformation_mode: text(coordinates),
    ...(mode === 'nearest' && { nearest_mode: text(nearest) }),
    ...(mode === 'cubic' && {
      cubic_coeff_a: float(attrs.cubicFactor),
      exclude_outside: int(Number(attrs.excludesOutside)),
    }),
  };
  const roi = e.opset < 13 ? e.constant(tensor('f32', [], [0]), 'no_roi') : '';
  const isBySizes = scales.includes(0) || (isStatic(from) && isStatic(shape));
  if (isBySizes && shape.every((_, i) => isQuotient(i))) {
    const none = e.opset < 13 ? e.constant(tensor('f32', [], [0]), 'no_scales') : '';
    return e.finish('Resize', [e.value(x), roi, none, sizeList(e, shape, 'sizes')], attributes);
  }
  if (scales.includes(0) || !shape.every((_, i) => fits(i)))
    e.refuse('neither its scales nor its sizes give the other');
  return e.finish('Resize', [e.value(x), roi, e.constant(tensor('f32', scales), 'scales')], attributes);
}

/** The linear mode had another name before version 20. */
export function gridSample(e: NodeEmitter<typeof nnGridSample>): Written {
  e.since(16, 'GridSample');
  const { x, grid, attrs } = e.view;
  const linear = e.opset < 20 ? 'bilinear' : 'linear';
  return e.finish('GridSample', [e.value(x), e.value(grid)], {
    mode: text(attrs.mode === 'linear' ? linear : attrs.mode),
    padding_mode: text(attrs.padding),
    align_corners: int(Number(attrs.alignsCorners)),
  });
}
