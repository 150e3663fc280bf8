/** Convolutions with everything random: rank, groups, windows, zero points, data. */
import * as fc from 'fast-check';
import {
  type Dim,
  dtypes,
  type Graph,
  GraphBuilder,
  type ITensor,
  sizeOf,
  tensor,
  type Value,
} from '../../ir/index.ts';
import type { ConvAttrs } from '../../ir/ops/conv_geometry.ts';
import { nnConv } from '../../ir/ops/nn_conv.op.ts';
import { nnAdd } from '../../ir/ops/nn_elementwise_binary.op.ts';
import { nnPad } from '../../ir/ops/nn_movement.op.ts';
import { qnnConv } from '../../ir/ops/qnn_conv.op.ts';
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
  readonly op: 'qnn.conv' | 'nn.conv';
  readonly x: Eight;
  readonly w: Eight;
  readonly batch: Dim;
  readonly group: number;
  readonly channelsPerGroup: number;
  readonly filtersPerGroup: number;
  readonly axes: readonly ConvAxis[];
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

/** What follows: nothing, another reader, or another reader while the result is an output too. */
export type Tail = 'none' | 'read' | 'shared';

type Emphasis<S> = { readonly [K in keyof S]?: fc.Arbitrary<S[K]> };

const small = fc.integer({ min: 1, max: 3 });
const pad = fc.constantFrom(0, 1, 2, 3);

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

/** Any convolution; `emphasis` replaces the choice of some fields. */
export const convSpec = (emphasis: Emphasis<ConvSpec> = {}): fc.Arbitrary<ConvSpec> =>
  fc.record({
    op: fc.constant('qnn.conv' as const),
    x: eight,
    w: eight,
    batch: batch(),
    group: fc.constantFrom(1, 1, 2, 3),
    channelsPerGroup: fc.constantFrom(1, 1, 2, 3),
    filtersPerGroup: small,
    axes: axesOf(convAxis()),
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

/** Weights [O, C/group, kernel…]; `narrow` keeps them within 100 of their zero points. */
export function weightsTensor<D extends Eight>(
  dtype: D,
  shape: readonly number[],
  data: Contents,
  narrow: boolean,
  zeroPoints: readonly number[],
): ITensor<D> {
  const t = filled(dtype, shape, data);
  if (!narrow) return t;
  const { min, max } = dtypes[dtype];
  const each = sizeOf(shape.slice(1));
  const near = filled('s8', shape, data).data;
  const values = Array.from(near, (v, i) => {
    const zero = zeroPoints[zeroPoints.length === 1 ? 0 : Math.floor(i / each)];
    return Math.max(min, Math.min(max, zero + Math.trunc((v * 100) / 128)));
  });
  return tensor(dtype, values, shape);
}

/** Emits the convolution, over `x` where that is given. Its geometry gives way to the channels of `x`. */
export function emitConv(b: GraphBuilder, spec: ConvSpec, given?: Value<Eight>): Value<'s32'> {
  const { group, channelsPerGroup, filtersPerGroup, computed } = spec;
  const { attrs, spatial, kernel } = geometry(spec);
  const channels = group * channelsPerGroup;
  const filters = group * filtersPerGroup;
  const wShape = [filters, channelsPerGroup, ...kernel];
  const source = given ?? b.input(b.fresh('x'), spec.x, [spec.batch, channels, ...spatial]);
  const zx = emitZeroPoint(b, source.type.dtype, spec.zx, 'zx');
  const x = spec.padded === 'no' ? source : emitPad(b, source, spec, zx);
  const zeros = spec.zw.presence === 'constant' ? zeroPointsOf(spec.w, spec.zw, filters) : [0];
  const w = computed
    ? b.input(b.fresh('w'), spec.w, wShape)
    : b.constant(weightsTensor(spec.w, wShape, spec.weights, spec.narrow, zeros), b.fresh('w'));
  if (spec.op === 'nn.conv') return b.emit(nnConv, { x, w }, attrs) as Value<'s32'>;
  const zw = emitZeroPoint(b, spec.w, spec.zw, 'zw', filters);
  return b.emit(qnnConv, { x, w, ...(zx && { zx }), ...(zw && { zw }) }, attrs);
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
  return b.emit(nnPad, { x, ...(value && { value }) }, { pads: [0, 0, ...begins, 0, 0, ...ends] }) as Value<Eight>;
}

/** The graph with `y` as its output, and what `tail` asks for. */
export function finish(b: GraphBuilder, y: Value, tail: Tail): Graph {
  if (tail === 'none' || (y.type.dtype !== 's32' && y.type.dtype !== 'f32')) return b.finish([y]);
  const read = b.emit(nnAdd, { a: y as Value<'s32'>, b: b.scalar(y.type.dtype as 's32', 1) });
  return b.finish(tail === 'read' ? [read] : [read, y]);
}

export function buildConv(spec: ConvSpec): Graph {
  const b = new GraphBuilder();
  return finish(b, emitConv(b, spec), spec.tail);
}
