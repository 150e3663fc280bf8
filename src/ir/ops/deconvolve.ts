/** The geometry and the sum of transposed convolution: the adjoint of convolve(). */

import { sizeOf } from '../../tensors/index.ts';
import { type AttrValues, attr, type Refuse } from '../define_op.ts';
import { addDims, mulDims } from '../dims.ts';
import type { Dim, Shape } from '../types.ts';
import { checkWindow, convAttrs, filterKernel, tapsOf } from './conv_geometry.ts';
import { addFused, type SumOptions, shifted, withoutNegativeZero } from './convolve.ts';

/** `outputPadding` has one entry per spatial axis: positions added at the end that no tap need reach. */
export const deconvAttrs = { ...convAttrs, outputPadding: attr.ints() } as const;

export type DeconvAttrs = AttrValues<typeof deconvAttrs>;

/** stride·(input − 1) + dilation·(kernel − 1) + 1 + outputPadding − pads of one spatial axis. */
export function deconvDim(input: number, kernel: number, axis: number, attrs: DeconvAttrs): number;
export function deconvDim(input: Dim, kernel: number, axis: number, attrs: DeconvAttrs): Dim;
export function deconvDim(input: Dim, kernel: number, axis: number, attrs: DeconvAttrs): Dim {
  const { strides, pads, dilations, outputPadding } = attrs;
  const cropped = pads[axis] + pads[axis + strides.length];
  const added = dilations[axis] * (kernel - 1) + 1 + outputPadding[axis] - cropped;
  return addDims(mulDims(input, strides[axis]), added - strides[axis]);
}

/** `[N, O, spatial…]` for `x: [N, C, spatial…]` and `w: [C, O/group, kernel…]`; refuses wrong operands. */
export function deconvShape(x: Shape, w: Shape, attrs: DeconvAttrs, refuse: Refuse): Shape {
  const kernel = filterKernel(x, w, refuse);
  checkWindow(x, { ...attrs, kernel }, refuse);
  const { group } = attrs;
  const [channels] = w as readonly number[];
  if (typeof x[1] === 'number' && x[1] !== channels)
    refuse(`the input has ${x[1]} channels, the filter expects ${channels}`, 'x');
  if (channels % group !== 0) refuse(`${channels} channels cannot be shared by ${group} groups`, 'w');
  const spatial = x.slice(2).map((dim, i) => {
    const out = deconvDim(dim, kernel[i], i, attrs);
    if (typeof out === 'number' && out < 1) refuse(`spatial axis ${i}: the pads leave nothing of the output`);
    return out;
  });
  return [x[0], mulDims(w[1], group), ...spatial];
}

/**
 *   y[n, o, p·stride − pad + tap·dilation] += (x[n, c, p] − zx) · (w[c, o, tap] − zw[o])        within the group of c
 *
 * The roles of input and output are those of a convolution, exchanged. `zw` is asked for the index of a result channel.
 */
export function deconvolve(options: SumOptions<DeconvAttrs>): Float64Array {
  const { xShape, wShape, outShape, attrs, zx = 0, zw, bias } = options;
  const [batch, channels, ...input] = xShape;
  const [, perGroup, ...kernel] = wShape;
  const output = outShape.slice(2);
  const filters = outShape[1];
  const channelsPerGroup = channels / attrs.group;
  const [inputSize, outputSize, tapCount] = [sizeOf(input), sizeOf(output), sizeOf(kernel)];
  const x = shifted(options.x, zx);
  const w = new Float64Array(options.w);
  const y = new Float64Array(sizeOf(outShape));
  if (bias) for (let i = 0; i < y.length; i++) y[i] = 0 + bias[Math.floor(i / outputSize) % filters];
  const taps = tapsOf(kernel, output, input, attrs);
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      const xBase = (n * channels + c) * inputSize;
      const firstFilter = Math.floor(c / channelsPerGroup) * perGroup;
      for (let k = 0; k < perGroup; k++) {
        const o = firstFilter + k;
        const yBase = (n * filters + o) * outputSize;
        const zero = zw?.(o) ?? 0;
        for (const { index, inputAt: yAt, outputAt: xAt } of taps) {
          const weight = w[(c * perGroup + k) * tapCount + index] - zero;
          if (options.fused) addFused({ x, xBase, inputAt: xAt, y, yBase, outputAt: yAt }, weight);
          else for (let i = 0; i < xAt.length; i++) y[yBase + yAt[i]] += x[xBase + xAt[i]] * weight;
        }
      }
    }
  }
  return options.fused ? withoutNegativeZero(y) : y;
}
