import { nnAdd, nnMul, qnnAdd, qnnMul, qnnQuantize, type Value } from '../../ir/index.ts';
import { operatorRecipe } from '../../numerics/index.ts';
import { belowClamps, type Clamped, clampsOf, clampTo } from '../qdq/activation.ts';
import {
  type Dequantized,
  LARGEST_RATIO,
  LARGEST_SCALE,
  NORMAL,
  type Output,
  outputOf,
  perTensor,
  type QuantizeMatch,
  requirePrivate,
  scalarScale,
  scalarZeroPoint,
} from '../qdq/parameters.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

interface Sum {
  readonly left: Dequantized;
  readonly right: Dequantized;
  readonly y: Output;
  readonly clamped: Clamped;
  readonly recipe: Recipe;
}

type Recipe = NonNullable<ReturnType<typeof operatorRecipe>>;

/** quantize ← (relu | clip)* ← op(dequantize, dequantize), everything of one 8-bit type; constants too. */
function plan(op: typeof nnAdd | typeof nnMul, match: QuantizeMatch, refusals: Refusals): Sum {
  const { graph, x, scale } = match;
  const { refuse, unrelated } = refusals;
  const first = graph.view(op, belowClamps(graph, x));
  if (first === undefined) return unrelated(`no ${op.name} computes %${x.id}`);
  const y = outputOf(match, refusals);
  const clamped = clampsOf(graph, x, y);
  const [left, right] = [first.a, first.b].map((v) => perTensor(graph, v, 'an operand', refuse));
  for (const { x: operand } of [left, right]) {
    if (operand.type.dtype !== y.dtype)
      refuse(
        `an operand is of ${operand.type.dtype}, the result of ${y.dtype}`,
        operand,
        'quantize all three to one type',
      );
  }
  requirePrivate(graph, clamped.inner, refuse);
  const ratios = [left, right].map(({ scales }) => Math.fround(scales[0] / y.s));
  if (op === nnAdd && ratios.some((r) => r > LARGEST_RATIO))
    refuse(`a ratio of scales is above ${LARGEST_RATIO}: fused, the zero points would be lost beside it`, scale);
  const product = Math.fround(left.scales[0] * right.scales[0]);
  if (op === nnMul && !(product >= NORMAL && product <= LARGEST_SCALE && Math.fround(product / y.s) < Infinity))
    refuse(
      'the product of the scales is not between 2^-126 and 2^96, or beyond binary32 over the scale of the result',
      scale,
    );
  const { profile } = graph.base;
  const recipe = operatorRecipe(op === nnAdd ? 'add' : 'mul', profile);
  return { left, right, y, clamped, recipe: recipe ?? refuse(`the profile ${profile} has no recipe for ${op}`) };
}

function emit(op: typeof qnnAdd | typeof qnnMul, { left, right, y, clamped, recipe }: Sum, a: Algebra): Value {
  const side = ({ x, scale, zp }: Dequantized) =>
    [x, scalarScale(a, scale), scalarZeroPoint(a, zp, x.type.dtype)] as const;
  const [[x, sa, za], [b, sb, zb]] = [side(left), side(right)];
  const sum = a.emit(
    op,
    {
      a: x,
      sa,
      za,
      b,
      sb,
      zb,
      sy: scalarScale(a, y.scale),
      zy: scalarZeroPoint(a, y.zp, y.dtype),
    },
    { recipe },
  );
  return clampTo(a, sum, clamped, y);
}

const exactness = {
  bound:
    'one step of the result, where the real quotient lies near a tie: ONNX Runtime adds the zero point before rounding',
} as const;
const unclamped = ({ y, clamped, ...rest }: Sum): Sum => ({
  ...rest,
  y,
  clamped: { ...clamped, low: y.min, high: y.max },
});

export const qdqAdd = defineRule({
  name: 'qdq-add',
  root: qnnQuantize,
  law: 'quantize(clip(deq(a) + deq(b))) = clamp(qadd(a, b; sa, za, sb, zb, sy, zy))',
  exactness,
  ...planned(
    (match: QuantizeMatch, refusals) => plan(nnAdd, match, refusals),
    (sum, a) => emit(qnnAdd, sum, a),
    {
      what: 'drops Relu and Clip although the zero point and the scale do not imply them',
      emit: (sum, a) => emit(qnnAdd, unclamped(sum), a),
    },
  ),
});

export const qdqMul = defineRule({
  name: 'qdq-mul',
  root: qnnQuantize,
  law: 'quantize(clip(deq(a)·deq(b))) = clamp(qmul(a, b; sa, za, sb, zb, sy, zy))',
  exactness,
  ...planned(
    (match: QuantizeMatch, refusals) => plan(nnMul, match, refusals),
    (product, a) => emit(qnnMul, product, a),
    {
      what: 'takes the zero point of the left operand for both',
      emit: (product, a) => emit(qnnMul, { ...product, right: { ...product.right, zp: product.left.zp } }, a),
    },
  ),
});
