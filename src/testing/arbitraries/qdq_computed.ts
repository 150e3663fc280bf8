/** Products of operands whose scales and zero points are computed at run time. */
import * as fc from 'fast-check';
import {
  type Graph,
  GraphBuilder,
  nnClip,
  nnTranspose,
  qnnDequantize,
  qnnDynamicQuantize,
  type Shape,
  tensor,
  type Value,
} from '../../ir/index.ts';
import { type Eight, eight } from './basic.ts';
import { type ConvSpec, convSpec, weightsTensor } from './conv.ts';
import { emitFloatProduct, shapesOf } from './qdq_products.ts';
import { emitDequantize, mostly, type Quantization, quantization } from './quantization.ts';

interface ComputedSpec {
  readonly kind: 'conv' | 'conv_transpose' | 'matmul';
  readonly conv: ConvSpec;
  readonly columns: number;
  /** The source of the left operand: quantized here, or with parameters of its own, one for all or one for each row. */
  readonly source: 'dynamic' | 'scalar' | 'rows' | 'rows of full rank' | 'moved';
  readonly dtype: Eight;
  readonly w: Quantization;
  /** The scale of the weights is computed too. */
  readonly both: boolean;
  readonly biased: boolean;
}

export const computedProducts = (kind: ComputedSpec['kind']): fc.Arbitrary<Graph> =>
  fc
    .record({
      kind: fc.constant(kind),
      conv: convSpec({ computed: mostly(false, 12) }),
      columns: fc.integer({ min: 1, max: 4 }),
      source: fc.constantFrom<ComputedSpec['source']>(
        'dynamic',
        'dynamic',
        'scalar',
        'rows',
        'rows of full rank',
        'moved',
      ),
      dtype: eight,
      w: quantization(fc.boolean()),
      both: mostly(false, 4),
      biased: fc.boolean(),
    })
    .map(build);

/** A positive scale that the run computes. */
const computedScale = (b: GraphBuilder, shape: Shape): Value<'f32'> =>
  b.emit(nnClip, { x: b.input(b.fresh('scale'), 'f32', shape) }, { min: 2 ** -10, max: 4 });

function build(spec: ComputedSpec): Graph {
  const b = new GraphBuilder();
  const { kind, conv, columns, w: wq, dtype } = spec;
  const { shaped, x: xShape, w: wShape, axis, channels } = shapesOf(kind, conv, columns);
  const source = kind !== 'matmul' && spec.source.startsWith('rows') ? 'scalar' : spec.source;
  const integers = conv.computed
    ? b.input('w', wq.dtype, wShape)
    : b.constant(weightsTensor(wq.dtype, wShape, conv.weights, conv.narrow), 'w');
  const w = spec.both
    ? b.emit(qnnDequantize, { x: integers, scale: computedScale(b, []) }, { axis: 0 })
    : emitDequantize(b, integers, wq, axis);
  const x = emitSource(b, source, dtype, xShape);
  const bias = spec.biased
    ? b.constant(
        tensor(
          'f32',
          Array.from({ length: channels }, (_, o) => o / 4 - 1),
        ),
        'bias',
      )
    : undefined;
  return b.finish([emitFloatProduct(b, kind, { x, w, ...(bias && { bias }) }, shaped, conv)]);
}

function emitSource(b: GraphBuilder, source: ComputedSpec['source'], dtype: Eight, shape: Shape): Value<'f32'> {
  if (source === 'dynamic') {
    const { y, scale, zp } = b.emit(qnnDynamicQuantize, { x: b.input('x', 'f32', shape) });
    return b.emit(qnnDequantize, { x: y, scale, zp }, { axis: 0 });
  }
  const lines: Shape =
    source === 'rows' ? shape.slice(0, 1) : source === 'scalar' || source === 'moved' ? [] : [shape[0], 1];
  const x = b.input('x', dtype, shape);
  const operands = { x, scale: computedScale(b, lines), zp: b.input(b.fresh('zp'), dtype, lines) };
  const real = b.emit(qnnDequantize, operands, { axis: 0 });
  if (source !== 'moved') return real;
  const perm = shape.map((_, axis) => shape.length - 1 - axis);
  return b.emit(nnTranspose, { x: b.emit(nnTranspose, { x: real }, { perm }) }, { perm });
}
