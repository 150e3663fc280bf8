/** Additions to an s32 sum between a product and its requantization, and the requantization itself. */
import * as fc from 'fast-check';
import { assert } from '../../diagnostics/index.ts';
import {
  type Dim,
  dtypes,
  type Graph,
  GraphBuilder,
  nnAdd,
  nnMul,
  nnSub,
  qnnRequantize,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { fixedMultiplier, type RequantizeMode, requantizeModes } from '../../numerics/index.ts';
import { type Contents, filled } from '../contents.ts';
import {
  contents,
  type Eight,
  eight,
  emitPresentZeroPoint,
  present,
  scale,
  scalesAround,
  type ZeroPoint,
  zeroPoint,
} from './basic.ts';
import { type ConvSpec, emitConv, finish, type Tail } from './conv.ts';
import { emitMatmul, type MatmulSpec } from './matmul.ts';

export interface Addition {
  /**
   * Fused operators absorb `channels` and `map`; `all` covers the batch too; `grow` broadcasts the sum to more
   * elements; `row` is a rank-1 update; `input` and `self` are not constant.
   */
  readonly kind: 'scalar' | 'channels' | 'map' | 'all' | 'grow' | 'row' | 'input' | 'self';
  readonly subtract: boolean;
  /** The constant is the left operand (of an addition). */
  readonly swapped: boolean;
  /** With all leading axes written out. */
  readonly fullRank: boolean;
  /** Large constants wrap. */
  readonly large: boolean;
  readonly contents: Contents;
}

export const addition = (kinds: readonly Addition['kind'][]): fc.Arbitrary<Addition> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    subtract: fc.boolean(),
    swapped: fc.boolean(),
    fullRank: fc.boolean(),
    large: fc.constantFrom(false, false, false, true),
    contents,
  });

export const absorbed = ['channels', 'scalar', 'map'] as const;
export const anyKind = ['channels', 'channels', 'scalar', 'map', 'all', 'grow', 'row', 'row', 'input', 'self'] as const;
export const additions = (kinds: readonly Addition['kind'][] = anyKind): fc.Arbitrary<Addition[]> =>
  fc.array(addition(kinds), { maxLength: 3 });

/** Two or three constants one after the other. */
export const constants: fc.Arbitrary<Addition[]> = fc.array(
  addition(['scalar', 'channels', 'map']).map((a) => ({ ...a, subtract: false })),
  { minLength: 2, maxLength: 3 },
);

/** `sum ± spec`, channels of the sum on `axis`. */
export function emitAddition(b: GraphBuilder, sum: Value<'s32'>, spec: Addition, axis: number): Value<'s32'> {
  const added = addedTo(b, sum, spec, axis);
  if (spec.subtract) return b.emit(nnSub, { a: sum, b: added });
  return b.emit(nnAdd, spec.swapped ? { a: added, b: sum } : { a: sum, b: added });
}

function addedTo(b: GraphBuilder, sum: Value<'s32'>, spec: Addition, axis: number): Value<'s32'> {
  const { shape } = sum.type;
  const ones: Dim[] = shape.map(() => 1);
  const leading = (s: Dim[]): Dim[] => (spec.fullRank ? s : s.slice(axis));
  const constant = (s: readonly Dim[]): Value<'s32'> =>
    b.constant(
      integers(
        s.map((d) => (typeof d === 'number' ? d : 1)),
        spec,
      ),
      b.fresh('c'),
    );
  switch (spec.kind) {
    case 'self':
      return sum;
    case 'input':
      return b.input(b.fresh('s'), 's32', shape);
    case 'scalar':
      return constant([]);
    case 'channels':
      return constant(leading(ones.with(axis, shape[axis])));
    case 'map':
      return constant(leading(shape.map((d, i) => (i < axis ? 1 : d))));
    case 'all':
      return constant(shape);
    case 'grow': {
      const single = shape.indexOf(1);
      return constant(single < 0 ? [2, ...ones] : ones.with(single, 2));
    }
    case 'row': {
      const row = b.input(b.fresh('row'), 's32', shape.with(axis, spec.swapped ? shape[axis] : 1));
      return b.emit(nnMul, { a: row, b: constant(leading(ones.with(axis, shape[axis]))) });
    }
  }
}

/** Below 2^12, or up to the ends of int32. */
function integers(shape: readonly number[], { large, contents: data }: Addition) {
  const t = filled('s32', shape, data);
  return large
    ? t
    : tensor(
        's32',
        t.data.map((v) => v % 4096),
        shape,
      );
}

export interface RequantizeSpec {
  readonly y: Eight;
  readonly zy: ZeroPoint;
  readonly scale: number;
  /** `other` lies along an axis that is not the channels'; `broadcast` is [1, C, 1, …]. */
  readonly form: 'scalar' | 'one' | 'channels' | 'broadcast' | 'other';
  readonly mode: RequantizeMode;
  readonly clamp: 'no' | 'relu' | 'both';
  readonly computed: boolean;
}

const ort = requantizeModes.ort;
const rounding = fc.constantFrom<RequantizeMode['rounding']>('half-even', 'half-up', 'half-away');
const anyMode: fc.Arbitrary<RequantizeMode> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(ort) },
  { weight: 1, arbitrary: fc.constantFrom(...Object.values(requantizeModes)) },
  {
    weight: 1,
    arbitrary: fc.record({
      arithmetic: fc.constantFrom('f32', 'f64', 'f32-two-step' as const),
      rounding,
      zeroPointAt: fc.constantFrom('before', 'after' as const),
    }),
  },
);

export const requantizeSpec = (
  emphasis: { readonly [K in keyof RequantizeSpec]?: fc.Arbitrary<RequantizeSpec[K]> } = {},
): fc.Arbitrary<RequantizeSpec> =>
  fc.record({
    y: eight,
    zy: zeroPoint({ presence: fc.constantFrom('constant', 'constant', 'constant', 'constant', 'input') }),
    scale,
    form: fc.constantFrom('scalar', 'channels', 'channels', 'one', 'broadcast', 'other'),
    mode: anyMode,
    clamp: fc.constantFrom('no', 'no', 'relu', 'both'),
    computed: fc.constantFrom(...Array<boolean>(9).fill(false), true),
    ...emphasis,
  });

/** The recipe of ONNX Runtime with constant parameters, the multiplier one or by channels. */
export const ortRequantize = requantizeSpec({
  zy: present,
  mode: fc.constant(ort),
  form: fc.constantFrom('scalar', 'channels', 'one'),
  computed: fc.constant(false),
});

export function emitRequantize(b: GraphBuilder, x: Value<'s32'>, spec: RequantizeSpec, channels: number): Value<Eight> {
  const { mode, y } = spec;
  const rank = x.type.shape.length;
  const axis = spec.form === 'other' ? (channels + 1) % Math.max(rank, 1) : channels;
  const count = rank === 0 || spec.form === 'scalar' || spec.form === 'one' ? 1 : x.type.shape[axis];
  const n = typeof count === 'number' ? count : 1;
  const shape =
    spec.form === 'scalar' || rank === 0
      ? []
      : spec.form === 'broadcast'
        ? x.type.shape.map((_, i) => (i === axis ? n : 1))
        : [n];
  const zy = emitPresentZeroPoint(b, y, spec.zy, 'zy');
  const { multiplier, second } = emitMultiplier(b, mode.arithmetic, scalesAround(spec.scale, n), shape, spec.computed);
  const zero = dtypes[y].min + 64;
  const range = { no: {}, relu: { low: zero }, both: { low: zero, high: zero + 100 } }[spec.clamp];
  return b.emit(qnnRequantize, { x, multiplier, zy, ...(second && { second }) }, { ...mode, axis, ...range });
}

function emitMultiplier(
  b: GraphBuilder,
  arithmetic: RequantizeMode['arithmetic'],
  factors: readonly number[],
  shape: readonly number[],
  computed: boolean,
): { multiplier: Value<'f32' | 'f64' | 's32'>; second?: Value<'f32' | 's32'> } {
  switch (arithmetic) {
    case 'f64':
      return { multiplier: b.constant(tensor('f64', factors, shape), b.fresh('m')) };
    case 'f32-two-step':
      return {
        multiplier: b.constant(tensor('f32', factors, shape), b.fresh('m')),
        second: b.constant(
          tensor(
            'f32',
            factors.map(() => 0.5),
            shape,
          ),
          b.fresh('m2'),
        ),
      };
    case 'fixed': {
      const pairs = factors.map(fixedPair);
      return {
        multiplier: b.constant(
          tensor(
            's32',
            pairs.map((p) => p.mantissa),
            shape,
          ),
          b.fresh('m'),
        ),
        second: b.constant(
          tensor(
            's32',
            pairs.map((p) => p.shift),
            shape,
          ),
          b.fresh('m2'),
        ),
      };
    }
    case 'f32':
      return {
        multiplier: computed
          ? b.input(b.fresh('m'), 'f32', shape)
          : b.constant(tensor('f32', factors, shape), b.fresh('m')),
      };
  }
}

function fixedPair(factor: number): { mantissa: number; shift: number } {
  const m = fixedMultiplier(factor);
  assert(m.arithmetic === 'fixed', 'a fixed multiplier');
  return m;
}

/** The channel axis of a product. */
const channelAxis = (kind: 'conv' | 'matmul', y: Value): number =>
  kind === 'conv' ? 1 : Math.max(y.type.shape.length - 1, 0);

export interface SumSpec {
  readonly conv?: ConvSpec;
  readonly matmul?: MatmulSpec;
  readonly additions: readonly Addition[];
  readonly requantize?: RequantizeSpec;
  readonly tail: Tail;
}

function emitProduct(b: GraphBuilder, { conv, matmul }: SumSpec): Value<'s32'> {
  if (conv) return emitConv(b, conv);
  assert(matmul, 'a sum belongs to a convolution or to a matmul');
  return emitMatmul(b, matmul);
}

/** requantize?(product + additions…), the product a convolution or a matmul. */
export function buildSum(spec: SumSpec): Graph {
  const { additions: list, requantize, tail } = spec;
  const b = new GraphBuilder();
  const kind = spec.conv ? 'conv' : 'matmul';
  const product = emitProduct(b, spec);
  let sum = product;
  for (const one of list) {
    if (sum.type.shape.length === 0) break;
    sum = emitAddition(b, sum, one, channelAxis(kind, sum));
  }
  if (requantize === undefined) return finish(b, sum, tail);
  const y = emitRequantize(b, sum, requantize, channelAxis(kind, sum));
  return b.finish(tail === 'shared' ? [y, product] : tail === 'read' ? [y, sum] : [y]);
}
