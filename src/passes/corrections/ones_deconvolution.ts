/**
 * convᵀ(1, w): the transposed convolution of an input of ones. Input position i reaches output position i·stride − pad
 * + tap·dilation, so the taps that meet at an output position depend on its stride phase:
 *
 *   convᵀ(1, w)[o, p] = Σ_{tap : (p + pad − tap·dilation) = i·stride, i inside} S[o, tap],    S[o, tap] = Σ_c w[o, c, tap]
 *
 * The map is periodic in the stride inside, thins out at the borders, and is 0 where output padding lies beyond all taps.
 */
import {
  type ByteType,
  type DeconvAttrs,
  deconvDim,
  filterCount,
  type ITensor,
  type ProductLayout,
  sizeOf,
  tensor,
} from '../../ir/index.ts';
import { filterSums, type MapAxis, tapMap } from './ones_convolution.ts';
import { LARGEST_MAP } from './operands.ts';

const layoutOf = ({ group }: DeconvAttrs): ProductLayout => ({ kind: 'conv_transpose', group });

/** convᵀ(1, w) over an input of spatial size `input`, as [1, O, output…]. w: [C, O/group, kernel…]. */
export function onesDeconvolution(w: ITensor<ByteType>, input: readonly number[], attrs: DeconvAttrs): ITensor<'s32'> {
  const axes = input.map((length, axis): MapAxis => {
    const [stride, dilation, begin] = [attrs.strides[axis], attrs.dilations[axis], attrs.pads[axis]];
    const size = deconvDim(length, w.shape[axis + 2], axis, attrs);
    const strided = (k: number, p: number): number => p + begin - k * dilation;
    return {
      size,
      reaches: (k, p) => strided(k, p) >= 0 && strided(k, p) % stride === 0 && strided(k, p) / stride < length,
    };
  });
  return tapMap(w, layoutOf(attrs), axes);
}

/**
 * convᵀ(1, w) as [1, O, 1…] where it is one number per filter: when every output position is reached by all taps (stride 1,
 * and pads that crop away all that fewer taps reach), or when the sums of the taps that meet are equal by chance.
 */
export function uniformSums(
  w: ITensor<ByteType>,
  input: readonly number[] | undefined,
  attrs: DeconvAttrs,
): ITensor<'s32'> | undefined {
  const [, , ...kernel] = w.shape;
  const { strides, dilations, pads, outputPadding } = attrs;
  const hasAllTaps = kernel.every((size, axis) => {
    const reach = dilations[axis] * (size - 1);
    const end = pads[axis + kernel.length];
    return strides[axis] === 1 && pads[axis] >= reach && end >= reach + outputPadding[axis];
  });
  if (hasAllTaps) return filterSums(w, layoutOf(attrs));
  if (input === undefined) return undefined;
  const output = input.map((length, axis) => deconvDim(length, kernel[axis], axis, attrs));
  if (filterCount(layoutOf(attrs), w.shape) * sizeOf(output) > LARGEST_MAP) return undefined;
  const { data, shape } = onesDeconvolution(w, input, attrs);
  const positions = data.length / shape[1];
  const firsts = Int32Array.from({ length: shape[1] }, (_, o) => data[o * positions]);
  const isUniform = data.every((sum, i) => sum === firsts[Math.floor(i / positions)]);
  return isUniform ? tensor('s32', firsts, [1, shape[1], ...kernel.map(() => 1)]) : undefined;
}
