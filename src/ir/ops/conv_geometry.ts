/**
 * The geometry that every windowed operator shares: attributes, output shapes, and which taps are inside the input.
 *
 *   output = ⌊(input + padBegin + padEnd − dilation·(kernel − 1) − 1) / stride⌋ + 1          (ONNX Conv)
 */

import { sizeOf } from '../../tensors/index.ts';
import { type AttrValues, attr, type Refuse } from '../define_op.ts';
import { addDims, divDims } from '../dims.ts';
import { MOST_BYTES } from '../limits.ts';
import { type Dim, isStatic, type Shape } from '../types.ts';

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

type Numbers = [kernel: number, stride: number, dilation: number, padBegin: number, padEnd: number];
export function windowedDim(input: number, ...window: Numbers): number;
export function windowedDim(input: Dim, ...window: Numbers): Dim;
export function windowedDim(input: Dim, ...[kernel, stride, dilation, padBegin, padEnd]: Numbers): Dim {
  return addDims(divDims(addDims(input, padBegin + padEnd - dilation * (kernel - 1) - 1), stride), 1);
}

/** The geometry of windows, one entry per spatial axis; pads are all begins, then all ends. */
export interface Window {
  readonly kernel: Shape;
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  readonly outputPadding?: readonly number[];
  readonly group?: number;
}

/**
 * The number of spatial axes of `x: [N, C, spatial…]`, when these windows can lie over it. Convolutions, transposed ones and
 * pools ask here, and nobody else looks at the numbers.
 */
export function checkWindow(x: Shape, window: Window, refuse: Refuse): number {
  const rank = x.length - 2;
  if (rank < 1)
    refuse(`the input needs a batch, a channel and at least one spatial axis, but has rank ${x.length}`, 'x');
  const { kernel, strides, pads, dilations, outputPadding = [], group = 1 } = window;
  const lists = { kernel, strides, dilations, ...(window.outputPadding && { outputPadding }), pads };
  for (const [name, list] of Object.entries(lists)) {
    const wanted = name === 'pads' ? 2 * rank : rank;
    if (list.length !== wanted)
      refuse(`${name} should have ${wanted} entries for ${rank} spatial axes, but has ${list.length}`);
  }
  const check = (name: string, list: Shape, least: 0 | 1, most: number) =>
    list.forEach((value, i) => {
      if (typeof value !== 'number' || (value >= least && value <= most)) return;
      const wanted = value > most ? `at most ${most}` : least === 0 ? '0 or more' : 'positive';
      refuse(`${name === 'group' ? name : `${name}[${i}]`} should be ${wanted}, but is ${value}`);
    });
  check('group', [group], 1, MOST_BYTES);
  check('kernel', kernel, 1, MOST_BYTES);
  check('strides', strides, 1, Number.MAX_SAFE_INTEGER);
  check('dilations', dilations, 1, Number.MAX_SAFE_INTEGER);
  check('pads', pads, 0, MOST_BYTES);
  check('outputPadding', outputPadding, 0, MOST_BYTES);
  kernel.forEach((size, axis) => {
    const extent = dilations[axis] * ((size as number) - 1) + 1;
    if (extent > MOST_BYTES)
      refuse(
        `spatial axis ${axis}: a kernel of ${size} with a dilation of ${dilations[axis]} is larger than any input`,
      );
  });
  return rank;
}

/**
 * `[N, O, spatial…]` of a convolution of `x: [N, C, spatial…]` with `w: [O, C/group, kernel…]`; refuses wrong operands.
 */
export function convShape(x: Shape, w: Shape, attrs: ConvAttrs, refuse: Refuse): Shape {
  const kernel = filterKernel(x, w, refuse);
  const rank = checkWindow(x, { ...attrs, kernel }, refuse);
  const { strides, pads, dilations, group } = attrs;
  const [filters, channelsPerGroup] = w as readonly number[];
  if (typeof x[1] === 'number' && x[1] !== channelsPerGroup * group) {
    refuse(`the input has ${x[1]} channels, the filter expects ${channelsPerGroup} x ${group} groups`, 'x');
  }
  if (filters % group !== 0) refuse(`${filters} filters cannot be shared by ${group} groups`, 'w');
  const spatial = x.slice(2).map((dim, i) => {
    const out = windowedDim(dim, kernel[i], strides[i], dilations[i], pads[i], pads[i + rank]);
    if (typeof out === 'number' && out < 1)
      refuse(`spatial axis ${i}: a window of ${kernel[i]} does not fit into ${dim} with these pads`, 'w');
    return out;
  });
  return [x[0], filters, ...spatial];
}

/** Passes make other filters out of one, and lists by channel, whether it is a constant or computed. */
const LARGEST_FILTER = 2 ** 28;

/** The kernel of a filter over `x`. */
export function filterKernel(x: Shape, w: Shape, refuse: Refuse): readonly number[] {
  if (w.length !== x.length) refuse(`the input has rank ${x.length}, the filter rank ${w.length}`, 'w');
  if (!isStatic(w)) return refuse.limit('the filter needs a known shape', 'w');
  if (sizeOf(w) > LARGEST_FILTER)
    refuse.limit(`a filter of [${w.join(', ')}] has more than ${LARGEST_FILTER} elements`, 'w');
  return w.slice(2);
}

/** One tap of a window: `output[outputAt[i]]` takes from `input[inputAt[i]]`. */
export interface Tap {
  /** Its index in the kernel, row major. */
  readonly index: number;
  readonly inputAt: Positions;
  readonly outputAt: Positions;
}
type Positions = Int32Array | Float64Array;

/**
 * The taps of a window that are inside the input somewhere, row major over the kernel, each with all its positions
 * inside: indices are row-major over the spatial axes. Taps outside contribute nothing, and a kernel may be mostly
 * outside.
 */
export function tapsOf(
  kernel: readonly number[],
  input: readonly number[],
  output: readonly number[],
  geometry: Pick<ConvAttrs, 'strides' | 'pads' | 'dilations'>,
): Tap[] {
  const isLarge = Math.max(sizeOf(input), sizeOf(output)) >= 2 ** 31;
  const listOf = (count: number): Positions => (isLarge ? new Float64Array(count) : new Int32Array(count));
  const single = Int32Array.of(0);
  let taps: readonly Tap[] = [{ index: 0, inputAt: single, outputAt: single }];
  kernel.forEach((size, axis) => {
    const inside = tapsOfAxis(size, input[axis], output[axis], axis, geometry);
    taps = taps.flatMap((outer) =>
      inside.map((tap): Tap => {
        const count = tap.inputAt.length;
        const [inputAt, outputAt] = [listOf(outer.inputAt.length * count), listOf(outer.inputAt.length * count)];
        for (let i = 0, to = 0; i < outer.inputAt.length; i++) {
          const [inputBase, outputBase] = [outer.inputAt[i] * input[axis], outer.outputAt[i] * output[axis]];
          for (let k = 0; k < count; k++, to++) {
            inputAt[to] = inputBase + tap.inputAt[k];
            outputAt[to] = outputBase + tap.outputAt[k];
          }
        }
        return { index: outer.index * size + tap.index, inputAt, outputAt };
      }),
    );
  });
  return taps as Tap[];
}

/** The same along one axis: position o of the output reads o·stride − pad + tap·dilation. */
function tapsOfAxis(
  kernel: number,
  input: number,
  output: number,
  axis: number,
  { strides, pads, dilations }: Pick<ConvAttrs, 'strides' | 'pads' | 'dilations'>,
): { readonly index: number; readonly inputAt: readonly number[]; readonly outputAt: readonly number[] }[] {
  const [stride, pad, dilation] = [strides[axis], pads[axis], dilations[axis]];
  const taps = [];
  const first = Math.max(0, Math.ceil((pad - (output - 1) * stride) / dilation));
  const last = Math.min(kernel - 1, Math.floor((input - 1 + pad) / dilation));
  for (let index = first; index <= last; index++) {
    const [inputAt, outputAt]: [number[], number[]] = [[], []];
    const start = index * dilation - pad;
    for (let o = Math.max(0, Math.ceil(-start / stride)); o < output && start + o * stride < input; o++) {
      inputAt.push(start + o * stride);
      outputAt.push(o);
    }
    if (inputAt.length > 0) taps.push({ index, inputAt, outputAt });
  }
  return taps;
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
