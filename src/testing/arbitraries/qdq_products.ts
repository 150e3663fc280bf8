/** Convolutions, transposed convolutions and matrix products of dequantized operands. */
import * as fc from 'fast-check';
import {
  type Graph,
  GraphBuilder,
  nnAdd,
  nnConv,
  nnConvTranspose,
  nnMatmul,
  nnTranspose,
  qnnDequantize,
  type Shape,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { type Contents, filled } from '../contents.ts';
import { contents, scalesAround } from './basic.ts';
import { type ConvSpec, convSpec, geometry, transposedAttrs, weightsTensor } from './conv.ts';
import { type End, emitDequantize, emitEnd, endOf, mostly, type Quantization, quantization } from './quantization.ts';

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
  /** The input is transposed twice behind its dequantize. */
  readonly moved: boolean;
  /** sy / (sx·sw): 4 at least, so that half a unit of the sum is less than half a step of the result. */
  readonly ratio: number;
}

export const product = (kind: ProductSpec['kind'], float: boolean): fc.Arbitrary<Graph> =>
  fc
    .record({
      kind: fc.constant(kind),
      conv: convSpec({ computed: mostly(false, 12) }),
      columns: fc.integer({ min: 1, max: 4 }),
      x: quantization(mostly(false, 4)),
      moved: mostly(false, 4),
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

/** The shapes of the operands, and the axis of the weights along which the result has its channels. */
export function shapesOf(kind: ProductSpec['kind'], conv: ConvSpec, columns: number) {
  const shaped = geometry(conv);
  const { spatial, kernel } = shaped;
  const { group, channelsPerGroup, filtersPerGroup } = conv;
  const inner = kernel.reduce((a, k) => a * k, channelsPerGroup);
  const x: Shape = kind === 'matmul' ? [conv.batch, inner] : [conv.batch, group * channelsPerGroup, ...spatial];
  const w =
    kind === 'conv'
      ? [group * filtersPerGroup, channelsPerGroup, ...kernel]
      : kind === 'matmul'
        ? [inner, columns]
        : [group * channelsPerGroup, filtersPerGroup, ...kernel];
  const axis = kind === 'conv' ? 0 : 1;
  return { shaped, x, w, axis, channels: kind === 'conv_transpose' ? group * filtersPerGroup : w[axis] };
}

/** The product itself; a bias as its operand. */
export function emitFloatProduct(
  b: GraphBuilder,
  kind: ProductSpec['kind'],
  { x, w, bias }: { readonly x: Value<'f32'>; readonly w: Value<'f32'>; readonly bias?: Value<'f32'> },
  shaped: ReturnType<typeof geometry>,
  { outputPadding }: ConvSpec,
): Value<'f32'> {
  if (kind === 'matmul') return b.emit(nnMatmul, { a: x, b: w });
  const operands = { x, w, ...(bias && { bias }) };
  return kind === 'conv'
    ? b.emit(nnConv, operands, shaped.attrs)
    : b.emit(nnConvTranspose, operands, transposedAttrs(shaped, outputPadding));
}

function emitProduct(b: GraphBuilder, spec: ProductSpec): Value<'f32'> {
  const { kind, conv, columns, x: xq, w: wq } = spec;
  const { shaped, x: xShape, w: wShape, axis, channels } = shapesOf(kind, conv, columns);
  const integers = conv.computed
    ? b.input('w', wq.dtype, wShape)
    : b.constant(weightsTensor(wq.dtype, wShape, conv.weights, conv.narrow), 'w');
  // Of a depthwise product a scale for each channel of the input is one for the result.
  const source = conv.channelsPerGroup === 1 && kind !== 'matmul' ? xq : { ...xq, perChannel: false };
  const x = moved(b, emitDequantize(b, b.input('x', xq.dtype, xShape), source), spec);
  const w = emitDequantize(b, integers, wq, axis);
  const biased = emitBias(
    b,
    spec,
    channels,
    kind === 'matmul' ? 0 : wShape.length - 2,
    wq.perChannel ? scalesAround(wq.scale, wShape[axis]) : [wq.scale],
  );
  const isOperand = biased !== undefined && kind !== 'matmul' && !spec.bias.added;
  const sum = emitFloatProduct(b, kind, { x, w, ...(isOperand && { bias: biased }) }, shaped, conv);
  if (biased === undefined || isOperand) return sum;
  return b.emit(nnAdd, spec.bias.swapped ? { a: biased, b: sum } : { a: sum, b: biased });
}

/** There and back through other shapes: the elements stay where they are. */
function moved(b: GraphBuilder, x: Value<'f32'>, spec: ProductSpec): Value<'f32'> {
  if (!spec.moved) return x;
  const perm = x.type.shape.map((_, axis, { length }) => length - 1 - axis);
  return b.emit(nnTranspose, { x: b.emit(nnTranspose, { x }, { perm }) }, { perm });
}

/** Emits a bias: of shape [C] as an operand; when it is added, with the axes behind the channels as well. */
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
