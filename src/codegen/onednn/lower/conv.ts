/** Convolutions, and what transposed ones (conv_transpose.ts) share with them. */
import { type ITensor, type Node, sizeOf, tensor, type ValueId } from '../../../ir/index.ts';
import type { ConvAttrs } from '../../../ir/ops/conv_geometry.ts';
import type { ConvolutionSpec, MemoryDesc } from '../binding.ts';
import { trustWithZeroPoint } from '../known_defects.ts';
import { inMemoryOrder, layoutOfDesc, type PlainLayout } from '../layout.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { productIsExact } from '../saturation.ts';
import { type Lowering, operandsOf } from './lowering.ts';
import { clamps, type Epilogue, epilogue, perChannelF32 } from './products.ts';
import { referenceScratch } from './reference.ts';

export const constantWeights: NonNullable<Lowering['refuses']> = (node, view) =>
  view.constant(node.operands[1]) === undefined ? 'its weights are computed at run time' : undefined;

export const dnnlConv: Lowering = {
  refuses: constantWeights,
  lower(node, r) {
    const [x, w] = node.operands as [ValueId, ValueId];
    const weights = r.constant(w) as ITensor<'s8'>;
    const exact = productIsExact(r.binding.isa, r.dtype(x) as 'u8' | 's8', weights, sizeOf(weights.shape.slice(1)));
    if (node.attrs.by === 'depthwise') lowerDepthwise(node, r);
    else if (exact) lowerPrimitive(node, r);
    else lowerExactly(node, r);
  },
};

/** Where no primitive of this machine is exact: the slow sum, then the epilogue in int32. */
export function lowerExactly(node: Node, r: Recorder): void {
  const [x, w] = operandsOf(node) as [ValueId, ValueId];
  const attrs = node.attrs as unknown as ConvAttrs & Epilogue;
  const [y] = node.results;
  const zero = attrs.sourceZeroPoint === 0 ? undefined : r.data(tensor('s32', Int32Array.of(attrs.sourceZeroPoint)));
  const sum = {
    x,
    xShape: r.shape(x),
    w: r.use(w, 'row-major'),
    wType: 's8',
    wShape: r.shape(w),
    yShape: r.shape(y),
    attrs,
    transposed: node.op === 'dnnl.conv_transpose',
    zx: zero,
    zw: undefined,
  } as const;
  recordEnd(node, r, referenceScratch(r, sum), 'row-major');
}

/** The epilogue of an s32 sum in that layout, in int32. */
export function recordEnd(node: Node, r: Recorder, source: Buffer, layout: PlainLayout): void {
  const [, , bias, map, multiplier] = operandsOf(node) as (ValueId | undefined)[];
  const attrs = node.attrs as unknown as Epilogue;
  const [y] = node.results;
  const [batch, channels, ...spatial] = r.shape(y);
  const positions = sizeOf(spatial);
  const last = layout === 'channels-last';
  // A map varies along positions as well: then every position of every channel is a channel of its own.
  const count = map ? channels * positions : channels;
  const inner = map || last ? 1 : positions;
  const at = (id: ValueId | undefined, c: number): number => {
    const t = id && r.constant(id);
    return t ? Number(t.data[t.data.length === 1 ? 0 : c]) : 0;
  };
  const channelOf = (i: number): number => (last ? i % channels : Math.floor((i * channels) / count));
  const mapIndex = (i: number): number => (last ? channelOf(i) * positions + Math.floor(i / channels) : i);
  const added = Int32Array.from({ length: count }, (_, i) => at(bias, channelOf(i)) + at(map, mapIndex(i)));
  const factors = Float32Array.from({ length: count }, (_, i) => at(multiplier, channelOf(i)));
  r.kernel(
    {
      name: 'requantize',
      type: attrs.to,
      outer: (batch * channels * positions) / (count * inner),
      channels: count,
      inner,
      groups: 1,
      mapRows: 0,
      ...clamps(attrs),
    },
    {
      source,
      bias: bias || map ? r.data(tensor('s32', added)) : undefined,
      multiplier: multiplier && r.data(tensor('f32', factors)),
      destination: r.define(y, layout),
    },
  );
}

function lowerPrimitive(node: Node, r: Recorder): void {
  const [x, w, bias, _map, _multiplier] = operandsOf(node) as [ValueId, ValueId, ...(ValueId | undefined)[]];
  const attrs = node.attrs as unknown as ConvAttrs & Epilogue;
  const [y] = node.results;
  const { attributes, buffers } = convEnd(node, r);
  const filters = r.constant(w) as ITensor<'s8'>;
  const weightsShape = groupedShape(filters.shape, attrs.group);
  const create = (source: MemoryDesc, window: ConvAttrs) =>
    r.binding.convolution(
      {
        ...geometry(filters.shape, window),
        source,
        weights: r.binding.desc('s8', weightsShape, 'any'),
        ...(bias && { bias: r.binding.desc('s32', [filters.shape[0]], 'row-major') }),
        destination: r.desc(y, 'channels-last'),
        attributes,
      },
      r.threads,
    );
  const first = create(r.desc(x, 'channels-last'), attrs);
  const trust = attrs.sourceZeroPoint === 0 ? 'whole' : trustWithZeroPoint(first.implementation, attrs);
  if (trust === 'none') {
    lowerExactly(node, r);
    return;
  }
  const padded = trust === 'unpadded' ? paddedSource(r, x, attrs) : undefined;
  const primitive = padded ? create(padded.desc, { ...attrs, pads: attrs.pads.map(() => 0) }) : first;
  const weights = r.packed(filters, weightsShape, primitive.descs.weights);
  const source = padded?.buffer ?? r.use(x, layoutOfDesc(primitive.descs.source));
  const destination = r.define(y, layoutOfDesc(primitive.descs.destination));
  r.primitive(primitive, { source, weights, bias: bias && r.use(bias, 'row-major'), destination, ...buffers });
}

/** The end of a convolution as attributes of its primitive. */
export function convEnd(node: Node, r: Recorder) {
  const [, , bias, map, multiplier] = operandsOf(node) as (ValueId | undefined)[];
  const shape = r.shape(node.results[0]);
  const perChannel = (length: number) => [1, length, ...shape.slice(2).map(() => 1)];
  const mapShape = map && [1, ...shape.slice(1)];
  return epilogue(r, { bias, map, multiplier }, node.attrs as unknown as Epilogue, perChannel, mapShape);
}

/** The source surrounded by its zero point, channels last. */
function paddedSource(r: Recorder, x: ValueId, attrs: ConvAttrs & Epilogue): { desc: MemoryDesc; buffer: Buffer } {
  const rank = attrs.strides.length;
  const shape = r.shape(x);
  const [begin, end] = [attrs.pads.slice(0, rank), attrs.pads.slice(rank)].map((pads) => [0, 0, ...pads]);
  const dims = shape.map((size, axis) => begin[axis] + size + end[axis]);
  const desc = r.binding.desc(r.nativeType(x), dims, 'channels-last');
  const buffer = r.scratch(desc.bytes);
  const [inOrder, padsBegin, padsEnd] = [shape, begin, end].map((list) => inMemoryOrder('channels-last', list));
  r.kernel(
    { name: 'pad', elementBytes: 1, shape: inOrder, padsBegin, padsEnd, value: attrs.sourceZeroPoint & 255 },
    { source: r.use(x, 'channels-last'), destination: buffer },
  );
  return { desc, buffer };
}

/** f32, with a bias as in ONNX; layouts by oneDNN's choice. */
export const floatConv: Lowering = {
  lower(node, r) {
    const w = node.operands[1] as ValueId;
    const attrs = node.attrs as unknown as ConvAttrs;
    const constant = r.constant(w) as ITensor<'f32'> | undefined;
    recordFloatConv(node, r, attrs, constant?.shape ?? r.shape(w), constant);
  },
};

/** Of filters of that shape: these constants, or the second operand. */
export function recordFloatConv(
  node: Node,
  r: Recorder,
  attrs: ConvAttrs,
  filters: readonly number[],
  constant: ITensor<'f32'> | undefined,
): void {
  const [x, w, bias] = operandsOf(node) as [ValueId, ValueId, ValueId | undefined];
  const shape = groupedShape(filters, attrs.group);
  const primitive = r.binding.convolution(
    {
      ...geometry(filters, attrs),
      transposed: node.op === 'nn.conv_transpose',
      source: r.desc(x, 'channels-last'),
      weights: r.binding.desc('f32', shape, constant ? 'any' : 'row-major'),
      ...(bias && { bias: r.binding.desc('f32', r.shape(bias), 'row-major') }),
      destination: r.desc(node.results[0], 'channels-last'),
    },
    r.threads,
  );
  const weights = constant ? r.packed(constant, shape, primitive.descs.weights) : r.use(w, 'row-major');
  const source = r.use(x, layoutOfDesc(primitive.descs.source));
  const destination = r.define(node.results[0], layoutOfDesc(primitive.descs.destination));
  r.primitive(primitive, { source, weights, bias: bias && r.use(bias, 'row-major'), destination });
}

function lowerDepthwise(node: Node, r: Recorder): void {
  const [x, w, bias, , multiplier] = operandsOf(node) as [ValueId, ValueId, ...(ValueId | undefined)[]];
  const attrs = node.attrs as unknown as ConvAttrs & Epilogue;
  const [y] = node.results;
  const [batch, channels, ...input] = r.shape(x);
  const [, outputChannels, ...output] = r.shape(y);
  const pair = (list: readonly number[]) => list.slice(0, 2) as unknown as readonly [number, number];
  const source = r.use(x, 'channels-last');
  const destination = r.define(y, 'channels-last');
  const factors = multiplier && r.data(perChannelF32(r.constant(multiplier)!, outputChannels));
  r.kernel(
    {
      name: 'depthwise',
      sourceType: r.dtype(x) as 'u8' | 's8',
      type: attrs.to,
      batch,
      channels,
      multiplier: outputChannels / channels,
      input: pair(input),
      output: pair(output),
      kernel: pair(r.shape(w).slice(2)),
      strides: pair(attrs.strides),
      dilations: pair(attrs.dilations),
      padsBegin: pair(attrs.pads),
      sourceZeroPoint: attrs.sourceZeroPoint,
      ...clamps(attrs),
    },
    {
      source,
      weights: r.data(r.constant(w)!),
      bias: bias && r.use(bias, 'row-major'),
      multiplier: factors,
      destination,
    },
  );
}

export function geometry(
  w: readonly number[],
  { strides, pads, dilations, group }: ConvAttrs,
): Pick<ConvolutionSpec, 'groups' | 'strides' | 'dilations' | 'padsBegin' | 'padsEnd'> {
  const rank = w.length - 2;
  return { groups: group, strides, dilations, padsBegin: pads.slice(0, rank), padsEnd: pads.slice(rank) };
}

export const groupedShape = (w: readonly number[], group: number): readonly number[] =>
  group === 1 ? w : [group, w[0] / group, ...w.slice(1)];
