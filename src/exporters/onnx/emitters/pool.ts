/** Pools. MaxPool takes 8-bit integers since version 12; before, and where there is none for them, they go through f32. */
import { type DType, dtypes } from '../../../ir/index.ts';
import type { PoolAttrs } from '../../../ir/ops/pool_geometry.ts';
import { type Attributes, castTo, flag, int, ints, type NodeEmitter, type Written } from '../node_emitter.ts';
import { clipped } from './elements.ts';

/** `newest`: the versions in which the operator got dilations and ceil_mode. */
function windowAttributes(
  e: NodeEmitter,
  newest: { readonly dilations: number; readonly ceilMode: number },
): Attributes {
  const { kernel, strides, pads, dilations, ceilMode } = e.node.attrs as unknown as PoolAttrs;
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

export function maxPool(e: NodeEmitter): Written {
  const { dtype } = e.type(0);
  const attributes = windowAttributes(e, { dilations: 10, ceilMode: 10 });
  const isByte = dtype === 'u8' || dtype === 's8';
  if (!isByte || e.opset >= 12) return e.finish('MaxPool', e.inputs(), attributes);
  return ofBytes(e, e.add('MaxPool', [e.cast(e.input(0), 'f32')], attributes), dtype);
}

export const averagePoolAttributes = (e: NodeEmitter): Attributes => ({
  ...windowAttributes(e, { dilations: 19, ceilMode: 10 }),
  count_include_pad: flag(e.attr('countIncludePad')),
});

export const averagePool = (e: NodeEmitter): Written => e.finish('AveragePool', e.inputs(), averagePoolAttributes(e));

export const lpPool = (e: NodeEmitter): Written =>
  e.finish('LpPool', e.inputs(), { ...windowAttributes(e, { dilations: 18, ceilMode: 18 }), p: int(e.attr('p')) });

export function globalMaxPool(e: NodeEmitter): Written {
  const { dtype } = e.type(0);
  if (dtype === 'f32' || dtype === 'f64') return e.finish('GlobalMaxPool', e.inputs());
  return ofBytes(e, e.add('GlobalMaxPool', [e.cast(e.input(0), 'f32')]), dtype);
}

/** A maximum of floats as bytes: that of none is −∞, and the lowest byte. */
const ofBytes = (e: NodeEmitter, y: string, dtype: DType): Written =>
  e.finish('Cast', [isOfSome(e) ? y : clipped(e, y, 'f32', dtypes[dtype].min, Infinity)], castTo(dtype));

/** Whether every window sees an element: pads are smaller than windows, but their taps may lie apart. */
const isOfSome = (e: NodeEmitter): boolean =>
  !e.type(0).shape.slice(2).includes(0) &&
  ((e.node.attrs.dilations as readonly number[] | undefined) ?? []).every((d) => d === 1);
