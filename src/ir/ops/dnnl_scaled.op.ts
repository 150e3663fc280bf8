import { type ITensor, sizeOf, variesAlong } from '../../tensors/index.ts';
import { type AttrValues, attr, defineOp, type OperandTypes, optional, type Refuse, tensorOf } from '../define_op.ts';
import type { Shape } from '../types.ts';
import { convAttrs } from './conv_geometry.ts';
import { qnnConv } from './qnn_conv.op.ts';
import { qnnMatmul } from './qnn_matmul.op.ts';

const float = tensorOf('f32');
const endOperands = { scale: float, offset: optional(float) } as const;
/** `activation`: nn.relu, or nn.clip with these bounds. */
const endAttrs = {
  activation: attr.oneOfOr('none', 'none', 'relu', 'clip'),
  min: attr.float(-Infinity),
  max: attr.float(Infinity),
} as const;
const END =
  'y = activation(fl(fl(fl(sum)·scale) + offset)): nn.cast, nn.mul, nn.add and nn.relu or nn.clip in one, each with its rounding; scale and offset broadcast to the sum, along its channels at most, and may be computed while the model runs.';

/** Refuses factors that vary along another axis than the channels. */
function checkEnd(
  types: OperandTypes<typeof endOperands>,
  shape: Shape,
  axis: number,
  { activation, min, max }: AttrValues<typeof endAttrs>,
  refuse: Refuse,
): void {
  for (const name of ['scale', 'offset'] as const) {
    const own = types[name]?.shape;
    if (own && !variesAlong(own, shape, axis))
      refuse(`'${name}' of shape [${own}] varies along another axis than the ${axis}. of [${shape}]`, name);
  }
  if (Number.isNaN(min) || Number.isNaN(max)) refuse.limit('a bound is NaN');
  if (activation !== 'clip' && (min !== -Infinity || max !== Infinity)) refuse('only clip has bounds');
}

function finished(
  sum: ITensor,
  channels: number,
  inner: number,
  { scale, offset }: { readonly scale: ITensor<'f32'>; readonly offset?: ITensor<'f32'> | undefined },
  { activation, ...bounds }: AttrValues<typeof endAttrs>,
): ITensor<'f32'> {
  const fl = Math.fround;
  const [min, max] = activation === 'relu' ? [0, Infinity] : [fl(bounds.min), fl(bounds.max)];
  const data = new Float32Array(sum.data.length);
  const at = (t: ITensor<'f32'>, c: number) => t.data[t.data.length === 1 ? 0 : c];
  for (let i = 0; i < data.length; i++) {
    const c = Math.floor(i / inner) % channels;
    let v = fl(fl(Number(sum.data[i])) * at(scale, c));
    if (offset) v = fl(v + at(offset, c));
    data[i] = activation === 'none' ? v : Math.min(Math.max(v, min), max);
  }
  return { dtype: 'f32', shape: sum.shape, data };
}

const { x, w, zx, zw } = qnnConv.operands;
const { a, b, za, zb } = qnnMatmul.operands;

/** A convolution with zero points of the run, and the floats that follow it. */
export const dnnlScaledConv = defineOp({
  name: 'dnnl.scaled_conv',
  doc: `sum as in qnn.conv. ${END}`,
  level: 'dnnl',
  operands: { x, w, scale: endOperands.scale, zx, zw, offset: endOperands.offset },
  attrs: { ...convAttrs, ...endAttrs },
  results: { y: ['f32'] },
  infer({ scale, offset, ...product }, attrs, refuse) {
    const { shape } = qnnConv.infer(product, attrs, refuse) as { shape: Shape };
    checkEnd({ scale, offset }, shape, 1, attrs, refuse);
    return { dtype: 'f32', shape };
  },
  evaluate({ scale, offset, ...product }, attrs, [{ shape }], run) {
    const sum = qnnConv.evaluate(product, attrs, [{ dtype: 's32', shape }], run) as ITensor;
    return finished(sum, shape[1], sizeOf(shape.slice(2)), { scale, offset }, attrs);
  },
});

/** A matrix product with zero points of the run, and the floats that follow it. */
export const dnnlScaledMatmul = defineOp({
  name: 'dnnl.scaled_matmul',
  doc: `sum as in qnn.matmul, of matrices, whose channels are its columns. ${END}`,
  level: 'dnnl',
  operands: { a, b, scale: endOperands.scale, za, zb, offset: endOperands.offset },
  attrs: endAttrs,
  results: { y: ['f32'] },
  infer({ scale, offset, ...product }, attrs, refuse) {
    const { shape } = qnnMatmul.infer(product, {}, refuse) as { shape: Shape };
    if (shape.length === 0) refuse('a product of vectors has no columns');
    checkEnd({ scale, offset }, shape, shape.length - 1, attrs, refuse);
    return { dtype: 'f32', shape };
  },
  evaluate({ scale, offset, ...product }, attrs, [{ shape }], run) {
    const sum = qnnMatmul.evaluate(product, {}, [{ dtype: 's32', shape }], run) as ITensor;
    return finished(sum, shape[shape.length - 1], 1, { scale, offset }, attrs);
  },
});
