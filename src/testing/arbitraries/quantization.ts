/** Quantize and dequantize with drawn parameters, and how groups between them end. */
import * as fc from 'fast-check';
import {
  byteTypes,
  type Dim,
  type Graph,
  type GraphBuilder,
  nnClip,
  nnRelu,
  ofType,
  qnnDequantize,
  qnnQuantize,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { type Eight, eight, scale, scalesAround, type ZeroPoint, zeroPoint, zeroPointsOf } from './basic.ts';

export interface Quantization {
  readonly dtype: Eight;
  readonly scale: number;
  readonly zp: ZeroPoint;
  /** One scale for each channel instead of one for all; zero points follow `zp.form`. */
  readonly perChannel: boolean;
  /** Another node reads the value between. */
  readonly shared: boolean;
}

export const mostly = (value: boolean, times = 7): fc.Arbitrary<boolean> =>
  fc.constantFrom(...Array<boolean>(times).fill(value), !value);

const zeroPointOfTensor = zeroPoint({
  presence: fc.constantFrom('absent', ...Array<'constant'>(9).fill('constant')),
  form: fc.constantFrom('scalar', 'scalar', 'one'),
});

export const quantization = (perChannel: fc.Arbitrary<boolean> = fc.constant(false)): fc.Arbitrary<Quantization> =>
  fc.record({ dtype: eight, scale, zp: zeroPointOfTensor, perChannel, shared: mostly(false, 12) });

/** Emits the parameters, by channels when their number is known. */
function parameters(b: GraphBuilder, { dtype, scale: s, zp, perChannel }: Quantization, channels: Dim, first = s) {
  const count = perChannel && typeof channels === 'number' ? channels : undefined;
  const scales = count === undefined ? [first] : scalesAround(first, count);
  const shape = count === undefined ? (zp.form === 'one' ? [1] : []) : [count];
  const zeros = zeroPointsOf(dtype, { ...zp, form: count === undefined ? 'scalar' : 'channels' }, count ?? 1);
  return {
    scale: b.constant(tensor('f32', scales, shape), b.fresh('scale')),
    ...(zp.presence !== 'absent' && {
      zp:
        zp.presence === 'input'
          ? b.input(b.fresh('zp'), dtype, shape)
          : b.constant(tensor(dtype, zeros, shape), b.fresh('zp')),
    }),
  };
}

export function emitDequantize(
  b: GraphBuilder,
  x: Value<Eight>,
  q: Quantization,
  axis = 1,
  first = q.scale,
): Value<'f32'> {
  const { dtype, shape } = x.type;
  return b.emit(qnnDequantize, { x, ...parameters(b, { ...q, dtype }, shape[axis], first) }, { axis });
}

export function emitQuantize(b: GraphBuilder, x: Value<'f32'>, q: Quantization, first = q.scale): Value<Eight> {
  const operands = { x, ...parameters(b, q, x.type.shape[1], first) };
  return ofType(b.emit(qnnQuantize, operands, { dtype: q.dtype }), ...byteTypes);
}

export type Activation =
  | { readonly kind: 'relu' }
  | { readonly kind: 'clip'; readonly min: number; readonly max: number };
const activation: fc.Arbitrary<Activation> = fc.oneof(
  fc.constant({ kind: 'relu' as const }),
  fc.record({
    kind: fc.constant('clip' as const),
    min: fc.constantFrom(-Infinity, 0, -1, -0.5, 0.75, 3),
    max: fc.constantFrom(6, Infinity, 1, 0.25, 0),
  }),
);
/** Mostly at most one. */
const activations = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Activation[]>([]) },
  { weight: 3, arbitrary: fc.tuple(activation) },
  { weight: 1, arbitrary: fc.tuple(activation, activation) },
);

export function emitActivation(b: GraphBuilder, x: Value<'f32'>, spec: Activation): Value<'f32'> {
  return spec.kind === 'relu' ? b.emit(nnRelu, { x }) : b.emit(nnClip, { x }, { min: spec.min, max: spec.max });
}

/** The end of the group: a quantize with a scale of its own, or a float. */
export interface End {
  readonly activations: readonly Activation[];
  readonly y: Quantization;
  readonly float: boolean;
}
export const endOf = (float: boolean): fc.Arbitrary<End> =>
  fc.record({ activations, y: quantization(mostly(false, 12)), float: fc.constant(float) });

export function emitEnd(b: GraphBuilder, v: Value<'f32'>, { activations: list, y, float }: End, s = y.scale): Graph {
  if (float) return b.finish([v]);
  const last = list.reduce((x, spec) => emitActivation(b, x, spec), v);
  const quantized = emitQuantize(b, last, y, s);
  return b.finish(y.shared ? [quantized, last] : [quantized]);
}

/** [n, c, h, w] */
export const shape4 = fc.record({
  n: fc.integer({ min: 1, max: 2 }),
  c: fc.integer({ min: 1, max: 3 }),
  h: fc.integer({ min: 1, max: 5 }),
  w: fc.integer({ min: 1, max: 5 }),
});
