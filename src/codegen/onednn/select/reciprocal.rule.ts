import { type ITensor, tensor, type Value } from '../../../ir/index.ts';
import { nnMul } from '../../../ir/ops/nn_elementwise_binary.op.ts';
import { isPerTensor } from '../../../ir/ops/qnn_parameters.ts';
import { qnnQuantize } from '../../../ir/ops/qnn_quantize.op.ts';
import { reciprocal32 } from '../../../numerics/index.ts';
import type { Algebra } from '../../../passes/rewrite/algebra.ts';
import { defineRule } from '../../../passes/rewrite/rule.ts';

/** PyTorch multiplies by a reciprocal; the kernel divides, and a division by 1 changes nothing. */
export const selectReciprocal = defineRule({
  name: 'select-reciprocal-quantize',
  root: qnnQuantize,
  law: 'quantize(x; s, zp) by reciprocal = quantize(x·fl(1/s); 1, zp)',
  exactness: 'bit-exact',
  where({ scale, attrs, graph }, miss) {
    if (attrs.arithmetic !== 'reciprocal') return miss('it divides');
    if (!isPerTensor(scale.type.shape)) return miss('there is a scale for each channel', scale);
    return graph.isConstant(scale.id) ? undefined : miss('the scale is computed at run time', scale);
  },
  rewrite: ({ x, scale, zp, attrs, graph }, a) =>
    divided(a, x, reciprocal32((graph.constant(scale.id) as ITensor<'f32'>).data[0]), zp, attrs.dtype),
  wrong: {
    what: 'multiplies by the scale',
    rewrite: ({ x, scale, zp, attrs, graph }, a) =>
      divided(a, x, (graph.constant(scale.id) as ITensor<'f32'>).data[0], zp, attrs.dtype),
  },
});

type Written = 'u8' | 's8' | 'u16' | 's16';

function divided(a: Algebra, x: Value<'f32'>, factor: number, zp: Value<Written> | undefined, dtype: Written): Value {
  const scaled = a.emit(nnMul, { a: x, b: a.constant(tensor('f32', [factor], [])) });
  return a.emit(qnnQuantize, { x: scaled, scale: a.constant(tensor('f32', [1], [])), ...(zp && { zp }) }, { dtype });
}
