/** Convolutions and matmuls. */
import { type ITensor, type Node, sizeOf, tensor, type ValueId } from '../../../ir/index.ts';
import type { ConvAttrs } from '../../../ir/ops/conv_geometry.ts';
import type { ConvolutionSpec, MemoryDesc, PostOp, PrimitiveAttributes } from '../binding.ts';
import { trustWithZeroPoint } from '../known_defects.ts';
import { inMemoryOrder, layoutOfDesc } from '../layout.ts';
import { type Buffer, type Recorder, transposed } from '../recorder.ts';
import { productIsExact } from '../saturation.ts';
import { type Lowering, operandsOf } from './lowering.ts';
import { referenceScratch } from './reference.ts';

interface Epilogue {
  readonly to: 'u8' | 's8' | 's32';
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
  readonly sourceZeroPoint: number;
}

export const dnnlConv: Lowering = {
  refuses: (node, view) =>
    view.constant(node.operands[1]) === undefined ? 'its weights are computed at run time' : undefined,
  lower(node, r) {
    const [x, w] = node.operands as [ValueId, ValueId];
    const weights = r.constant(w) as ITensor<'s8'>;
    const exact = productIsExact(r.binding.isa, r.dtype(x) as 'u8' | 's8', weights, sizeOf(weights.shape.slice(1)));
    if (node.attrs.by === 'depthwise') lowerDepthwise(node, r);
    else if (exact) lowerPrimitive(node, r);
    else lowerExactly(node, r);
  },
};

/** Where the primitives of this machine would saturate: the slow sum, then the epilogue in int32. */
function lowerExactly(node: Node, r: Recorder): void {
  const [x, w, bias, map, multiplier] = operandsOf(node) as [ValueId, ValueId, ...(ValueId | undefined)[]];
  const attrs = node.attrs as unknown as ConvAttrs & Epilogue;
  const [y] = node.results;
  const yShape = r.shape(y);
  const zero = attrs.sourceZeroPoint === 0 ? undefined : r.data(tensor('s32', Int32Array.of(attrs.sourceZeroPoint)));
  const sum = {
    x,
    xShape: r.shape(x),
    w: r.use(w, 'row-major'),
    wType: 's8',
    wShape: r.shape(w),
    yShape,
    attrs,
    zx: zero,
    zw: undefined,
  } as const;
  const inner = sizeOf(yShape.slice(2));
  const source = referenceScratch(r, sum);
  r.kernel(
    // A map varies along positions as well: then every position of every channel is a channel of its own.
    {
      name: 'requantize',
      type: attrs.to,
      outer: yShape[0],
      channels: map ? yShape[1] * inner : yShape[1],
      inner: map ? 1 : inner,
      groups: 1,
      mapRows: 0,
      ...clamps(attrs),
    },
    {
      source,
      ...perPosition(r, { bias, map, multiplier }, yShape[1], map ? inner : 1),
      destination: r.define(y, 'row-major'),
    },
  );
}

/** bias + map, and the multiplier, for each of channels·inner. */
function perPosition(
  r: Recorder,
  { bias, map, multiplier }: Record<'bias' | 'map' | 'multiplier', ValueId | undefined>,
  channels: number,
  inner: number,
) {
  const at = (id: ValueId | undefined, c: number): number => {
    const t = id && r.constant(id);
    return t ? Number(t.data[t.data.length === 1 ? 0 : c]) : 0;
  };
  const values = map && (r.constant(map) as ITensor<'s32'>).data;
  const count = channels * inner;
  const sums = Int32Array.from({ length: count }, (_, i) => at(bias, Math.floor(i / inner)) + (values ? values[i] : 0));
  const factors = Float32Array.from({ length: count }, (_, i) => at(multiplier, Math.floor(i / inner)));
  return {
    bias: bias || map ? r.data(tensor('s32', sums)) : undefined,
    multiplier: multiplier && r.data(tensor('f32', factors)),
  };
}

function lowerPrimitive(node: Node, r: Recorder): void {
  const [x, w, bias, map, multiplier] = operandsOf(node) as [ValueId, ValueId, ...(ValueId | undefined)[]];
  const attrs = node.attrs as unknown as ConvAttrs & Epilogue;
  const [y] = node.results;
  const channels = r.shape(y)[1];
  const perChannel = (length: number) => [
    1,
    length,
    ...r
      .shape(y)
      .slice(2)
      .map(() => 1),
  ];
  const { attributes, buffers } = epilogue(
    r,
    { bias, map, multiplier },
    attrs,
    perChannel,
    map ? [1, ...r.shape(y).slice(1)] : undefined,
  );
  const create = (source: MemoryDesc, window: ConvAttrs) =>
    r.binding.convolution(
      {
        ...geometry(r.shape(w), window),
        source,
        weights: r.binding.desc('s8', groupedShape(r.shape(w), attrs.group), 'any'),
        ...(bias && { bias: r.binding.desc('s32', [channels], 'row-major') }),
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
  const weights = r.packed(w, groupedShape(r.shape(w), attrs.group), primitive.descs.weights);
  const source = padded?.buffer ?? r.use(x, layoutOfDesc(primitive.descs.source));
  const destination = r.define(y, layoutOfDesc(primitive.descs.destination));
  r.primitive(primitive, { source, weights, bias: bias && r.use(bias, 'row-major'), destination, ...buffers });
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
    const [x, w, bias] = operandsOf(node) as [ValueId, ValueId, ValueId | undefined];
    const attrs = node.attrs as unknown as ConvAttrs;
    const shape = groupedShape(r.shape(w), attrs.group);
    const constant = r.constant(w) !== undefined;
    const primitive = r.binding.convolution(
      {
        ...geometry(r.shape(w), attrs),
        source: r.desc(x, 'channels-last'),
        weights: r.binding.desc('f32', shape, constant ? 'any' : 'row-major'),
        ...(bias && { bias: r.binding.desc('f32', r.shape(bias), 'row-major') }),
        destination: r.desc(node.results[0], 'channels-last'),
      },
      r.threads,
    );
    const weights = constant ? r.packed(w, shape, primitive.descs.weights) : r.use(w, 'row-major');
    const source = r.use(x, layoutOfDesc(primitive.descs.source));
    const destination = r.define(node.results[0], layoutOfDesc(primitive.descs.destination));
    r.primitive(primitive, { source, weights, bias: bias && r.use(bias, 'row-major'), destination });
  },
};

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

export const dnnlMatmul: Lowering = {
  refuses(node, view) {
    const [a, b] = node.operands as [ValueId, ValueId];
    const columns = view.shape(b).at(-1) as number;
    const exact = productIsExact(
      view.binding.isa,
      view.dtype(a) as 'u8' | 's8',
      view.constant(b) as ITensor<'s8'> | undefined,
      -columns,
    );
    return exact ? undefined : 'without VNNI this matmul would saturate';
  },
  lower(node, r) {
    const [a, b, bias, multiplier] = operandsOf(node) as [ValueId, ValueId, ...(ValueId | undefined)[]];
    const attrs = node.attrs as unknown as Epilogue;
    const [y] = node.results;
    const rank = r.shape(y).length;
    const perChannel = (length: number) => [...Array(rank - 1).fill(1), length];
    const { attributes, buffers } = epilogue(r, { bias, multiplier }, attrs, perChannel, undefined);
    lowerMatmul(r, a, b, y, bias, attributes, buffers);
  },
};

export const floatMatmul: Lowering = {
  refuses(node, view) {
    const [a, b] = node.operands as ValueId[];
    if (view.dtype(a) !== 'f32') return 'an integer matmul that no primitive serves';
    return view.shape(a).length >= 2 && view.shape(b).length >= 2 ? undefined : 'a vector operand';
  },
  lower(node, r) {
    const [a, b] = node.operands as ValueId[];
    lowerMatmul(r, a, b, node.results[0], undefined, {}, {});
  },
};

/** oneDNN wants equal ranks: shorter operands get leading 1s. */
function lowerMatmul(
  r: Recorder,
  a: ValueId,
  b: ValueId,
  y: ValueId,
  bias: ValueId | undefined,
  attributes: PrimitiveAttributes,
  extra: Record<string, Buffer>,
): void {
  const shape = r.shape(y);
  const ranked = (id: ValueId) => [...Array(shape.length - r.shape(id).length).fill(1), ...r.shape(id)];
  const constant = r.constant(b) !== undefined;
  const channels = shape.at(-1) as number;
  const primitive = r.binding.matmul(
    {
      source: r.binding.desc(r.nativeType(a), ranked(a), 'row-major'),
      weights: r.binding.desc(r.nativeType(b), ranked(b), constant ? 'any' : 'row-major'),
      ...(bias && { bias: r.binding.desc('s32', [...Array(shape.length - 1).fill(1), channels], 'row-major') }),
      destination: r.binding.desc(r.nativeType(y), shape, 'row-major'),
      attributes,
    },
    r.threads,
  );
  const weights = constant ? r.packed(b, ranked(b), primitive.descs.weights) : r.use(b, 'row-major');
  const source = r.use(a, 'row-major');
  r.primitive(primitive, {
    source,
    weights,
    bias: bias && r.use(bias, 'row-major'),
    destination: r.define(y, 'row-major'),
    ...extra,
  });
}

/**
 * The attributes of a fused end; see NUMERICS.md D-3. In units of the accumulator: bias, map, then one multiplier per
 * channel, round, clamp, and the zero point last, so that it never meets a tie.
 */
function epilogue(
  r: Recorder,
  { map, multiplier }: { readonly bias?: ValueId; readonly map?: ValueId; readonly multiplier?: ValueId },
  { to, zeroPoint, low, high, sourceZeroPoint }: Epilogue,
  perChannel: (length: number) => readonly number[],
  mapShape: readonly number[] | undefined,
): { attributes: PrimitiveAttributes; buffers: Record<string, Buffer> } {
  const shift = sourceZeroPoint === 0 ? {} : { sourceZeroPoint };
  if (multiplier === undefined) return { attributes: shift, buffers: {} };
  const postOps: PostOp[] = [];
  const buffers: Record<string, Buffer> = {};
  const factors = r.constant(multiplier) as ITensor<'f32'>;
  const scales = { scales: factors.data };
  if (map && mapShape) {
    const values = r.constant(map) as ITensor<'s32'>;
    buffers.post0 = r.data(transposed(tensor('f32', Float32Array.from(values.data), mapShape)));
    postOps.push({ kind: 'binary', algorithm: 'add', other: r.binding.desc('f32', mapShape, 'channels-last') });
    buffers.post1 = r.data(factors);
    postOps.push({
      kind: 'binary',
      algorithm: 'mul',
      other: r.binding.desc('f32', perChannel(factors.data.length), 'row-major'),
    });
  }
  const [min, max] = to === 'u8' ? [0, 255] : [-128, 127];
  const clipped = low > min || high < max;
  if (zeroPoint !== 0 || clipped) postOps.push({ kind: 'eltwise', algorithm: 'round', alpha: 0, beta: 0 });
  if (clipped)
    postOps.push({
      kind: 'eltwise',
      algorithm: 'clip',
      alpha: Math.max(low, min) - zeroPoint,
      beta: Math.min(high, max) - zeroPoint,
    });
  const destination = zeroPoint === 0 ? {} : { destinationZeroPoint: zeroPoint };
  return { attributes: { ...(map ? {} : scales), ...shift, ...destination, postOps }, buffers };
}

function geometry(
  w: readonly number[],
  { strides, pads, dilations, group }: ConvAttrs,
): Pick<ConvolutionSpec, 'groups' | 'strides' | 'dilations' | 'padsBegin' | 'padsEnd'> {
  const rank = w.length - 2;
  return { groups: group, strides, dilations, padsBegin: pads.slice(0, rank), padsEnd: pads.slice(rank) };
}

const groupedShape = (w: readonly number[], group: number): readonly number[] =>
  group === 1 ? w : [group, w[0] / group, ...w.slice(1)];

const clamps = ({ to, zeroPoint, low, high }: Epilogue) => {
  const [min, max] = to === 'u8' ? [0, 255] : to === 's8' ? [-128, 127] : [-(2 ** 31), 2 ** 31 - 1];
  return { zeroPoint, low: Math.max(low, min), high: Math.min(high, max) };
};

/** A multiplier for every channel, a common one repeated. */
export const perChannelF32 = (t: ITensor, channels: number): ITensor<'f32'> =>
  t.data.length === channels
    ? (t as ITensor<'f32'>)
    : tensor('f32', new Float32Array(channels).fill(Number(t.data[0])));

export const dnnlRequantize: Lowering = {
  refuses(node, view) {
    const map = node.operands[2];
    return map && view.constant(map) === undefined ? 'its map is computed at run time' : undefined;
  },
  lower(node, r) {
    const [x, bias, map, row, column, multiplier] = operandsOf(node) as [ValueId, ...(ValueId | undefined)[]];
    const attrs = node.attrs as unknown as Epilogue & { axis: number };
    const [y] = node.results;
    const shape = r.shape(y);
    const channels = shape[attrs.axis];
    const layout = attrs.axis === 1 && shape.length > 2 ? 'channels-last' : 'row-major';
    const inner = layout === 'channels-last' ? 1 : sizeOf(shape.slice(attrs.axis + 1));
    const mapRows = map ? sizeOf(shape.slice(attrs.axis + 1)) : 0;
    const mapShape = [1, channels, ...shape.slice(attrs.axis + 1)];
    const repeated = (id: ValueId | undefined): Buffer | undefined => {
      const t = id && r.constant(id);
      if (t && t.data.length === 1 && channels > 1)
        return r.data(tensor('s32', new Int32Array(channels).fill(Number(t.data[0]))));
      return id && r.use(id, 'row-major');
    };
    r.kernel(
      {
        name: 'requantize',
        type: attrs.to,
        outer: sizeOf(shape) / channels / inner,
        channels,
        inner,
        groups: row ? r.shape(row)[attrs.axis] : 1,
        mapRows,
        ...clamps(attrs),
      },
      {
        source: r.use(x, layout),
        bias: repeated(bias),
        map: map && r.data(transposed(tensor('s32', r.constant(map)!.data as Int32Array, mapShape))),
        row: row && r.use(row, layout),
        column: repeated(column),
        multiplier: multiplier && r.data(perChannelF32(r.constant(multiplier)!, channels)),
        destination: r.define(y, layout),
      },
    );
  },
};
