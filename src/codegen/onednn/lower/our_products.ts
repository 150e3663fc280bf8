/** Products by our own kernels, which correct zero points for nothing and finish in registers. */
import {
  type ByteType,
  byteTypes,
  type ConvAttrs,
  type ITensor,
  newArray,
  sizeOf,
  stridesOf,
  tensor,
  type ValueId,
} from '../../../ir/index.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { clamps, constantsPerChannel, type Epilogue, type EpilogueOperands } from './products.ts';
import { writtenOut } from './written_out.ts';

/** The end of a product; the source zero point is absent where the operand `zx` has it. */
type End = Omit<Epilogue, 'sourceZeroPoint'> & { readonly sourceZeroPoint?: number };

/** The floats behind a sum: the operands of a scaled product. */
interface Floats {
  readonly scale: ValueId;
  readonly offset?: ValueId | undefined;
  readonly attrs: { readonly activation: 'none' | 'relu' | 'clip'; readonly min: number; readonly max: number };
}

/** The end of a kernel in floats, and its arguments. */
function floatEnd(floats: Floats, channels: number, r: Recorder) {
  const { scale, offset, attrs } = floats;
  const low = attrs.activation === 'relu' ? 0 : attrs.min;
  const scales = sizeOf(r.shape(scale));
  const end = { floats: { low, high: attrs.max, scales, hasOffset: offset !== undefined } };
  return { end, factors: { scale: r.use(scale, 'row-major'), offset: offset && spread(offset, channels, r) } };
}

/** The end of a kernel in bytes or sums, whose factors are constants for every channel. */
function byteEnd({ multiplier, scale, offset }: EpilogueOperands, attrs: End, channels: number, r: Recorder) {
  const each = constantsPerChannel(r, channels);
  return {
    end: attrs.zeroPointAt === 'before' ? { zeroPointAt: attrs.zeroPointAt } : {},
    factors: { multiplier: each(multiplier, 'f32'), scale: each(scale, 'f32'), offset: each(offset, 'f32') },
  };
}

/** An offset for every channel. */
function spread(id: ValueId, channels: number, r: Recorder): Buffer {
  if (sizeOf(r.shape(id)) === channels) return r.use(id, 'row-major');
  const destination = r.scratch(4 * channels);
  const strides = { sourceStrides: [0], destinationStrides: [1], sourceOffset: 0, destinationOffset: 0 };
  r.kernel(
    { name: 'copy', elementBytes: 4, shape: [channels], ...strides },
    { source: r.use(id, 'row-major'), destination },
  );
  return destination;
}

/** The sum itself. */
export const bareEnd = { to: 's32', zeroPoint: 0, zeroPointAt: 'after', low: -(2 ** 31), high: 2 ** 31 - 1 } as const;

/** Operands of a convolution with constant weights. */
interface Convolution extends Omit<EpilogueOperands, 'map'> {
  readonly x: ValueId;
  readonly w: ValueId;
  /** A scalar that the run computes. */
  readonly zx?: ValueId | undefined;
  readonly zw?: ValueId | undefined;
  readonly bias?: ValueId | undefined;
  readonly y: ValueId;
}

/** Rows of up to so many results spend more on windows at their ends than a copy of the source takes. */
const SHORT_ROW = 64;

/**
 * The source with its pads written out, where a kernel row of few channels is one run: a run that begins or ends in a pad is put together
 * byte by byte otherwise, which takes longer than its products.
 */
function paddedSource(
  r: Recorder,
  x: ValueId,
  [, inputs, ...kernel]: readonly number[],
  output: readonly number[],
  { group, dilations, pads, sourceZeroPoint }: ConvAttrs & End,
) {
  const last = kernel.length - 1;
  const isRun = group === 1 && inputs % 4 !== 0 && kernel[last] > 1 && dilations[last] === 1;
  if (
    !isRun ||
    sourceZeroPoint === undefined ||
    output[output.length - 1] > SHORT_ROW ||
    pads.every((pad) => pad === 0)
  )
    return undefined;
  return writtenOut(r, r.shape(x), pads, sourceZeroPoint);
}

export function recordOurConvolution(
  given: Convolution,
  attrs: ConvAttrs & End & { readonly by: 'onednn' | 'depthwise' },
  r: Recorder,
  floats?: Floats,
): void {
  const { x, w, zx, zw, bias, y } = given;
  const [batch, channels, ...input] = r.shape(x);
  const [, outputChannels, ...output] = r.shape(y);
  // One spatial axis is a row of a plane.
  const pair = (list: readonly number[], leading: number): readonly [number, number] =>
    input.length === 1 ? [leading, list[0]] : [list[0], list[1]];
  const isDepthwise = attrs.by === 'depthwise';
  const padded = isDepthwise ? undefined : paddedSource(r, x, r.shape(w), r.shape(y), attrs);
  const bare = r.use(x, 'channels-last');
  const source = padded?.pad(bare) ?? bare;
  const { end, factors } = floats ? floatEnd(floats, outputChannels, r) : byteEnd(given, attrs, outputChannels, r);
  const { destination, slice } = isDepthwise ? { destination: r.define(y, 'channels-last') } : r.defineSlice(y);
  const each = constantsPerChannel(r, outputChannels);
  const together = isDepthwise ? 1 : groupsTogether(r.shape(w)[0], attrs.group);
  const weights = r.constantOf(w, ...byteTypes);
  const window = {
    sourceType: r.byteType(x),
    weightsType: r.byteType(w),
    type: attrs.to,
    batch,
    channels,
    input: pair(padded?.dims.slice(2) ?? input, 1),
    output: pair(output, 1),
    kernel: pair(r.shape(w).slice(2), 1),
    strides: pair(attrs.strides, 1),
    dilations: pair(attrs.dilations, 1),
    padsBegin: padded ? ([0, 0] as const) : pair(attrs.pads, 0),
    ...(attrs.sourceZeroPoint !== undefined && { sourceZeroPoint: attrs.sourceZeroPoint }),
    ...clamps(attrs),
    ...end,
  };
  r.kernel(
    isDepthwise
      ? { name: 'depthwise', ...window, multiplier: outputChannels / channels }
      : {
          name: 'convolution',
          ...window,
          outputChannels,
          groups: attrs.group / together,
          ...(slice && { slice }),
        },
    {
      source,
      weights: together === 1 ? r.data(weights) : joined(weights, r.constant(zw), attrs.group, together, r),
      sourceZeroPoint: zx && r.use(zx, 'row-major'),
      weightsZeroPoint: each(zw, ...byteTypes),
      bias: bias && r.use(bias, 'row-major'),
      ...factors,
      destination,
    },
  );
}

/** A vector of the kernel has so many filters. */
const VECTOR = 16;

/** How many groups fill a vector with filters, so that one group of the kernel takes no longer than each of them. */
function groupsTogether(filters: number, groups: number): number {
  const most = Math.floor((VECTOR * groups) / filters);
  for (let together = Math.min(most, groups); together > 1; together--) if (groups % together === 0) return together;
  return 1;
}

/** Weights of `together` groups as those of one: between a filter and the channels of other groups they are the zero point, so that w − zw is 0. */
function joined(w: ITensor<ByteType>, zw: ITensor | undefined, groups: number, together: number, r: Recorder): Buffer {
  const zeros = Array.from(zw?.data ?? [0], Number);
  const [filters, inputs, ...kernel] = w.shape;
  const [taps, each] = [sizeOf(kernel), filters / groups];
  const memory = r.kept.memory(w, r.binding, `${together} of ${groups} groups together, ${zeros}`, (given) => {
    const own = inputs * taps;
    const data = newArray(w.dtype, filters * own * together);
    for (let filter = 0; filter < filters; filter++) {
      const at = filter * own * together;
      data.fill(zeros[zeros.length === 1 ? 0 : filter], at, at + own * together);
      const group = Math.floor(filter / each) % together;
      for (let i = 0; i < own; i++) data[at + group * own + i] = Number(given.data[filter * own + i]);
    }
    return tensor(w.dtype, data);
  });
  return r.memory(memory);
}

/** Operands of a product with one constant matrix. */
interface Matmul extends Omit<Convolution, 'x' | 'w' | 'zx' | 'zw'> {
  readonly a: ValueId;
  readonly b: ValueId;
  readonly za?: ValueId | undefined;
  readonly zb?: ValueId | undefined;
}

/** The rows are the positions of a convolution whose filters are the columns. */
export function recordOurMatmul(given: Matmul, attrs: End, r: Recorder, floats?: Floats): void {
  const { a, b, za, zb, bias, y } = given;
  const [inner, columns] = r.shape(b);
  const { end, factors } = floats ? floatEnd(floats, columns, r) : byteEnd(given, attrs, columns, r);
  const rows = sizeOf(r.shape(y)) / columns;
  const each = constantsPerChannel(r, columns);
  r.kernel(
    {
      name: 'convolution',
      sourceType: r.byteType(a),
      weightsType: r.byteType(b),
      channelsFirst: true,
      type: attrs.to,
      batch: 1,
      channels: inner,
      outputChannels: columns,
      groups: 1,
      input: [1, rows],
      output: [1, rows],
      kernel: [1, 1],
      strides: [1, 1],
      dilations: [1, 1],
      padsBegin: [0, 0],
      ...(attrs.sourceZeroPoint !== undefined && { sourceZeroPoint: attrs.sourceZeroPoint }),
      ...clamps(attrs),
      ...end,
    },
    {
      source: r.use(a, 'row-major'),
      ...factors,
      weights: r.data(r.constantOf(b, ...byteTypes)),
      sourceZeroPoint: za && r.use(za, 'row-major'),
      weightsZeroPoint: each(zb, ...byteTypes),
      bias: bias && r.use(bias, 'row-major'),
      destination: r.define(y, 'row-major'),
    },
  );
}

/** Two matrices of a run, or batches of them that broadcast; zero points are scalars. */
export function recordOurMatrices({ a, b, za, zb, y }: Matmul, r: Recorder, floats?: Floats): void {
  const [left, right, shape] = [r.shape(a), r.shape(b), r.shape(y)];
  const { end, factors } = floats ? floatEnd(floats, shape[shape.length - 1], r) : { end: {}, factors: {} };
  const [rows, inner, columns] = [left[left.length - 2], left[left.length - 1], right[right.length - 1]];
  // Rows of all matrices beside one right matrix are rows of one.
  const isOne = sizeOf(right) === inner * columns;
  const batch = isOne ? [] : shape.slice(0, -2);
  r.kernel(
    {
      name: 'matrix-product',
      sourceType: r.byteType(a),
      weightsType: r.byteType(b),
      shape: batch,
      sourceStrides: matrixStrides(left, batch.length),
      weightsStrides: matrixStrides(right, batch.length),
      rows: isOne ? sizeOf(shape) / columns : rows,
      inner,
      columns,
      ...end,
    },
    {
      source: r.use(a, 'row-major'),
      ...factors,
      weights: r.use(b, 'row-major'),
      sourceZeroPoint: za && r.use(za, 'row-major'),
      weightsZeroPoint: zb && r.use(zb, 'row-major'),
      destination: r.define(y, 'row-major'),
    },
  );
}

/** The distance of matrices along each axis of a batch that they broadcast to. */
function matrixStrides(shape: readonly number[], rank: number): number[] {
  const strides = stridesOf(shape).map((stride, axis) => (shape[axis] === 1 ? 0 : stride));
  const missing = rank + 2 - shape.length;
  return Array.from({ length: rank }, (_, axis) => (axis < missing ? 0 : strides[axis - missing]));
}
