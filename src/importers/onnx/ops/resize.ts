/** Resize and Upsample. https://onnx.ai/onnx/operators/onnx__Resize.html */

import {
  type AttrType,
  type Dim,
  interpolatedTypes,
  isWordOf,
  nnGridSample,
  nnResize,
  scaledDim,
  type Value,
} from '../../../ir/index.ts';
import { operatorRecipe } from '../../../numerics/index.ts';
import { numbersOf } from '../../../tensors/index.ts';
import { defineOnnxOp, type OnnxOp } from '../define_onnx_op.ts';
import type { NodeContext } from '../node_context.ts';

interface Target {
  readonly shape: readonly Dim[];
  readonly scales: readonly number[];
}

/** An optional list that may also be given and be empty. */
function constants(ctx: NodeContext, name: string): readonly number[] | undefined {
  const value = ctx.find(name);
  if (value === undefined) return undefined;
  const constant = ctx.constantOf(value) ?? ctx.notKnown(value, name);
  return constant.data.length === 0 ? undefined : numbersOf(constant);
}

/** One entry for each axis of x, from the entries of `axes`. */
const onAxes = <T>(rank: number, axes: readonly number[], values: readonly T[], other: (axis: number) => T): T[] =>
  Array.from({ length: rank }, (_, axis) => values[axes.indexOf(axis)] ?? other(axis));

function byScales(x: Value, scales: readonly number[], ctx: NodeContext): Target {
  const shape = x.type.shape.map(
    (dim, axis) => scaledDim(dim, scales[axis]) ?? ctx.unsupported(`scale ${scales[axis]} of an unknown size`),
  );
  return { shape, scales };
}

/** Scales follow from sizes; with a policy one scale serves all axes, and the sizes follow from it. */
function bySizes(ctx: NodeContext, x: Value, axes: readonly number[], sizes: readonly Dim[]): Target {
  const { shape } = x.type;
  const scaleOf = (axis: number): number => {
    const [to, from] = [sizes[axes.indexOf(axis)], shape[axis]];
    if (to === from) return 1;
    return typeof to === 'number' && typeof from === 'number' ? to / from : 0; // the quotient, once it is known
  };
  const policy = ctx.attr.string('keep_aspect_ratio_policy', 'stretch');
  const own = axes.map(scaleOf);
  if (policy === 'stretch') {
    return {
      shape: onAxes(shape.length, axes, sizes, (axis) => shape[axis]),
      scales: onAxes(shape.length, axes, own, () => 1),
    };
  }
  const refuse = () =>
    ctx.unsupported(`the policy ${policy} for axes of unknown size (give inputShapes, or --shape NAME=SIZES)`);
  if (own.includes(0)) refuse();
  const scale = policy === 'not_larger' ? Math.min(...own) : Math.max(...own);
  const resized = axes.map((axis): Dim => {
    const size = shape[axis];
    if (typeof size === 'number') return Math.floor(scale * size + 0.5);
    return scale === 1 ? size : refuse();
  });
  return {
    shape: onAxes(shape.length, axes, resized, (axis) => shape[axis]),
    scales: onAxes(
      shape.length,
      axes,
      axes.map(() => scale),
      () => 1,
    ),
  };
}

function resize(ctx: NodeContext): Value {
  if (ctx.opset < 11) return upsample(ctx, constants(ctx, 'roi')); // its second input was the scales
  const x = ctx.get('X');
  const rank = x.type.shape.length;
  if (ctx.attr.flag('antialias')) ctx.unsupported('antialias');
  const axes = ctx.attr
    .ints(
      'axes',
      Array.from({ length: rank }, (_, i) => i),
    )
    .map((axis) => ctx.axis(axis, rank, 'axes'));
  const given = constants(ctx, 'scales');
  const sizes = ctx.find('sizes');
  const elements = sizes && ctx.sizes(sizes, 'sizes');
  const entries = given ?? elements;
  if (entries?.length !== axes.length)
    return ctx.refuse(
      `scales or sizes should have ${axes.length} entries, but have ${entries?.length ?? 'none'}`,
      'U2004',
      { input: 'scales' },
    );
  const target = given
    ? byScales(
        x,
        onAxes(rank, axes, given, () => 1),
        ctx,
      )
    : bySizes(ctx, x, axes, entries);
  const coordinates = ctx.attr.string('coordinate_transformation_mode', 'half_pixel');
  if (!isWordOf(nnResize.attrs.coordinates, coordinates)) return ctx.unsupported(`coordinates '${coordinates}'`);
  const nearest = ctx.attr.word('nearest_mode', nnResize.attrs.nearest, 'round_prefer_floor');
  return interpolate(ctx, x, target, coordinates, nearest);
}

function interpolate(
  ctx: NodeContext,
  x: Value,
  target: Target,
  coordinates: AttrType<typeof nnResize.attrs.coordinates>,
  nearest: AttrType<typeof nnResize.attrs.nearest>,
): Value {
  const mode = ctx.attr.string('mode', 'nearest').replace('bilinear', 'linear');
  if (!isWordOf(nnResize.attrs.mode, mode)) return ctx.unsupported(`mode '${mode}'`);
  if (mode === 'linear' && !interpolatedTypes.includes(x.type.dtype))
    ctx.unsupported(`mode 'linear' of ${x.type.dtype}`);
  if (mode === 'cubic' && x.type.dtype !== 'f32') ctx.unsupported(`mode 'cubic' of ${x.type.dtype}`);
  const cubic = {
    cubicFactor: ctx.attr.float('cubic_coeff_a', -0.75),
    excludesOutside: ctx.attr.flag('exclude_outside'),
  };
  const recipe = mode === 'linear' ? (operatorRecipe('resize', ctx.profile) ?? 'exact') : 'exact';
  return ctx.emit(nnResize, { x }, { ...target, mode, coordinates, nearest, recipe, ...(mode === 'cubic' && cubic) });
}

/** Upsample, and Resize of version 10: output position i shows position ⌊i / scale⌋. */
function upsample(ctx: NodeContext, scales: readonly number[] | undefined): Value {
  const x = ctx.get('X');
  if (scales?.length !== x.type.shape.length)
    return ctx.refuse(`scales should have ${x.type.shape.length} entries`, 'U2004', { input: 'scales' });
  return interpolate(ctx, x, byScales(x, scales, ctx), 'asymmetric', 'floor');
}

/** Images of channels in blocks, each axis scaled by a whole number. */
export function scaledBy(ctx: NodeContext, x: Value): Value {
  const scales = ctx.attr.ints('scales');
  if (scales?.length !== x.type.shape.length) return ctx.unsupported(`scales [${scales}] of [${x.type.shape}]`);
  const coordinates = ctx.attr.word('coordinate_transformation_mode', nnResize.attrs.coordinates, 'asymmetric');
  return interpolate(ctx, x, byScales(x, scales, ctx), coordinates, 'floor');
}

function gridSample(ctx: NodeContext): Value {
  const operands = { x: ctx.get('X'), grid: ctx.get('grid') };
  const mode = ctx.attr.string('mode', 'linear').replace('bilinear', 'linear');
  if (!isWordOf(nnGridSample.attrs.mode, mode)) return ctx.unsupported(`mode '${mode}'`);
  if (operands.x.type.shape.length !== 4) ctx.unsupported('samples of other tensors than images');
  const padding = ctx.attr.word('padding_mode', nnGridSample.attrs.padding, 'zeros');
  return ctx.emit(nnGridSample, operands, { mode, padding, alignsCorners: ctx.attr.flag('align_corners') });
}

export const resizeOps: readonly OnnxOp[] = [
  defineOnnxOp({
    name: 'GridSample',
    since: 16,
    inputs: ['X', 'grid'],
    attributes: ['align_corners', 'mode', 'padding_mode'],
    import: gridSample,
  }),
  defineOnnxOp({
    name: 'Resize',
    since: 10,
    inputs: ['X', 'roi?', 'scales?', 'sizes?'],
    attributes: [
      'antialias',
      'axes',
      'coordinate_transformation_mode',
      'cubic_coeff_a',
      'exclude_outside',
      'extrapolation_value',
      'keep_aspect_ratio_policy',
      'mode',
      'nearest_mode',
    ],
    import: resize,
  }),
  defineOnnxOp({
    name: 'Upsample',
    since: 7,
    inputs: ['X', 'scales?'],
    attributes: ['mode', 'scales'],
    operandsSince: { scales: 9 },
    import: (ctx) => upsample(ctx, ctx.opset < 9 ? ctx.attr.floats('scales') : constants(ctx, 'scales')),
  }),
];
