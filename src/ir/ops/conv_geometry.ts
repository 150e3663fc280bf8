/**
 * The geometry that every windowed operator shares: attributes, output shapes, and which taps are inside the input.
 *
 *   output = ⌊(input + padBegin + padEnd − dilation·(kernel − 1) − 1) / stride⌋ + 1          (ONNX Conv)
 */

import { type AttrValues, attr, type Refuse } from '../define_op.ts';
import { addDims, divDims } from '../dims.ts';
import type { Dim, Shape } from '../types.ts';

/** Spatial lists have one entry per spatial axis; pads are all begins, then all ends (ONNX order). */
export const convAttrs = {
  strides: attr.ints(),
  pads: attr.ints(),
  dilations: attr.ints(),
  group: attr.int(1),
} as const;

export type ConvAttrs = AttrValues<typeof convAttrs>;

/** The attributes of a convolution with nothing special, for `rank` spatial axes. */
export const plainConv = (rank: number): ConvAttrs => ({
  strides: Array(rank).fill(1),
  pads: Array(2 * rank).fill(0),
  dilations: Array(rank).fill(1),
  group: 1,
});

export function windowedDim(
  input: Dim,
  kernel: number,
  stride: number,
  dilation: number,
  padBegin: number,
  padEnd: number,
): Dim {
  return addDims(divDims(addDims(input, padBegin + padEnd - dilation * (kernel - 1) - 1), stride), 1);
}

/** `[N, O, spatial…]` of a convolution of `x: [N, C, spatial…]` with `w: [O, C/group, kernel…]`; refuses what does not fit. */
export function convShape(x: Shape, w: Shape, attrs: ConvAttrs, refuse: Refuse): Shape {
  const rank = x.length - 2;
  if (rank < 1)
    refuse(`the input needs a batch, a channel and at least one spatial axis, but has rank ${x.length}`, 'x');
  if (w.length !== x.length) refuse(`the input has rank ${x.length}, the filter rank ${w.length}`, 'w');
  const { strides, pads, dilations, group } = attrs;
  if (strides.length !== rank || dilations.length !== rank || pads.length !== 2 * rank) {
    refuse(
      `strides, dilations and pads should have ${rank}, ${rank} and ${2 * rank} entries, but have ${strides.length}, ${dilations.length} and ${pads.length}`,
    );
  }
  if (group < 1 || [...strides, ...dilations].some((v) => v < 1))
    refuse('group, strides and dilations should be positive');
  if (pads.some((p) => p < 0)) refuse('negative pads are not allowed');
  const [filters, channelsPerGroup] = w;
  if (typeof filters !== 'number' || w.some((d) => typeof d !== 'number'))
    return refuse('the filter needs a known shape', 'w');
  if (typeof x[1] === 'number' && x[1] !== (channelsPerGroup as number) * group) {
    refuse(`the input has ${x[1]} channels, the filter expects ${channelsPerGroup} x ${group} groups`, 'x');
  }
  if (filters % group !== 0) refuse(`${filters} filters cannot be shared by ${group} groups`, 'w');
  const spatial = x.slice(2).map((dim, i) => {
    const out = windowedDim(dim, w[i + 2] as number, strides[i], dilations[i], pads[i], pads[i + rank]);
    if (typeof out === 'number' && out < 1)
      refuse(`spatial axis ${i}: a window of ${w[i + 2]} does not fit into ${dim} with these pads`, 'w');
    return out;
  });
  return [x[0], filters, ...spatial];
}

/**
 * Calls `visit(outputIndex, inputIndex)` for every position at which the tap at `kernelIndex` reads inside the input,
 * indices being row-major over the spatial axes. Taps outside contribute nothing and are not visited.
 */
export function forEachTapPosition(
  kernelIndex: readonly number[],
  input: readonly number[],
  output: readonly number[],
  { strides, pads, dilations }: Pick<ConvAttrs, 'strides' | 'pads' | 'dilations'>,
  visit: (outputIndex: number, inputIndex: number) => void,
): void {
  const rank = input.length;
  const axis = (a: number, outputBase: number, inputBase: number): void => {
    for (let o = 0; o < output[a]; o++) {
      const i = o * strides[a] - pads[a] + kernelIndex[a] * dilations[a];
      if (i < 0 || i >= input[a]) continue;
      const outputIndex = outputBase * output[a] + o;
      const inputIndex = inputBase * input[a] + i;
      if (a + 1 === rank) visit(outputIndex, inputIndex);
      else axis(a + 1, outputIndex, inputIndex);
    }
  };
  axis(0, 0, 0);
}

/** Where one tap of a window reads and where that goes: `output[outputAt[i]]` takes from `input[inputAt[i]]`. */
export interface Tap {
  readonly inputAt: Int32Array;
  readonly outputAt: Int32Array;
}

/** The taps of a window, row major over the kernel, each with all positions at which it is inside the input. */
export function tapsOf(
  kernel: readonly number[],
  input: readonly number[],
  output: readonly number[],
  geometry: Pick<ConvAttrs, 'strides' | 'pads' | 'dilations'>,
): Tap[] {
  return Array.from(indicesOf(kernel), (kernelIndex) => {
    const inputAt: number[] = [];
    const outputAt: number[] = [];
    forEachTapPosition(kernelIndex, input, output, geometry, (o, i) => {
      outputAt.push(o);
      inputAt.push(i);
    });
    return { inputAt: Int32Array.from(inputAt), outputAt: Int32Array.from(outputAt) };
  });
}

/** All index tuples of a shape, row major. */
export function* indicesOf(shape: readonly number[]): Generator<number[]> {
  const total = shape.reduce((a, b) => a * b, 1);
  for (let flat = 0; flat < total; flat++) {
    const index: number[] = new Array(shape.length);
    for (let a = shape.length - 1, rest = flat; a >= 0; a--) {
      index[a] = rest % shape[a];
      rest = Math.floor(rest / shape[a]);
    }
    yield index;
  }
}
