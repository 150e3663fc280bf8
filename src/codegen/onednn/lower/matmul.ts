/** Matrix products. */
import {
  layoutOf,
  type nnMatmul,
  type ops,
  type Shape,
  sizeOf,
  stridesOf,
  tensor,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import type { PrimitiveAttributes } from '../binding.ts';
import { offered } from '../offered.ts';
import { isOursHere } from '../our_kernel.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { halvedAtRunTime, type Operands, operandsOf } from '../saturation.ts';
import { filterView } from '../saturation_pairs.ts';
import { type Created, recordBareSum } from './bare_sum.ts';
import { recordFusedMatmul } from './fused_matmul.ts';
import type { Lowering } from './lowering.ts';
import { recordOurMatmul } from './our_products.ts';
import { holdsResults, lowerProduct, type ProductPrimitives } from './product.ts';
import type { Epilogue } from './products.ts';

const isMatrix = (shape: Shape): boolean => shape.slice(0, -2).every((d) => d === 1);

type Matmul = View<typeof ops.dnnlMatmul>;

export const dnnlMatmul: Lowering<typeof ops.dnnlMatmul> = {
  lower(view, r) {
    if (isOursHere(view.node, r)) recordOurMatmul(view, view.attrs, r);
    else lowerProduct(view, r, primitivesOf(view, r));
  },
};

/** A source zero point is folded with the columns of one matrix that is known. */
function primitivesOf(view: Matmul, r: Recorder): ProductPrimitives {
  const { a, b, bias, attrs, node } = view;
  const constant = r.isConstant(b) ? r.constantOf(b, 's8') : undefined;
  const sum = (given: Operands) => recordBareSum(r, given, (part) => creator(view, r, part)({}, 's32'));
  return {
    candidates: constant
      ? operandsOf(r, a, filterView(constant, layoutOf(node)), attrs.sourceZeroPoint, 'last')
      : halvedAtRunTime(r, a, b, attrs.sourceZeroPoint),
    whole(given, attributes) {
      const make = creator(view, r, given);
      const whole = attrs.to === 's32' && bias ? undefined : offered(() => make(attributes, attrs.to));
      const isTrusted = whole && holdsResults(view, r, whole, given);
      return isTrusted ? { ...whole, bare: () => make({}, 's32').primitive } : undefined;
    },
    sum(given) {
      const folds = given.zeroPoint === 0 || (constant !== undefined && isMatrix(constant.shape));
      return { sum: folds ? sum(given) : undefined, isShifted: false };
    },
    slowSum: () => slowSum(view, r),
  };
}

export const floatMatmul: Lowering<typeof nnMatmul> = {
  refuses({ a }, graph) {
    const dtype = graph.dtype(a);
    if (dtype === 'f32') return undefined;
    return dtype === 'f64' ? 'a matmul of f64' : 'an integer matmul that no primitive serves';
  },
  lower: recordFusedMatmul,
};

/** oneDNN wants equal ranks: shorter operands get leading 1s. */
const ranked = (r: Recorder, id: ValueId, rank: number): readonly number[] => [
  ...Array(rank - r.shape(id).length).fill(1),
  ...r.shape(id),
];

/** Creates the primitive with other ends. */
function creator({ a, b, bias, y }: Matmul, r: Recorder, { type, view, source, weights: computed }: Operands) {
  const shape = r.shape(y);
  const left = [...ranked(r, a, shape.length).slice(0, -1), view.channels];
  const right = [...ranked(r, b, shape.length).slice(0, -2), view.channels, view.filters];
  return (attributes: PrimitiveAttributes, to: Epilogue['to']): Created => {
    const columns = [...Array(shape.length - 1).fill(1), view.filters];
    const primitive = r.binding.matmul(
      {
        source: r.binding.desc(type, left, 'row-major'),
        weights: r.binding.desc('s8', right, computed ? 'row-major' : 'any'),
        ...(bias && to !== 's32' && { bias: r.binding.desc('s32', columns, 'row-major') }),
        destination: r.binding.desc(to, shape, 'row-major'),
        attributes,
      },
      r.threads,
    );
    const record = (destination: Buffer, more: Readonly<Record<string, Buffer | undefined>> = {}): void => {
      const weights = computed?.() ?? r.packed(tensor('s8', view.data), right, primitive.descs.weights);
      r.primitive(primitive, { source: source(), weights, destination, ...more });
    };
    return { primitive, record };
  };
}

/** Batches, each a group of a 1-D convolution over the columns of b, whose filters are the rows of a. */
function slowSum({ a, b, y, attrs }: Matmul, r: Recorder): Buffer {
  const shape = r.shape(y);
  const columns = shape[shape.length - 1];
  const batch = shape.slice(0, -2);
  const [depth] = r.shape(a).slice(-1);
  const destination = r.scratch(4 * sizeOf(shape));
  r.kernel(
    {
      name: 'reference-convolution',
      sourceType: 's8',
      weightsType: r.byteType(a),
      batch: 1,
      inputChannels: sizeOf(batch) * depth,
      outputChannels: sizeOf(shape) / columns,
      groups: sizeOf(batch),
      weightsZeroPoints: 1,
      input: [1, 1, columns],
      output: [1, 1, columns],
      kernel: [1, 1, 1],
      strides: [1, 1, 1],
      dilations: [1, 1, 1],
      padsBegin: [0, 0, 0],
      transposed: false,
    },
    {
      source: expanded(r, b, batch),
      weights: expanded(r, a, batch),
      weightsZeroPoint: r.data(tensor('s32', Int32Array.of(attrs.sourceZeroPoint))),
      destination,
    },
  );
  return destination;
}

/** Matrices repeated for every batch they broadcast to. */
function expanded(r: Recorder, id: ValueId, batch: readonly number[]): Buffer {
  const own = ranked(r, id, batch.length + 2);
  const matrix = own[own.length - 1] * own[own.length - 2];
  if (sizeOf(own) === matrix * sizeOf(batch)) return r.use(id, 'row-major');
  const strides = stridesOf(own).map((stride, axis) => (own[axis] === 1 ? 0 : stride));
  const shape = [...batch, matrix];
  const destination = r.scratch(sizeOf(shape));
  r.kernel(
    {
      name: 'copy',
      elementBytes: 1,
      shape,
      sourceStrides: [...strides.slice(0, -2), 1],
      destinationStrides: stridesOf(shape),
      sourceOffset: 0,
      destinationOffset: 0,
    },
    { source: r.use(id, 'row-major'), destination },
  );
  return destination;
}
