/** Pools. MaxPool takes 8-bit integers since version 12; before it, for 16 bits and for other pools, integers go through f32. */
import {
  dtypes,
  isByteType,
  isFloat,
  type nnAveragePool,
  type nnGlobalMaxPool,
  type nnLpPool,
  type nnMaxPool,
  type PoolAttrs,
  type qnnAveragePool,
  type Shape,
} from '../../../ir/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { type Attributes, castTo, flag, int, ints, type NodeWriter, type Written } from '../node_writer.ts';
import { clipped } from './elements.ts';

/** `newest`: the versions in which the operator got dilations and ceil_mode. */
function windowAttributes(
  e: NodeWriter,
  { kernel, strides, pads, dilations, ceilMode }: PoolAttrs,
  newest: { readonly dilations: number; readonly ceilMode: number },
): Attributes {
  const isDilated = dilations.some((d) => d !== 1);
  if (isDilated) e.since(newest.dilations, 'a dilated pool');
  if (ceilMode) e.since(newest.ceilMode, 'ceil_mode');
  return {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    pads: ints(pads),
    ...(isDilated && { dilations: ints(dilations) }),
    ...(ceilMode && { ceil_mode: int(1) }),
  };
}

export function maxPool(e: NodeEmitter<typeof nnMaxPool>): Written {
  const { x, attrs } = e.view;
  const { dtype, shape } = e.typeOf(x);
  const attributes = windowAttributes(e, attrs, { dilations: 10, ceilMode: 10 });
  if (isFloat(dtype) || (isByteType(dtype) && e.opset >= 12)) return e.finish('MaxPool', e.inputs(), attributes);
  const isOfSome = isSpread(shape) && attrs.dilations.every((d) => d === 1);
  return ofIntegers(e, e.add('MaxPool', [e.cast(e.value(x), 'f32')], attributes), isOfSome);
}

export const averagePoolAttributes = (
  e: NodeEmitter<typeof nnAveragePool | typeof qnnAveragePool>,
  countsPad = e.view.attrs.countIncludePad,
): Attributes => ({
  ...windowAttributes(e, e.view.attrs, { dilations: 19, ceilMode: 10 }),
  count_include_pad: flag(countsPad),
});

export const averagePool = (e: NodeEmitter<typeof nnAveragePool>): Written =>
  e.finish('AveragePool', e.inputs(), averagePoolAttributes(e));

export function lpPool(e: NodeEmitter<typeof nnLpPool>): Written {
  const { attrs } = e.view;
  const window = windowAttributes(e, attrs, { dilations: 18, ceilMode: 18 });
  return e.finish('LpPool', e.inputs(), { ...window, p: int(attrs.p) });
}

export function globalMaxPool(e: NodeEmitter<typeof nnGlobalMaxPool>): Written | undefined {
  const { x } = e.view;
  const { dtype, shape } = e.typeOf(x);
  if (isFloat(dtype)) return undefined;
  return ofIntegers(e, e.add('GlobalMaxPool', [e.cast(e.value(x), 'f32')]), isSpread(shape));
}

/** True when the spatial axes hold at least one element. */
const isSpread = (shape: Shape): boolean => !shape.slice(2).includes(0);

/**
 * A maximum of floats as integers. The maximum of no elements is −∞, and becomes the lowest integer. Pads are smaller than
 * windows, but dilated taps may all lie in the pads.
 */
function ofIntegers(e: NodeWriter, y: string, isOfSome: boolean): Written {
  const { dtype } = e.resultType;
  return e.finish('Cast', [isOfSome ? y : clipped(e, y, 'f32', dtypes[dtype].min, Infinity)], castTo(dtype));
}
