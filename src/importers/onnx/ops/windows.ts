/** The attributes that convolutions and pools share. */

import {
  addDims,
  type ConvAttrs,
  ceilDims,
  divDims,
  isStatic,
  maxDims,
  mulDims,
  nnPad,
  type Shape,
  subDims,
  type Value,
} from '../../../ir/index.ts';
import type { NodeContext } from '../node_context.ts';

export const windowAttributes = ['auto_pad', 'dilations', 'kernel_shape', 'pads', 'strides'];
export const convAttributes = [...windowAttributes, 'group'];

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  /** SAME padding over unknown sizes: nn.pad must make it, and `pads` are 0. */
  readonly open?: Shape;
}

/** Strides, pads and dilations of a window of `kernel` over the spatial axes `spatial`. */
export function windowOf(ctx: NodeContext, spatial: Shape, kernel: readonly number[]): Window {
  const rank = kernel.length;
  if (spatial.length !== rank)
    ctx.refuse(`the kernel has ${rank} axes, the input ${spatial.length} spatial ones`, 'U2005');
  const list = (name: string, length: number, fallback: number, least: number) => {
    const values = ctx.attr.ints(name, Array(length).fill(fallback));
    if (values.length !== length) ctx.refuse(`'${name}' should have ${length} entries, but is [${values}]`);
    if (values.some((value) => value < least)) ctx.refuse(`'${name}' should be at least ${least}, but is [${values}]`);
    return values;
  };
  if (kernel.some((size) => size < 1)) ctx.refuse(`the kernel [${kernel}] is empty`);
  const strides = list('strides', rank, 1, 1);
  const dilations = list('dilations', rank, 1, 1);
  const auto = autoPad(ctx);
  const pads =
    auto === 'NOTSET' ? list('pads', 2 * rank, 0, 0) : autoPads(auto, spatial, { kernel, strides, dilations });
  if (!isStatic(pads)) return { kernel, strides, dilations, pads: pads.map(() => 0), open: pads };
  return { kernel, strides, dilations, pads };
}

const autoPadWords = ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'] as const;
export type AutoPad = (typeof autoPadWords)[number];

/** Old exporters write an empty string for NOTSET. */
export function autoPad(ctx: NodeContext): AutoPad {
  const word = ctx.attr.string('auto_pad', 'NOTSET') || 'NOTSET';
  return autoPadWords.find((known) => known === word) ?? ctx.refuse(`auto_pad is '${word}'`);
}

/** SAME: output = ⌈input / stride⌉, an odd pad goes to the end for UPPER and to the begin for LOWER. */
function autoPads(
  auto: AutoPad,
  spatial: Shape,
  { kernel, strides, dilations }: Pick<Window, 'kernel' | 'strides' | 'dilations'>,
): Shape {
  if (auto === 'VALID') return Array(2 * kernel.length).fill(0);
  const totals = spatial.map((size, i) => {
    const reach = dilations[i] * (kernel[i] - 1) + 1;
    const covered = addDims(mulDims(subDims(ceilDims(size, strides[i]), 1), strides[i]), reach);
    return maxDims(subDims(covered, size), 0);
  });
  return splitPads(totals, auto);
}

export function splitPads(totals: readonly number[], auto: AutoPad): readonly number[];
export function splitPads(totals: Shape, auto: AutoPad): Shape;
export function splitPads(totals: Shape, auto: AutoPad): Shape {
  const small = totals.map((total) => divDims(total, 2));
  const large = totals.map((total) => ceilDims(total, 2));
  return auto === 'SAME_LOWER' ? [...large, ...small] : [...small, ...large];
}

/** The source of a window with its SAME padding, when this depends on sizes; `fill` is 0 by default. */
export function sourceOf(ctx: NodeContext, x: Value, { open }: Window, fill?: Value): Value {
  if (open === undefined) return x;
  const pads = [0, 0, ...open.slice(0, open.length / 2), 0, 0, ...open.slice(open.length / 2)];
  const value = fill && (fill.type.shape.length > 0 ? ctx.reshape(fill, []) : fill);
  return ctx.emit(nnPad, { x, value }, { pads, mode: 'constant' });
}

/** The spatial sizes of a filter [O, C, kernel…], which must be known and equal a given `kernel_shape`. */
export function kernelOf(ctx: NodeContext, w: Value, name: string): readonly number[] {
  const kernel = ctx.staticShape(w.type.shape, 'a filter').slice(2);
  const given = ctx.attr.ints('kernel_shape');
  if (given && (given.length !== kernel.length || given.some((size, i) => size !== kernel[i]))) {
    ctx.refuse(`kernel_shape is [${given}], the filter has [${kernel}]`, 'U2005', { input: name });
  }
  return kernel;
}

/** The source and the attributes of a convolution of x with w; `zero` fills the padding of x. */
export function convOf(
  ctx: NodeContext,
  x: Value,
  w: Value,
  { name = 'W', zero }: { readonly name?: string; readonly zero?: Value | undefined } = {},
): { readonly source: Value; readonly attrs: ConvAttrs } {
  const window = windowOf(ctx, x.type.shape.slice(2), kernelOf(ctx, w, name));
  const { strides, pads, dilations } = window;
  return {
    source: sourceOf(ctx, x, window, zero),
    attrs: { strides, pads, dilations, group: ctx.attr.int('group', 1) },
  };
}

/** A per-channel value [C] in the shape that adds to [N, C, spatial…]. */
export const perChannel = (ctx: NodeContext, value: Value, rank: number): Value => {
  const [channels = 1] = value.type.shape;
  return ctx.reshape(value, [channels, ...Array(rank - 2).fill(1)]);
};

/** [N, spatial…, C] to [N, C, spatial…] and back. */
export const toChannelsFirst = (ctx: NodeContext, x: Value): Value => {
  const rank = x.type.shape.length;
  return ctx.transpose(x, [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)]);
};
export const toChannelsLast = (ctx: NodeContext, x: Value): Value => {
  const rank = x.type.shape.length;
  return ctx.transpose(x, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
};
