/**
 * Transposed convolutions. The deconvolution primitives of oneDNN 2.6.3 have faults, each with its way around (25,000
 * random ones per instruction set, native source zero points among them; no other mismatches):
 *
 * - JIT kernels write wrong sums where output padding exceeds the end pad or the stride exceeds the extent of the kernel:
 *   there the filters get taps of 0 until neither is so.
 * - All of them return s32 sums by way of f32: only sums below 2^24 are asked for, larger ones in parts of the channels.
 * - Some ends have no implementation: then the primitive gives the sum and our kernel the end.
 * - The code that is generated for a row, and the time to generate it, grow with the square of the kernel's extent: 0.7 s for
 *   250 columns, half a minute for 5,000. Beyond MOST_REACH our kernel computes.
 */
import {
  type ByteType,
  type DeconvAttrs,
  dtypes,
  filtersFirst,
  type ITensor,
  indicesOf,
  layoutOf,
  type nnConvTranspose,
  type ops,
  padded,
  tensor,
  type View,
} from '../../../ir/index.ts';
import type { PrimitiveAttributes } from '../binding.ts';
import { offered } from '../offered.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { isExact, type Operands, operandsOf } from '../saturation.ts';
import { filterView } from '../saturation_pairs.ts';
import { type Created, recordBareSum } from './bare_sum.ts';
import { constantWeights, geometry, groupedShape, slowSum } from './conv.ts';
import { recordConvProduct } from './float_product.ts';
import type { Lowering } from './lowering.ts';
import { lowerProduct, type ProductPrimitives, type Whole } from './product.ts';
import type { Epilogue } from './products.ts';

/** The largest extent of a kernel, taps of 0 included, that a primitive is made for. */
const MOST_REACH = 256;
type ConvTranspose = View<typeof ops.dnnlConvTranspose>;

/** f32, always by our kernel. */
export const floatConvTranspose: Lowering<typeof nnConvTranspose> = { lower: recordConvProduct };

export const dnnlConvTranspose: Lowering<typeof ops.dnnlConvTranspose> = {
  refuses: constantWeights,
  lower(view, r) {
    const isFar = reachOf(r.shape(view.w).slice(2), view.attrs) > MOST_REACH;
    const primitives = primitivesOf(view, r);
    lowerProduct(view, r, isFar ? { ...primitives, candidates: [] } : primitives);
  },
};

function primitivesOf(view: ConvTranspose, r: Recorder): ProductPrimitives {
  const { x, w, bias, map, attrs, node } = view;
  const filters = filtersFirst(r.constantOf(w, 's8'), layoutOf(node));
  const floatsHold = largestSum(filters, attrs, r.byteType(x)) <= 2 ** 24;
  const isBare = attrs.to === 's32' && !bias && !map;
  const made = (given: Operands, attributes: PrimitiveAttributes, to: Epilogue['to']): Whole | undefined => {
    const create = creator(view, r, filters.shape, given);
    const primitive = offered(() => create(attributes, to));
    return primitive && { ...primitive, bare: () => create({}, 's32').primitive };
  };
  return {
    candidates: operandsOf(
      r,
      x,
      filterView(filters, { kind: 'conv', group: attrs.group }),
      attrs.sourceZeroPoint,
      'second',
    ),
    whole: (given, attributes) =>
      attrs.to !== 's32' || (isBare && floatsHold) ? made(given, attributes, attrs.to) : undefined,
    sum(given) {
      const shift = given.zeroPoint === 0 ? {} : { sourceZeroPoint: given.zeroPoint };
      if (!floatsHold) {
        const create = (part: Operands) => {
          const each = creator(view, r, filters.shape, part);
          return { ...each(shift, 's32'), bare: () => each({}, 's32').primitive };
        };
        return { sum: recordBareSum(r, given, create), isShifted: true };
      }
      const sum = made(given, shift, 's32');
      if (sum === undefined || !isExact(r, given, sum.primitive, sum.bare)) return { sum: undefined, isShifted: true };
      const scratch = r.scratch(sum.primitive.descs.destination.bytes);
      sum.record(scratch);
      return { sum: scratch, isShifted: true };
    },
    slowSum: () => slowSum(view, r),
  };
}

/** Creates the primitive with other ends: the destination is channels last, in any type. */
function creator(
  { x, bias, y, attrs: given }: ConvTranspose,
  r: Recorder,
  shape: readonly number[],
  { view, type, source }: Operands,
) {
  const laned = tensor('s8', view.data, [view.filters, view.channels, ...shape.slice(2)]);
  const { filters, attrs } = withZeroTaps(laned, given);
  const dims = groupedShape(filters.shape, attrs.group);
  const [batch, , ...spatial] = r.shape(x);
  return (attributes: PrimitiveAttributes, to: Epilogue['to']): Created => {
    const primitive = r.binding.convolution(
      {
        ...geometry(filters.shape, attrs),
        transposed: true,
        source: r.binding.desc(type, [batch, view.channels * attrs.group, ...spatial], 'channels-last'),
        weights: r.binding.desc('s8', dims, 'any'),
        ...(bias && to !== 's32' && { bias: r.binding.desc('s32', r.shape(bias), 'row-major') }),
        destination: r.binding.desc(to, r.shape(y), 'channels-last'),
        attributes,
      },
      r.threads,
    );
    const record = (destination: Buffer, more: Readonly<Record<string, Buffer | undefined>> = {}): void => {
      const weights = r.packed(filters, dims, primitive.descs.weights);
      r.primitive(primitive, { source: source(), weights, destination, ...more });
    };
    return { primitive, record };
  };
}

/** The same sums with no output padding and every stride within the kernel's extent: taps of 0 behind the others. */
function withZeroTaps(
  filters: ITensor<'s8'>,
  attrs: DeconvAttrs,
): { readonly filters: ITensor<'s8'>; readonly attrs: DeconvAttrs } {
  const [count, channels, ...kernel] = filters.shape;
  const ends = attrs.pads.slice(kernel.length);
  const added = zeroTaps(kernel, attrs);
  const pads = [...filters.shape.map(() => 0), 0, 0, ...added];
  const shape = [count, channels, ...kernel.map((size, axis) => size + added[axis])];
  const shifted = ends.map((end, axis) => end - attrs.outputPadding[axis] + attrs.dilations[axis] * added[axis]);
  return {
    filters: padded(filters, shape, pads, 'constant'),
    attrs: { ...attrs, pads: [...attrs.pads.slice(0, kernel.length), ...shifted] },
  };
}

/** Counts the taps of 0 that each axis needs. */
function zeroTaps(kernel: readonly number[], { strides, dilations, pads, outputPadding }: DeconvAttrs): number[] {
  return kernel.map((size, axis) => {
    const missing = strides[axis] - (dilations[axis] * (size - 1) + 1);
    return Math.ceil(Math.max(missing, outputPadding[axis] - pads[kernel.length + axis], 0) / dilations[axis]);
  });
}

/** The most that the kernel extends along an axis, with its taps of 0. */
function reachOf(kernel: readonly number[], attrs: DeconvAttrs): number {
  const added = zeroTaps(kernel, attrs);
  return Math.max(...kernel.map((size, axis) => attrs.dilations[axis] * (size + added[axis] - 1) + 1));
}

/** The largest |Σ (x − zero point)·w|: over the taps that meet, which have the same residue modulo the strides. */
function largestSum(filters: ITensor<'s8'>, attrs: ConvTranspose['attrs'], source: ByteType): number {
  const [count, , ...kernel] = filters.shape;
  const { min, max } = dtypes[source];
  const reach = Math.max(max - attrs.sourceZeroPoint, attrs.sourceZeroPoint - min);
  const phases = Array.from(indicesOf(kernel), (tap) =>
    tap.map((k, axis) => (k * attrs.dilations[axis]) % attrs.strides[axis]).join(),
  );
  const each = filters.data.length / count;
  let most = 0;
  for (let o = 0; o < count; o++) {
    const sums = new Map<string, number>();
    for (let i = 0; i < each; i++) {
      const phase = phases[i % phases.length];
      sums.set(phase, (sums.get(phase) ?? 0) + Math.abs(filters.data[o * each + i]));
    }
    for (const sum of sums.values()) most = Math.max(most, sum);
  }
  return most * reach;
}
