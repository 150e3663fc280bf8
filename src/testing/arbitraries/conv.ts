/** Convolutions with everything random: rank, groups, windows, zero points, data. */

import * as fc from 'fast-check';
import {
  atChannel,
  type ConvAttrs,
  type DeconvAttrs,
  type Dim,
  dtypes,
  type Graph,
  GraphBuilder,
  type ITensor,
  isOfType,
  nnAdd,
  nnConv,
  nnConvTranspose,
  nnPad,
  qnnConv,
  qnnConvTranspose,
  sizeOf,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { type Contents, filled } from '../contents.ts';
import {
  batch,
  contents,
  type Eight,
  eight,
  emitZeroPoint,
  scalarOrChannels,
  wrapInto,
  type ZeroPoint,
  zeroPoint,
  zeroPointsOf,
} from './basic.ts';

export interface ConvAxis {
  /** Grown where the window would not fit. */
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pads: readonly [number, number];
}

export interface ConvSpec {
  readonly op: 'qnnConv' | 'nnConv' | 'qnnConvTranspose' | 'nnConvTranspose';
  readonly x: Eight;
  readonly w: Eight;
  readonly batch: Dim;
  readonly group: number;
  readonly channelsPerGroup: number;
  readonly filtersPerGroup: number;
  readonly axes: readonly ConvAxis[];
  /** Output padding of a transposed convolution, limited by its strides and dilations. */
  readonly outputPadding: readonly [number, number, number];
  /** The last spatial size is the symbol W. */
  readonly symbolic: boolean;
  readonly zx: ZeroPoint;
  readonly zw: ZeroPoint;
  readonly weights: Contents;
  /** All weights within 100 of their zero point. */
  readonly narrow: boolean;
  /** The weights are an input of the graph. */
  readonly computed: boolean;
  /** A pad in front of the convolution, filled with 0, with the zero point, or with another value. */
  readonly padded: 'no' | 'zero' | 'zero point' | 'other';
  readonly tail: Tail;
}

/** The readers of the result: none, one, or one while the result is an output too. */
export type Tail = 'none' | 'read' | 'shared';

type Emphasis<S> = { readonly [K in keyof S]?: fc.Arbitrary<S[K]> };

const small = fc.integer({ min: 1, max: 3 });
/** An integer, since constants shrink to the first of them only. */
const pad = fc.integer({ min: 0, max: 3 });
const outputPadding = fc.constantFrom(0, 0, 1, 2);

export const convAxis = (where: Emphasis<ConvAxis> = {}): fc.Arbitrary<ConvAxis> =>
  fc.record({
    input: fc.integer({ min: 1, max: 6 }),
    kernel: fc.integer({ min: 1, max: 4 }),
    stride: small,
    dilation: fc.constantFrom(1, 1, 2, 3),
    pads: fc.tuple(pad, pad),
    ...where,
  });

const axesOf = (axis: fc.Arbitrary<ConvAxis>): fc.Arbitrary<ConvAxis[]> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.array(axis, { minLength: 1, maxLength: 2 }) },
    {
      weight: 1,
      arbitrary: fc.array(
        axis.map((a) => ({ ...a, input: Math.min(a.input, 3), kernel: Math.min(a.kernel, 2) })),
        { minLength: 3, maxLength: 3 },
      ),
    },
  );

/** No padding anywhere; some padding on the first axis. */
export const unpaddedAxes = axesOf(convAxis({ pads: fc.constant([0, 0]) }));
export const paddedAxes = axesOf(convAxis({ pads: fc.tuple(fc.integer({ min: 1, max: 3 }), pad) }));

/** Transposed, all taps meet everywhere: a single tap, or pads that crop the borders away, at stride 1. */
export const uniformAxes = axesOf(
  fc.oneof(
    convAxis({ kernel: fc.constant(1), stride: fc.constant(1), pads: fc.constant([0, 0]) }),
    convAxis({
      input: fc.integer({ min: 3, max: 6 }),
      kernel: fc.constant(2),
      stride: fc.constant(1),
      dilation: fc.constant(1),
      pads: fc.constant([1, 1]),
    }),
  ),
);

/** Any convolution; `emphasis` replaces the choice of some fields. */
export const convSpec = (emphasis: Emphasis<ConvSpec> = {}): fc.Arbitrary<ConvSpec> =>
  fc.record({
    op: fc.constant('qnnConv' as const),
    x: eight,
    w: eight,
    batch: batch(),
    group: fc.constantFrom(1, 1, 2, 3),
    channelsPerGroup: fc.constantFrom(1, 1, 2, 3),
    filtersPerGroup: small,
    axes: axesOf(convAxis()),
    outputPadding: fc.tuple(outputPadding, outputPadding, outputPadding),
    symbolic: fc.constantFrom(...Array<boolean>(9).fill(false), true),
    zx: zeroPoint(),
    zw: zeroPoint({ form: scalarOrChannels }),
    weights: contents,
    narrow: fc.boolean(),
    computed: fc.constantFrom(...Array<boolean>(9).fill(false), true),
    padded: fc.constant('no' as const),
    tail: fc.constantFrom('none', 'none', 'none', 'read', 'shared'),
    ...emphasis,
  });

/** Geometry with every window inside: inputs grow, and windows over a symbolic axis shrink to at most 3. */
export function geometry({ axes, symbolic, group }: Pick<ConvSpec, 'axes' | 'symbolic' | 'group'>) {
  const fitted = axes.map((axis, i) => {
    const open = symbolic && i === axes.length - 1;
    const [kernel, dilation] = open ? [Math.min(axis.kernel, 3), 1] : [axis.kernel, axis.dilation];
    const window = dilation * (kernel - 1) + 1;
    const size: Dim = open ? 'W' : Math.max(axis.input, window - axis.pads[0] - axis.pads[1], 1);
    return { ...axis, kernel, dilation, size };
  });
  const attrs: ConvAttrs = {
    strides: fitted.map((a) => a.stride),
    pads: [...fitted.map((a) => a.pads[0]), ...fitted.map((a) => a.pads[1])],
    dilations: fitted.map((a) => a.dilation),
    group,
  };
  return { attrs, spatial: fitted.map((a) => a.size), kernel: fitted.map((a) => a.kernel) };
}

/** Attributes of the transposed convolution: pads give way where they would leave nothing of the output. */
export function transposedAttrs(
  { attrs, spatial, kernel }: ReturnType<typeof geometry>,
  outputPadding: readonly number[],
): DeconvAttrs {
  const axes = spatial.map((size, i) => {
    const [stride, dilation] = [attrs.strides[i], attrs.dilations[i]];
    const added = Math.min(outputPadding[i], Math.max(stride, dilation) - 1);
    const reach = stride * ((typeof size === 'number' ? size : 1) - 1) + dilation * (kernel[i] - 1) + added;
    const begin = Math.min(attrs.pads[i], reach);
    return { begin, end: Math.min(attrs.pads[i + spatial.length], reach - begin), added };
  });
  return {
    ...attrs,
    pads: [...axes.map((a) => a.begin), ...axes.map((a) => a.end)],
    outputPadding: axes.map((a) => a.added),
  };
}

/** Weights; `narrow` keeps them within 100 of their zero points, which `zeroAt` gives for each element. */
export function weightsTensor<D extends Eight>(
  dtype: D,
  shape: readonly number[],
  data: Contents,
  narrow: boolean,
  zeroAt: (index: number) => number = () => 0,
): ITensor<D> {
  const t = filled(dtype, shape, data);
  if (!narrow) return t;
  const { min, max } = dtypes[dtype];
  const near = filled('s8', shape, data).data;
  const values = Array.from(near, (v, i) => Math.max(min, Math.min(max, zeroAt(i) + Math.trunc((v * 100) / 128))));
  return tensor(dtype, values, shape);
}

/** Emits the convolution of `given`, or of an input. Its geometry gives way to the channels of a given source. */
export function emitConv(b: GraphBuilder, spec: ConvSpec, given?: Value<Eight>): Value<'s32'> {
  const shaped = geometry(spec);
  const channels = spec.group * spec.channelsPerGroup;
  const source = given ?? b.input(b.fresh('x'), spec.x, [spec.batch, channels, ...shaped.spatial]);
  const zx = emitZeroPoint(b, source.type.dtype, spec.zx, 'zx');
  const x = spec.padded === 'no' ? source : emitPad(b, source, spec, zx);
  const w = emitWeights(b, spec, shaped.kernel);
  if (spec.op === 'nnConv') return b.emit(nnConv, { x, w }, shaped.attrs);
  if (spec.op === 'nnConvTranspose')
    return b.emit(nnConvTranspose, { x, w }, transposedAttrs(shaped, spec.outputPadding));
  const zw = emitZeroPoint(b, spec.w, spec.zw, 'zw', spec.group * spec.filtersPerGroup);
  const operands = { x, w, ...(zx && { zx }), ...(zw && { zw }) };
  return spec.op === 'qnnConv'
    ? b.emit(qnnConv, operands, shaped.attrs)
    : b.emit(qnnConvTranspose, operands, transposedAttrs(shaped, spec.outputPadding));
}

/** [O, C/group, kernel…], or [C, O/group, kernel…] for a transposed convolution. */
function emitWeights(b: GraphBuilder, spec: ConvSpec, kernel: readonly number[]): Value<Eight> {
  const { op, group, channelsPerGroup, filtersPerGroup, computed } = spec;
  const transposed = op === 'nnConvTranspose' || op === 'qnnConvTranspose';
  const leading = transposed
    ? [group * channelsPerGroup, filtersPerGroup]
    : [group * filtersPerGroup, channelsPerGroup];
  const shape = [...leading, ...kernel];
  if (computed) return b.input(b.fresh('w'), spec.w, shape);
  const zeros = spec.zw.presence === 'constant' ? zeroPointsOf(spec.w, spec.zw, group * filtersPerGroup) : [0];
  const zeroAt = (i: number): number => {
    const [first, second] = [Math.floor(i / sizeOf(shape.slice(1))), Math.floor(i / sizeOf(kernel)) % shape[1]];
    const filter = transposed ? Math.floor(first / channelsPerGroup) * filtersPerGroup + second : first;
    return atChannel(zeros, filter);
  };
  return b.constant(weightsTensor(spec.w, shape, spec.weights, spec.narrow, zeroAt), b.fresh('w'));
}

function emitPad(
  b: GraphBuilder,
  x: Value<Eight>,
  { padded, zx: zero, axes }: ConvSpec,
  zx: Value<Eight> | undefined,
): Value<Eight> {
  const { dtype } = x.type;
  const other = (): Value<Eight> => b.scalar(dtype, wrapInto(dtype, zero.value + 5));
  const value = padded === 'zero point' ? zx : padded === 'other' ? other() : undefined;
  const begins = axes.map((a) => a.pads[1]);
  const ends = axes.map((a) => a.pads[0]);
  return b.emit(nnPad, { x, ...(value && { value }) }, { pads: [0, 0, ...begins, 0, 0, ...ends] });
}

/** The graph with `y` as its output, and the readers that `tail` requires. */
export function finish(b: GraphBuilder, y: Value, tail: Tail): Graph {
  if (tail === 'none' || !isOfType(y, 's32', 'f32')) return b.finish([y]);
  const read = b.emit(nnAdd, { a: y, b: b.scalar(y.type.dtype, 1) });
  return b.finish(tail === 'read' ? [read] : [read, y]);
}

export function buildConv(spec: ConvSpec): Graph {
  const b = new GraphBuilder();
  return finish(b, emitConv(b, spec), spec.tail);
}
