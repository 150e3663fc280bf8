import { assert } from '../../../diagnostics/index.ts';
import { isPerTensor, nnMul, qnnQuantize, tensor, type Value } from '../../../ir/index.ts';
import { reciprocal32 } from '../../../numerics/index.ts';
import { type Algebra, defineRule, type Match } from '../../../passes/index.ts';

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
  rewrite: (match, a) => divided(match, a, reciprocal32(scaleOf(match))),
  wrong: {
    what: 'multiplies by the scale',
    rewrite: (match, a) => divided(match, a, scaleOf(match)),
  },
});

type Quantize = Match<(typeof qnnQuantize)['operands'], (typeof qnnQuantize)['attrs']>;

function scaleOf({ scale, constant }: Quantize): number {
  const found = constant(scale);
  assert(found, 'the scale is a constant');
  return found.data[0];
}

function divided({ x, zp, attrs: { dtype } }: Quantize, a: Algebra, factor: number): Value {
  const scaled = a.emit(nnMul, { a: x, b: a.constant(tensor('f32', [factor], [])) });
  return a.emit(qnnQuantize, { x: scaled, scale: a.constant(tensor('f32', [1], [])), ...(zp && { zp }) }, { dtype });
}
