/** Matrix products. */
import {
  type nnMatmul,
  type ops,
  type Shape,
  sizeOf,
  stridesOf,
  tensor,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import { hasOneMeaning } from '../../../passes/index.ts';
import type { PrimitiveAttributes } from '../binding.ts';
import { offered } from '../known_defects.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import {
  floatsHoldSums,
  halvedAtRunTime,
  isExact,
  type Operands,
  operandsOf,
  returnsSums,
  sumsOfWeights,
} from '../saturation.ts';
import { columnsOf } from '../saturation_pairs.ts';
import { type Created, recordBareSum } from './bare_sum.ts';
import { recordMatmulProduct } from './float_product.ts';
import type { Lowering } from './lowering.ts';
import { clamps, type Epilogue, epilogue, factorsOf, kernelRecipe } from './products.ts';

const isMatrix = (shape: Shape): boolean => shape.slice(0, -2).every((d) => d === 1);

type Matmul = View<typeof ops.dnnlMatmul>;

/**
 * One primitive with all of the end; where its f32 epilogue or its source zero point would not be exact, one for the bare
 * sum and our kernel for the end, Σ(a − za)·b = Σa·b − za·Σb in int32; else the slow kernel.
 */
export const dnnlMatmul: Lowering<typeof ops.dnnlMatmul> = {
  lower(view, r) {
    const { a, b, bias, y, attrs, node } = view;
    const constant = r.isConstant(b) ? r.constantOf(b, 's8') : undefined;
    const candidates = constant
      ? operandsOf(r, a, columnsOf(constant), attrs.sourceZeroPoint, 'last')
      : halvedAtRunTime(r, a, b, attrs.sourceZeroPoint);
    for (const given of candidates) {
      const make = creator(view, r, given);
      const { attributes, buffers } = matmulEnd(view, r, given.zeroPoint);
      const whole = attrs.to === 's32' && bias ? undefined : offered(() => make(attributes, attrs.to));
      const isHeld =
        attrs.to !== 's32' || floatsHoldSums(r, node) || returnsSums(whole?.primitive.implementation ?? '', given);
      if (whole && isHeld && isExact(r, given, whole.primitive, () => make({}, 's32').primitive)) {
        const more = { bias: bias && r.use(bias, 'row-major'), ...buffers };
        whole.record(r.define(y, 'row-major'), more);
        return;
      }
      const folds = given.zeroPoint === 0 || (constant !== undefined && isMatrix(constant.shape));
      const sum = folds ? recordBareSum(r, given, (part) => creator(view, r, part)({}, 's32')) : undefined;
      if (sum === undefined) continue;
      const columns = given.zeroPoint === 0 ? undefined : sumsOfWeights(given.view);
      recordEnd(
        view,
        r,
        sum,
        columns?.map((v) => Math.imul(v, -given.zeroPoint)),
      );
      return;
    }
    lowerExactly(view, r);
  },
};

export const floatMatmul: Lowering<typeof nnMatmul> = {
  refuses: ({ a }, graph) => (graph.dtype(a) === 'f32' ? undefined : 'an integer matmul that no primitive serves'),
  lower(view, r) {
    const { a, b, y, node } = view;
    const isVector = [a, b].some((id) => r.shape(id).length < 2);
    if (isVector || hasOneMeaning(r.graph, node)) {
      recordMatmulProduct(view, r);
      return;
    }
    const shape = r.shape(y);
    const [left, right] = [ranked(r, a, shape.length), ranked(r, b, shape.length)];
    const constant = r.isConstant(b) ? r.constantOf(b, 'f32') : undefined;
    const primitive = r.binding.matmul(
      {
        source: r.binding.desc('f32', left, 'row-major'),
        weights: r.binding.desc('f32', right, constant ? 'any' : 'row-major'),
        destination: r.binding.desc('f32', shape, 'row-major'),
      },
      r.threads,
    );
    const weights = constant ? r.packed(constant, right, primitive.descs.weights) : r.use(b, 'row-major');
    r.primitive(primitive, {
      source: r.use(a, 'row-major'),
      weights,
      destination: r.define(y, 'row-major'),
    });
  },
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

function matmulEnd(view: Matmul, r: Recorder, sourceZeroPoint: number) {
  const rank = r.shape(view.y).length;
  const perChannel = (length: number) => [...Array(rank - 1).fill(1), length];
  return epilogue(r, view, { ...view.attrs, sourceZeroPoint }, perChannel, undefined);
}

/** The end of an s32 sum in int32; `more` is added per column. */
function recordEnd(view: Matmul, r: Recorder, source: Buffer, more?: Int32Array): void {
  const { y, attrs } = view;
  const shape = r.shape(y);
  const channels = shape[shape.length - 1];
  const bias = view.bias && r.constantOf(view.bias, 's32');
  const added = Int32Array.from(
    { length: channels },
    (_, c) => (bias?.data[bias.data.length === 1 ? 0 : c] ?? 0) + (more?.[c] ?? 0),
  );
  const recipe = kernelRecipe(r, factorsOf(r, view), { ...attrs, rounding: 'half-even' }, channels);
  r.kernel(
    {
      name: 'requantize',
      type: attrs.to,
      outer: sizeOf(shape) / channels,
      channels,
      inner: 1,
      groups: 1,
      mapRows: 0,
      ...clamps(attrs),
      ...recipe.fields,
    },
    {
      source,
      bias: bias || more ? r.data(tensor('s32', added)) : undefined,
      ...recipe.buffers,
      destination: r.define(y, 'row-major'),
    },
  );
}

/** Batches, each a group of a 1-D convolution over the columns of b, whose filters are the rows of a. */
function lowerExactly(view: Matmul, r: Recorder): void {
  const { a, b, y, attrs } = view;
  const shape = r.shape(y);
  const columns = shape[shape.length - 1];
  const batch = shape.slice(0, -2);
  const [depth] = r.shape(a).slice(-1);
  const destination = r.scratch(4 * sizeOf(shape));
  r.kernel(
    {
      name: 'reference-convolution',
      sourceType: 's8',
      weightsType: r.dtypeOf(a, 'u8', 's8'),
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
  recordEnd(view, r, destination);
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
