/** Matrix products. */
import { type ITensor, type Node, type Shape, sizeOf, stridesOf, tensor, type ValueId } from '../../../ir/index.ts';
import { hasOneMeaning } from '../../../passes/float_products.ts';
import { columnsOf } from '../../../passes/saturation.ts';
import type { PrimitiveAttributes } from '../binding.ts';
import { offered } from '../known_defects.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import {
  floatsHoldSums,
  halvedAtRunTime,
  isExact,
  type Operands,
  operandsOf as productOperands,
  returnsSums,
  sumsOfWeights,
} from '../saturation.ts';
import { type Created, recordBareSum } from './bare_sum.ts';
import { recordMatmulProduct } from './float_product.ts';
import { type Lowering, operandsOf } from './lowering.ts';
import { clamps, type Epilogue, epilogue, kernelRecipe } from './products.ts';

const isMatrix = (shape: Shape): boolean => shape.slice(0, -2).every((d) => d === 1);

/**
 * One primitive with all of the end; where its f32 epilogue or its source zero point would not be exact, one for the bare
 * sum and our kernel for the end, Σ(a − za)·b = Σa·b − za·Σb in int32; else the slow kernel.
 */
export const dnnlMatmul: Lowering = {
  lower(node, r) {
    const [a, b, bias] = operandsOf(node) as [ValueId, ValueId, ...(ValueId | undefined)[]];
    const attrs = node.attrs as unknown as Epilogue;
    const constant = r.constant(b) as ITensor<'s8'> | undefined;
    const candidates = constant
      ? productOperands(r, a, columnsOf(constant), attrs.sourceZeroPoint, 'last')
      : halvedAtRunTime(r, a, b, attrs.sourceZeroPoint);
    for (const given of candidates) {
      const make = creator(node, r, given);
      const { attributes, buffers } = matmulEnd(node, r, given.zeroPoint);
      const whole = attrs.to === 's32' && bias ? undefined : offered(() => make(attributes, attrs.to));
      const isHeld =
        attrs.to !== 's32' || floatsHoldSums(r, node) || returnsSums(whole?.primitive.implementation ?? '', given);
      if (whole && isHeld && isExact(r, given, whole.primitive, () => make({}, 's32').primitive)) {
        const more = { bias: bias && r.use(bias, 'row-major'), ...buffers };
        whole.record(r.define(node.results[0], 'row-major'), more);
        return;
      }
      const folds = given.zeroPoint === 0 || (constant !== undefined && isMatrix(constant.shape));
      const sum = folds ? recordBareSum(r, given, (part) => creator(node, r, part)({}, 's32')) : undefined;
      if (sum === undefined) continue;
      const columns = given.zeroPoint === 0 ? undefined : sumsOfWeights(given.view);
      recordEnd(
        node,
        r,
        sum,
        columns?.map((v) => Math.imul(v, -given.zeroPoint)),
      );
      return;
    }
    lowerExactly(node, r);
  },
};

export const floatMatmul: Lowering = {
  refuses(node, view) {
    if (view.dtype(node.operands[0]) !== 'f32') return 'an integer matmul that no primitive serves';
    return undefined;
  },
  lower(node, r) {
    const isVector = node.operands.some((id) => r.shape(id as ValueId).length < 2);
    if (isVector || hasOneMeaning(r.graph, node)) {
      recordMatmulProduct(node, r);
      return;
    }
    const [a, b] = node.operands as ValueId[];
    const shape = r.shape(node.results[0]);
    const [left, right] = [ranked(r, a, shape.length), ranked(r, b, shape.length)];
    const constant = r.constant(b);
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
      destination: r.define(node.results[0], 'row-major'),
    });
  },
};

/** oneDNN wants equal ranks: shorter operands get leading 1s. */
const ranked = (r: Recorder, id: ValueId, rank: number): readonly number[] => [
  ...Array(rank - r.shape(id).length).fill(1),
  ...r.shape(id),
];

/** Creates the primitive with other ends. */
function creator(node: Node, r: Recorder, { type, view, source, weights: computed }: Operands) {
  const [a, b, bias] = node.operands as ValueId[];
  const shape = r.shape(node.results[0]);
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

function matmulEnd(node: Node, r: Recorder, sourceZeroPoint: number) {
  const [, , , multiplier, scale, offset] = operandsOf(node);
  const rank = r.shape(node.results[0]).length;
  const perChannel = (length: number) => [...Array(rank - 1).fill(1), length];
  const end = { ...(node.attrs as unknown as Epilogue), sourceZeroPoint };
  return epilogue(r, { multiplier, scale, offset }, end, perChannel, undefined);
}

/** The end of an s32 sum in int32; `more` is added per column. */
function recordEnd(node: Node, r: Recorder, source: Buffer, more?: Int32Array): void {
  const [, , biasId, ...floats] = operandsOf(node);
  const attrs = node.attrs as unknown as Epilogue;
  const [y] = node.results;
  const shape = r.shape(y);
  const channels = shape[shape.length - 1];
  const bias = biasId && (r.constant(biasId) as ITensor<'s32'>);
  const added = Int32Array.from(
    { length: channels },
    (_, c) => (bias?.data[bias.data.length === 1 ? 0 : c] ?? 0) + (more?.[c] ?? 0),
  );
  const [multiplier, scale, offset] = floats.map((id) => (id ? r.constant(id) : undefined));
  const recipe = kernelRecipe(r, { multiplier, scale, offset }, { ...attrs, rounding: 'half-even' }, channels);
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
function lowerExactly(node: Node, r: Recorder): void {
  const [a, b] = node.operands as [ValueId, ValueId];
  const { sourceZeroPoint } = node.attrs as unknown as Epilogue;
  const shape = r.shape(node.results[0]);
  const columns = shape[shape.length - 1];
  const batch = shape.slice(0, -2);
  const depth = r.shape(a).at(-1) as number;
  const destination = r.scratch(4 * sizeOf(shape));
  r.kernel(
    {
      name: 'reference-convolution',
      sourceType: 's8',
      weightsType: r.dtype(a) as 'u8' | 's8',
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
      weightsZeroPoint: r.data(tensor('s32', Int32Array.of(sourceZeroPoint))),
      destination,
    },
  );
  recordEnd(node, r, destination);
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
