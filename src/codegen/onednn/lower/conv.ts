/** Convolutions, and code that transposed ones (conv_transpose.ts) share with them. */
import {
  type ConvAttrs,
  dnnlConvTranspose,
  type ITensor,
  isOp,
  type nnConv,
  type ops,
  sizeOf,
  tensor,
  type ValueId,
  type View,
} from '../../../ir/index.ts';
import { hasOneMeaning } from '../../../passes/index.ts';
import type { ConvolutionSpec, PrimitiveAttributes } from '../binding.ts';
import { offered, trustWithBinaryPostOps, trustWithZeroPoint } from '../known_defects.ts';
import { inMemoryOrder, layoutOfDesc, type PlainLayout } from '../layout.ts';
import { finishedByOurKernel, prefersOurKernel } from '../our_kernel.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { floatsHoldSums, isExact, type Operands, operandsOf, returnsSums, sumsOfWeights } from '../saturation.ts';
import { filtersOf } from '../saturation_pairs.ts';
import { type Created, recordBareSum } from './bare_sum.ts';
import { recordConvProduct } from './float_product.ts';
import type { GraphView, Lowering } from './lowering.ts';
import { clamps, type Epilogue, epilogue, kernelRecipe, perChannel } from './products.ts';
import { referenceScratch } from './reference.ts';

type Conv = View<typeof ops.dnnlConv>;
/** The fields of a convolution, transposed or not. */
type Fused = View<typeof ops.dnnlConv | typeof ops.dnnlConvTranspose>;

export const constantWeights = ({ w }: Fused, graph: GraphView): string | undefined =>
  graph.constant(w) === undefined ? 'its weights are computed at run time' : undefined;

export const dnnlConv: Lowering<typeof ops.dnnlConv> = {
  refuses: constantWeights,
  lower(view, r) {
    if (view.attrs.by === 'depthwise' || isOurs(view, r)) lowerKernel(view, r);
    else lowerPrimitive(view, r);
  },
};

/** True when our convolution kernel computes a node on this machine. Only its vector version is fast. */
function isOurs({ w, attrs, node }: Conv, r: Recorder): boolean {
  const { isa, kernelIsa } = r.binding;
  return kernelIsa === 'avx512' && finishedByOurKernel(node) && prefersOurKernel(r.shape(w), attrs.group, isa);
}

/** Computes the slow sum and then the epilogue in int32, when no primitive of this machine is exact. */
export function lowerExactly(view: Fused, r: Recorder): void {
  const { x, w, y, attrs, node } = view;
  const zero = attrs.sourceZeroPoint === 0 ? undefined : r.data(tensor('s32', Int32Array.of(attrs.sourceZeroPoint)));
  const sum = {
    x,
    xShape: r.shape(x),
    w: r.use(w, 'row-major'),
    wType: 's8',
    wShape: r.shape(w),
    yShape: r.shape(y),
    attrs,
    transposed: isOp(node, dnnlConvTranspose),
    zx: zero,
    zw: undefined,
  } as const;
  recordEnd(view, r, referenceScratch(r, sum), 'row-major');
}

/** Records the epilogue of an s32 sum in the given layout, in int32; `more` is added per channel. */
export function recordEnd(view: Fused, r: Recorder, source: Buffer, layout: PlainLayout, more?: Int32Array): void {
  const { bias, map, multiplier, scale, offset, y, attrs } = view;
  const [batch, channels, ...spatial] = r.shape(y);
  const positions = sizeOf(spatial);
  const last = layout === 'channels-last';
  // A map varies along positions as well: then every position of every channel is a channel of its own.
  const count = map ? channels * positions : channels;
  const inner = map || last ? 1 : positions;
  const at = (id: ValueId | undefined, c: number): number => {
    const t = r.constant(id);
    return t ? Number(t.data[t.data.length === 1 ? 0 : c]) : 0;
  };
  const channelOf = (i: number): number => (last ? i % channels : Math.floor((i * channels) / count));
  const mapIndex = (i: number): number => (last ? channelOf(i) * positions + Math.floor(i / channels) : i);
  const added = Int32Array.from(
    { length: count },
    (_, i) => at(bias, channelOf(i)) + at(map, mapIndex(i)) + (more?.[channelOf(i)] ?? 0),
  );
  const spread = (id: ValueId | undefined): ITensor<'f32'> | undefined =>
    id &&
    tensor(
      'f32',
      Float32Array.from({ length: count }, (_, i) => at(id, channelOf(i))),
    );
  const factors = { multiplier: spread(multiplier), scale: spread(scale), offset: spread(offset) };
  const recipe = kernelRecipe(r, factors, { ...attrs, rounding: 'half-even' }, count);
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
      ...recipe.fields,
    },
    {
      source,
      bias: bias || map || more ? r.data(tensor('s32', added)) : undefined,
      ...recipe.buffers,
      destination: r.define(y, layout),
    },
  );
}

/**
 * A primitive with all of the end; where its f32 epilogue or its source zero point would not be exact, one for the bare
 * sum over a source whose padding is written out, and our kernel for the end: Σ(x − zx)·w = Σx·w − zx·Σw in int32.
 */
function lowerPrimitive(view: Conv, r: Recorder): void {
  const { x, w, bias, y, attrs } = view;
  const filters = filtersOf(r.constantOf(w, 's8'), attrs.group);
  for (const given of operandsOf(r, x, filters, attrs.sourceZeroPoint, 'second')) {
    const make = creator(view, r, given);
    const whole = wholeConv(view, r, given, make);
    if (whole && isExact(r, given, whole.primitive, () => make(whole.padding, {}, 's32').primitive)) {
      const more = { bias: bias && r.use(bias, 'row-major'), ...whole.buffers };
      whole.record(r.define(y, layoutOfDesc(whole.primitive.descs.destination)), more);
      return;
    }
    const padding = given.zeroPoint === 0 ? 'within' : 'written out';
    const sum = recordBareSum(r, given, (part) => creator(view, r, part)(padding, {}, 's32'));
    if (sum === undefined) continue;
    const folded =
      given.zeroPoint === 0 ? undefined : sumsOfWeights(filters).map((v) => Math.imul(v, -given.zeroPoint));
    recordEnd(view, r, sum, 'channels-last', folded);
    return;
  }
  lowerExactly(view, r);
}

type Padding = 'within' | 'written out';

type CreatedConv = Created & { readonly padding: Padding };

/** Creates the primitive with other ends, over the source as it is or surrounded by its zero point. */
function creator({ x, w, bias, y, attrs }: Conv, r: Recorder, { view, type, zeroPoint, source }: Operands) {
  const dims = groupedShape([view.filters, view.channels, ...r.shape(w).slice(2)], attrs.group);
  const [batch, , ...spatial] = r.shape(x);
  const shape = [batch, view.channels * attrs.group, ...spatial];
  return (padding: Padding, attributes: PrimitiveAttributes, to: Epilogue['to']): CreatedConv => {
    const written = padding === 'written out' ? writtenOut(r, shape, attrs.pads, zeroPoint) : undefined;
    const primitive = r.binding.convolution(
      {
        ...geometry(r.shape(w), written ? { ...attrs, pads: attrs.pads.map(() => 0) } : attrs),
        source: r.binding.desc(type, written?.dims ?? shape, 'channels-last'),
        weights: r.binding.desc('s8', dims, 'any'),
        ...(bias && to !== 's32' && { bias: r.binding.desc('s32', [view.filters], 'row-major') }),
        destination: r.binding.desc(to, r.shape(y), 'channels-last'),
        attributes,
      },
      r.threads,
    );
    const record: Created['record'] = (destination, more = {}) => {
      const weights = r.packed(tensor('s8', view.data), dims, primitive.descs.weights);
      r.primitive(primitive, { source: written?.pad(source()) ?? source(), weights, destination, ...more });
    };
    return { primitive, padding, record };
  };
}

/** The primitive that does all of the node, where there is one that can be trusted. */
function wholeConv(view: Conv, r: Recorder, given: Operands, make: ReturnType<typeof creator>) {
  const { bias, map, y, attrs, node } = view;
  const { zeroPoint } = given;
  const { attributes, buffers } = convEnd(view, r, zeroPoint);
  const isBare = attrs.to === 's32';
  if (isBare && (bias || map)) return undefined;
  const create = (padding: Padding) => offered(() => make(padding, attributes, attrs.to));
  const first = create('within');
  const trust = zeroPoint === 0 || !first ? 'whole' : trustWithZeroPoint(first.primitive.implementation, attrs);
  const chosen = trust === 'unpadded' ? create('written out') : trust === 'whole' ? first : undefined;
  const [, channels] = r.shape(y);
  const { postOps = [] } = attributes;
  const isBinary = postOps.some(({ kind }) => kind === 'binary');
  if (isBinary && !trustWithBinaryPostOps(chosen?.primitive.implementation ?? '', attrs, channels)) return undefined;
  const isHeld = !isBare || floatsHoldSums(r, node) || returnsSums(chosen?.primitive.implementation ?? '', given);
  return chosen && isHeld ? { ...chosen, buffers } : undefined;
}

/** The end of a convolution as attributes of its primitive. */
export function convEnd(view: Fused, r: Recorder, sourceZeroPoint: number) {
  const shape = r.shape(view.y);
  const perChannel = (length: number) => [1, length, ...shape.slice(2).map(() => 1)];
  const mapShape = view.map && [1, ...shape.slice(1)];
  return epilogue(r, view, { ...view.attrs, sourceZeroPoint }, perChannel, mapShape);
}

/** A channels-last source surrounded by a value; nothing to do without pads. */
function writtenOut(r: Recorder, shape: readonly number[], pads: readonly number[], value: number) {
  const rank = shape.length - 2;
  const [begin, end] = [pads.slice(0, rank), pads.slice(rank)].map((list) => [0, 0, ...list]);
  const dims = shape.map((size, axis) => begin[axis] + size + end[axis]);
  const pad = (source: Buffer): Buffer => {
    if (pads.every((p) => p === 0)) return source;
    const destination = r.scratch(sizeOf(dims));
    const [inOrder, padsBegin, padsEnd] = [shape, begin, end].map((list) => inMemoryOrder('channels-last', list));
    r.kernel(
      { name: 'pad', elementBytes: 1, shape: inOrder, padsBegin, padsEnd, value: value & 255 },
      { source, destination },
    );
    return destination;
  };
  return { dims, pad };
}

/** f32, with a bias as in ONNX; where one meaning is needed by our kernel, else layouts by oneDNN's choice. */
export const floatConv: Lowering<typeof nnConv> = {
  lower(view, r) {
    if (hasOneMeaning(r.graph, view.node)) recordConvProduct(view, r);
    else recordFloatConv(view, r);
  },
};

function recordFloatConv({ x, w, bias, y, attrs }: View<typeof nnConv>, r: Recorder): void {
  const constant = r.isConstant(w) ? r.constantOf(w, 'f32') : undefined;
  const filters = r.shape(w);
  const shape = groupedShape(filters, attrs.group);
  const primitive = r.binding.convolution(
    {
      ...geometry(filters, attrs),
      source: r.desc(x, 'channels-last'),
      weights: r.binding.desc('f32', shape, constant ? 'any' : 'row-major'),
      ...(bias && { bias: r.binding.desc('f32', r.shape(bias), 'row-major') }),
      destination: r.desc(y, 'channels-last'),
    },
    r.threads,
  );
  const weights = constant ? r.packed(constant, shape, primitive.descs.weights) : r.use(w, 'row-major');
  const source = r.use(x, layoutOfDesc(primitive.descs.source));
  const destination = r.define(y, layoutOfDesc(primitive.descs.destination));
  r.primitive(primitive, { source, weights, bias: bias && r.use(bias, 'row-major'), destination });
}

/** Uses one of our own kernels, which correct the source zero point for nothing and finish in registers. */
function lowerKernel({ x, w, bias, multiplier, y, attrs }: Conv, r: Recorder): void {
  const [batch, channels, ...input] = r.shape(x);
  const [, outputChannels, ...output] = r.shape(y);
  // One spatial axis is a row of a plane.
  const pair = (list: readonly number[], leading: number): readonly [number, number] =>
    input.length === 1 ? [leading, list[0]] : [list[0], list[1]];
  const source = r.use(x, 'channels-last');
  const destination = r.define(y, 'channels-last');
  const factors = multiplier && r.data(perChannel(r.constantOf(multiplier, 'f32'), outputChannels));
  const window = {
    sourceType: r.dtypeOf(x, 'u8', 's8'),
    type: attrs.to,
    batch,
    channels,
    input: pair(input, 1),
    output: pair(output, 1),
    kernel: pair(r.shape(w).slice(2), 1),
    strides: pair(attrs.strides, 1),
    dilations: pair(attrs.dilations, 1),
    padsBegin: pair(attrs.pads, 0),
    sourceZeroPoint: attrs.sourceZeroPoint,
    ...clamps(attrs),
  };
  r.kernel(
    attrs.by === 'depthwise'
      ? { name: 'depthwise', ...window, multiplier: outputChannels / channels }
      : { name: 'convolution', ...window, outputChannels, groups: attrs.group },
    {
      source,
      weights: r.data(r.constantOf(w, 's8')),
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
