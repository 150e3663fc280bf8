/** Groups of float operators between dequantize and quantize, as quantizers write them. */
import * as fc from 'fast-check';
import { type DType, type Graph, GraphBuilder, type ITensor, type Shape, tensor, type Value } from '../../ir/index.ts';
import { nnConv, nnConvTranspose } from '../../ir/ops/nn_conv.op.ts';
import { nnAdd, nnMul } from '../../ir/ops/nn_elementwise_binary.op.ts';
import * as unary from '../../ir/ops/nn_elementwise_unary.op.ts';
import { nnMatmul } from '../../ir/ops/nn_matmul.op.ts';
import { nnAveragePool, nnGlobalAveragePool } from '../../ir/ops/nn_pool.op.ts';
import { nnReduceMean } from '../../ir/ops/nn_reduce.op.ts';
import { qnnDequantize } from '../../ir/ops/qnn_dequantize.op.ts';
import { qnnQuantize } from '../../ir/ops/qnn_quantize.op.ts';
import { type Contents, filled, randomSource } from '../contents.ts';
import { contents, type Eight, eight, scale, scalesAround, type ZeroPoint, zeroPoint, zeroPointsOf } from './basic.ts';
import { type ConvSpec, convSpec, geometry, weightsTensor } from './conv.ts';
import { emitMove, type Movement, type MoveSpec, movableShape, movements, moveSpec, poolOf } from './movements.ts';

export interface Quantization {
  readonly dtype: Eight;
  readonly scale: number;
  readonly zp: ZeroPoint;
  /** One scale for each channel instead of one for all; zero points follow `zp.form`. */
  readonly perChannel: boolean;
  /** Another node reads the value between. */
  readonly shared: boolean;
}

const mostly = (value: boolean, times = 7): fc.Arbitrary<boolean> =>
  fc.constantFrom(...Array<boolean>(times).fill(value), !value);

const zeroPointOfTensor = zeroPoint({
  presence: fc.constantFrom('absent', ...Array<'constant'>(9).fill('constant')),
  form: fc.constantFrom('scalar', 'scalar', 'one'),
});

export const quantization = (perChannel: fc.Arbitrary<boolean> = fc.constant(false)): fc.Arbitrary<Quantization> =>
  fc.record({ dtype: eight, scale, zp: zeroPointOfTensor, perChannel, shared: mostly(false, 12) });

function parameters(b: GraphBuilder, { dtype, scale: s, zp, perChannel }: Quantization, channels: number, first = s) {
  const scales = perChannel ? scalesAround(first, channels) : [first];
  const shape = perChannel ? [channels] : zp.form === 'one' ? [1] : [];
  const zeros = zeroPointsOf(dtype, { ...zp, form: perChannel ? 'channels' : 'scalar' }, channels);
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
  const channels = x.type.shape[axis];
  const spec = typeof channels === 'number' ? q : { ...q, perChannel: false };
  return b.emit(
    qnnDequantize,
    { x, ...parameters(b, { ...spec, dtype: x.type.dtype }, channels as number, first) },
    { axis },
  );
}

export function emitQuantize(b: GraphBuilder, x: Value<'f32'>, q: Quantization, first = q.scale): Value<Eight> {
  const channels = x.type.shape[1];
  const spec = typeof channels === 'number' ? q : { ...q, perChannel: false };
  return b.emit(
    qnnQuantize,
    { x, ...parameters(b, spec, channels as number, first) },
    { dtype: q.dtype },
  ) as Value<Eight>;
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
  return spec.kind === 'relu'
    ? b.emit(unary.nnRelu, { x })
    : b.emit(unary.nnClip, { x }, { min: spec.min, max: spec.max });
}

/** How the group ends: with a quantize of its own scale, or as a float. */
interface End {
  readonly activations: readonly Activation[];
  readonly y: Quantization;
  readonly float: boolean;
}
const endOf = (float: boolean): fc.Arbitrary<End> =>
  fc.record({ activations, y: quantization(mostly(false, 12)), float: fc.constant(float) });

function emitEnd(b: GraphBuilder, v: Value<'f32'>, { activations: list, y, float }: End, s = y.scale): Graph {
  if (float) return b.finish([v]);
  const last = list.reduce((x, spec) => emitActivation(b, x, spec), v);
  const quantized = emitQuantize(b, last, y, s);
  return b.finish(y.shared ? [quantized, last] : [quantized]);
}

// ---- products --------------------------------------------------------------------------------------------------------

interface BiasSpec {
  /** Quantized with the scale sx·sw, with another, or a float; an operand of the product or added to it. */
  readonly kind: 'absent' | 'quantized' | 'misscaled' | 'float';
  readonly added: boolean;
  readonly swapped: boolean;
  readonly contents: Contents;
}
const bias: fc.Arbitrary<BiasSpec> = fc.record({
  kind: fc.constantFrom('absent', 'quantized', 'quantized', 'quantized', 'float', 'float', 'misscaled'),
  added: fc.boolean(),
  swapped: fc.boolean(),
  contents,
});

interface ProductSpec {
  readonly kind: 'conv' | 'conv_transpose' | 'matmul';
  readonly conv: ConvSpec;
  readonly columns: number;
  readonly x: Quantization;
  readonly w: Quantization;
  readonly bias: BiasSpec;
  readonly end: End;
  /** sy / (sx·sw): 4 at least, so that half a unit of the sum is less than half a step of the result. */
  readonly ratio: number;
}

const product = (kind: ProductSpec['kind'], float: boolean): fc.Arbitrary<Graph> =>
  fc
    .record({
      kind: fc.constant(kind),
      conv: convSpec({ computed: mostly(false, 12) }),
      columns: fc.integer({ min: 1, max: 4 }),
      x: quantization(),
      w: quantization(fc.boolean()),
      bias,
      end: endOf(float),
      ratio: fc.oneof(
        fc.constantFrom(4, 8, 16, 64),
        fc.integer({ min: 40, max: 4000 }).map((n) => n / 10),
      ),
    })
    .map(buildProduct);

function buildProduct(spec: ProductSpec): Graph {
  const b = new GraphBuilder();
  const { x, w, end, ratio } = spec;
  const unit = Math.fround(x.scale * w.scale);
  return emitEnd(b, emitProduct(b, spec), end, Math.fround(unit * ratio));
}

function emitProduct(b: GraphBuilder, spec: ProductSpec): Value<'f32'> {
  const { kind, conv, columns, x: xq, w: wq } = spec;
  const { attrs, spatial, kernel } = geometry(conv);
  const { group, channelsPerGroup, filtersPerGroup } = conv;
  const inner = kernel.reduce((a, k) => a * k, channelsPerGroup);
  const xShape: Shape = kind === 'matmul' ? [conv.batch, inner] : [conv.batch, group * channelsPerGroup, ...spatial];
  const wShape =
    kind === 'conv'
      ? [group * filtersPerGroup, channelsPerGroup, ...kernel]
      : kind === 'matmul'
        ? [inner, columns]
        : [group * channelsPerGroup, filtersPerGroup, ...kernel];
  const axis = kind === 'conv' ? 0 : 1;
  const integers = conv.computed
    ? b.input('w', wq.dtype, wShape)
    : b.constant(weightsTensor(wq.dtype, wShape, conv.weights, conv.narrow, [0]), 'w');
  const x = emitDequantize(b, b.input('x', xq.dtype, xShape), xq);
  const w = emitDequantize(b, integers, wq, axis);
  const channels = kind === 'conv_transpose' ? group * filtersPerGroup : wShape[axis];
  const axes = kernel.length;
  const biased = emitBias(
    b,
    spec,
    channels,
    kind === 'matmul' ? 0 : axes,
    wq.perChannel ? scalesAround(wq.scale, wShape[axis]) : [wq.scale],
  );
  const operand = biased && kind !== 'matmul' && !spec.bias.added ? { bias: biased } : {};
  const sum =
    kind === 'matmul'
      ? b.emit(nnMatmul, { a: x, b: w })
      : kind === 'conv'
        ? b.emit(nnConv, { x, w, ...operand }, attrs)
        : b.emit(nnConvTranspose, { x, w, ...operand }, { ...attrs, ...transposed(attrs, kernel) });
  if (biased === undefined || 'bias' in operand) return sum as Value<'f32'>;
  return b.emit(nnAdd, spec.bias.swapped ? { a: biased, b: sum } : { a: sum, b: biased }) as Value<'f32'>;
}

/** Pads of at most what the taps reach, so that something is left of the smallest output. */
const transposed = ({ pads, dilations, strides }: ReturnType<typeof geometry>['attrs'], kernel: readonly number[]) => ({
  pads: pads.map((p, i) =>
    Math.min(p, Math.floor((dilations[i % kernel.length] * (kernel[i % kernel.length] - 1)) / 2)),
  ),
  outputPadding: strides.map((stride, i) => (stride > 1 ? i % 2 : 0)),
});

/** Of shape [C] as an operand; with the axes behind the channels when it is added. */
function emitBias(
  b: GraphBuilder,
  { kind, bias: spec, x }: ProductSpec,
  channels: number,
  axes: number,
  sw: readonly number[],
): Value<'f32'> | undefined {
  if (spec.kind === 'absent') return undefined;
  const added = kind === 'matmul' || spec.added;
  const shape = added ? [channels, ...Array<number>(axes).fill(1)] : [channels];
  const values = filled('s32', shape, spec.contents).data.map((v) => v % 4096);
  const scales = Array.from({ length: channels }, (_, o) => Math.fround(x.scale * sw[o % sw.length]));
  if (spec.kind === 'float')
    return b.constant(
      tensor(
        'f32',
        Array.from(values, (v, o) => Math.fround((v / 3) * scales[o])),
        shape,
      ),
      'bias',
    );
  const one = sw.length === 1;
  const s = (one ? scales.slice(0, 1) : scales).map((v) => (spec.kind === 'misscaled' ? v * 1.5 : v));
  return b.emit(
    qnnDequantize,
    {
      x: b.constant(tensor('s32', values, shape), 'bias'),
      scale: b.constant(tensor('f32', s, one ? [] : [channels]), 'bias_scale'),
    },
    { axis: 0 },
  );
}

// ---- elementwise, pools, movements -----------------------------------------------------------------------------------

const shape4 = fc.record({
  n: fc.integer({ min: 1, max: 2 }),
  c: fc.integer({ min: 1, max: 3 }),
  h: fc.integer({ min: 1, max: 5 }),
  w: fc.integer({ min: 1, max: 5 }),
});

/** Everything of one 8-bit type in most draws. */
const sameType = (first: Quantization, other: Quantization, mixed: boolean): Quantization =>
  mixed ? other : { ...other, dtype: first.dtype };

const binary = (op: typeof nnAdd): fc.Arbitrary<Graph> =>
  fc
    .record({
      shape: shape4,
      a: quantization(mostly(false, 12)),
      b: quantization(),
      form: fc.constantFrom('same', 'same', 'channels', 'row', 'constant'),
      contents,
      mixed: mostly(false),
      end: endOf(false),
    })
    .map((spec) => {
      const b = new GraphBuilder();
      const { n, c, h, w } = spec.shape;
      const other = sameType(spec.a, spec.b, spec.mixed);
      const shape =
        spec.form === 'same' || spec.form === 'constant' ? [n, c, h, w] : spec.form === 'row' ? [w] : [c, 1, 1];
      const right =
        spec.form === 'constant'
          ? b.constant(filled(other.dtype, shape, spec.contents), 'b')
          : b.input('b', other.dtype, shape);
      const v = b.emit(op, {
        a: emitDequantize(b, b.input('a', spec.a.dtype, [n, c, h, w]), spec.a),
        b: emitDequantize(b, right, other),
      });
      return emitEnd(b, v as Value<'f32'>, { ...spec.end, y: sameType(spec.a, spec.end.y, spec.mixed) });
    });

const pool = (kind: 'average' | 'global' | 'mean'): fc.Arbitrary<Graph> =>
  fc
    .record({
      shape: shape4,
      x: quantization(mostly(false, 12)),
      choice: fc.nat(0xffff),
      mixed: mostly(false),
      end: endOf(false),
    })
    .map((spec) => {
      const b = new GraphBuilder();
      const { n, c, h, w } = spec.shape;
      const random = randomSource(spec.choice);
      const x = emitDequantize(b, b.input('x', spec.x.dtype, [n, c, h, w]), spec.x);
      const attrs = poolOf([h, w], (limit) => Math.floor(random() * limit));
      const v =
        kind === 'average'
          ? b.emit(nnAveragePool, { x }, { ...attrs, countIncludePad: random() < 0.5 })
          : kind === 'global'
            ? b.emit(nnGlobalAveragePool, { x })
            : b.emit(nnReduceMean, { x }, { axes: random() < 0.8 ? [2, -1] : [1, 2], keepdims: random() < 0.5 });
      return emitEnd(b, v as Value<'f32'>, { ...spec.end, y: sameType(spec.x, spec.end.y, spec.mixed) });
    });

const functions = {
  sigmoid: unary.nnSigmoid,
  tanh: unary.nnTanh,
  relu: unary.nnRelu,
  leaky_relu: unary.nnLeakyRelu,
  hard_swish: unary.nnHardSwish,
  neg: unary.nnNeg,
  exp: unary.nnExp,
} as const;

/** Elementwise chains over one tensor: functions, constants added and multiplied, the tensor with itself. */
const table: fc.Arbitrary<Graph> = fc
  .record({
    shape: shape4,
    x: quantization(mostly(false, 12)),
    steps: fc.array(
      fc.constantFrom(
        ...(Object.keys(functions) as (keyof typeof functions)[]),
        'shift' as const,
        'square' as const,
        'channels' as const,
      ),
      { maxLength: 3 },
    ),
    end: endOf(false),
  })
  .map(({ shape: { n, c, h, w }, x: q, steps, end }) => {
    const b = new GraphBuilder();
    let v = emitDequantize(b, b.input('x', q.dtype, [n, c, h, w]), q);
    for (const step of steps) {
      if (step === 'shift') v = b.emit(nnAdd, { a: v, b: b.scalar('f32', 3) });
      else if (step === 'square') v = b.emit(nnMul, { a: v, b: v });
      else if (step === 'channels')
        v = b.emit(nnMul, {
          a: v,
          b: b.constant(
            tensor(
              'f32',
              Array.from({ length: c }, (_, i) => 1 + i),
              [c, 1, 1],
            ),
          ),
        });
      else v = b.emit(functions[step] as typeof unary.nnRelu, { x: v });
    }
    return emitEnd(b, v, end);
  });

interface MovedSpec {
  readonly shape: Shape;
  readonly move: MoveSpec;
  readonly x: Quantization;
  readonly other: Quantization;
  readonly form: 'equal' | 'different';
  readonly pad: 'absent' | 'multiple' | 'other' | 'input';
  readonly y: Quantization;
}

const movedSpec = (kinds: readonly Movement[]): fc.Arbitrary<MovedSpec> =>
  fc.record({
    shape: movableShape,
    move: moveSpec(kinds),
    x: quantization(mostly(false, 12)),
    other: quantization(),
    form: fc.constantFrom('equal', 'equal', 'equal', 'different'),
    pad: fc.constantFrom('absent', 'multiple', 'multiple', 'other', 'input'),
    y: quantization(mostly(false, 12)),
  });

function padValue(b: GraphBuilder, { pad, x }: MovedSpec): Value<DType> | undefined {
  if (pad === 'absent') return undefined;
  if (pad === 'input') return b.input('pad_value', 'f32', []);
  return b.scalar('f32', pad === 'multiple' ? 3 * x.scale : 0.3);
}

/** move(dequantize(x), …) */
export const movedDequantize = (kinds: readonly Movement[] = movements): fc.Arbitrary<Graph> =>
  movedSpec(kinds).map((spec) => {
    const b = new GraphBuilder();
    const x = emitDequantize(b, b.input('x', spec.x.dtype, spec.shape), spec.x);
    const q = spec.form === 'equal' ? { ...spec.x } : spec.other;
    const more = spec.move.kind === 'concat' ? [emitDequantize(b, b.input('x2', q.dtype, spec.shape), q)] : [];
    const y = emitMove(b, x, spec.move, more, padValue(b, spec));
    return b.finish(spec.x.shared ? [y, x] : [y]);
  });

/** quantize(move(x, …)) of floats. */
export const movedQuantize = (kinds: readonly Movement[] = movements): fc.Arbitrary<Graph> =>
  movedSpec(kinds).map((spec) => {
    const b = new GraphBuilder();
    const x = b.input('x', 'f32', spec.shape);
    const more = spec.move.kind === 'concat' ? [b.input('x2', 'f32', spec.shape)] : [];
    const v = emitMove(b, x, spec.move, more, padValue(b, spec)) as Value<'f32'>;
    return b.finish(spec.y.shared ? [emitQuantize(b, v, spec.y), v] : [emitQuantize(b, v, spec.y)]);
  });

/** move(dequantize(constant)), one scale for each channel of some axis. */
export const movedWeights = (kinds: readonly Movement[]): fc.Arbitrary<Graph> =>
  fc
    .record({
      shape: movableShape,
      move: moveSpec(kinds),
      w: quantization(mostly(true)),
      axis: fc.integer({ min: 0, max: 3 }),
      contents,
    })
    .map(({ shape, move, w: q, axis, contents: data }) => {
      const b = new GraphBuilder();
      const dims = shape.map((d) => (typeof d === 'number' ? d : 1));
      const w = b.constant(filled(q.dtype, dims, data) as ITensor<Eight>, 'w');
      return b.finish([
        b.emit(nnMul, {
          a: emitMove(b, emitDequantize(b, w, q, axis), move) as Value<'f32'>,
          b: b.input('x', 'f32', []),
        }),
      ]);
    });

/** dequantize of a constant or of an input, read by another operator. */
export const dequantized: fc.Arbitrary<Graph> = fc
  .record({
    shape: shape4,
    x: quantization(fc.boolean()),
    constant: mostly(true),
    axis: fc.integer({ min: 0, max: 3 }),
    contents,
    output: mostly(false),
  })
  .map(({ shape: { n, c, h, w }, x: q, constant, axis, contents: data, output }) => {
    const b = new GraphBuilder();
    const shape = [n, c, h, w];
    const x = constant ? b.constant(filled(q.dtype, shape, data) as ITensor<Eight>, 'c') : b.input('x', q.dtype, shape);
    const v = emitDequantize(b, x, q, axis);
    const y = b.emit(nnAdd, { a: v, b: b.input('s', 'f32', []) });
    return b.finish(output ? [y, v] : [y]);
  });

/** Groups that end in a quantize. */
export const groups = {
  conv: product('conv', false),
  'conv transpose': product('conv_transpose', false),
  matmul: product('matmul', false),
  add: binary(nnAdd),
  mul: binary(nnMul),
  'average pool': pool('average'),
  'global average pool': pool('global'),
  'mean over space': pool('mean'),
  table,
  moved: movedQuantize(),
} as const;

/** Products of dequantized operands whose result stays float. */
export const floatProducts = {
  conv: product('conv', true),
  'conv transpose': product('conv_transpose', true),
  matmul: product('matmul', true),
} as const;
