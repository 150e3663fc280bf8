import { nnSoftmax, qnnQuantize, qnnSoftmax } from '../../ir/index.ts';
import { operatorRecipe, type RequantizeProfile, softmaxSteps } from '../../numerics/index.ts';
import { belowClamps, type Clamped, clampsOf, clampTo } from '../qdq/activation.ts';
import { leftInFloat } from '../qdq/left_in_float.ts';
import {
  type Dequantized,
  type Output,
  outputOf,
  perTensor,
  type QuantizeMatch,
  requirePrivate,
  scalarScale,
  scalarZeroPoint,
} from '../qdq/parameters.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { planned, type Refusals, type Refuse } from '../rewrite/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

interface Softmax {
  readonly x: Dequantized;
  readonly y: Output;
  readonly axis: number;
  readonly clamped: Clamped;
}

/**
 * QLinearSoftmax takes floor(1/sy) steps to 1. Where 1/sy is not an integer, its result differs from the result of the standard, not
 * at ties alone. Only a group that ONNX Runtime gives to this kernel may become one.
 */
function requireSteps({ graph, node }: QuantizeMatch, { s }: Output, profile: RequantizeProfile, refuse: Refuse): void {
  if (Math.fround(1 / s) === softmaxSteps(s)) return;
  const why = profile === 'ort' ? leftInFloat(graph.base).get(node.results[0]) : 'the standard divides by the scale';
  if (why !== undefined) refuse(`1/${s} is not an integer, and the steps of QLinearSoftmax are others: ${why}`);
}

/** quantize ← (relu | clip)* ← softmax ← dequantize, both of one 8-bit type. */
function plan(match: QuantizeMatch, { refuse, unrelated }: Refusals): Softmax {
  const { graph } = match;
  const softmax = graph.view(nnSoftmax, belowClamps(graph, match.x));
  if (softmax === undefined) return unrelated(`no softmax computes %${match.x.id}`);
  const y = outputOf(match, { refuse, unrelated });
  const clamped = clampsOf(graph, match.x, y);
  const x = perTensor(graph, softmax.x, 'the input', refuse);
  if (x.x.type.dtype !== y.dtype)
    refuse(`the input is of ${x.x.type.dtype}, the result of ${y.dtype}`, x.x, 'quantize both to one type');
  requirePrivate(graph, clamped.inner, refuse);
  const { profile = 'ort' } = graph.base;
  if (!operatorRecipe('softmax', profile)) refuse(`the profile ${profile} has no recipe for softmax`);
  requireSteps(match, y, profile, refuse);
  const { axis } = softmax.attrs;
  return { x, y, clamped, axis: axis < 0 ? axis + x.x.type.shape.length : axis };
}

const emit = ({ x, y, axis, clamped }: Softmax, a: Algebra) => {
  const operands = {
    x: x.x,
    sx: scalarScale(a, x.scale),
    zx: scalarZeroPoint(a, x.zp, y.dtype),
    sy: scalarScale(a, y.scale),
    zy: scalarZeroPoint(a, y.zp, y.dtype),
  };
  return clampTo(a, a.emit(qnnSoftmax, operands, { axis }), clamped, y);
};

export const qdqSoftmax = defineRule({
  name: 'qdq-softmax',
  root: qnnQuantize,
  law: 'quantize(clip(softmax(deq(x)))) = clamp(qnn.softmax(x; sx, zx, sy, zy))',
  exactness: {
    bound:
      'one step of the result, where the real quotient lies near a tie, and the step of 1/floor(1/sy) for that of sy',
  },
  ...planned(plan, (softmax, a) => emit(softmax, a), {
    what: 'takes the scale of the result for that of the input',
    emit: (softmax, a) => emit({ ...softmax, x: { ...softmax.x, scale: softmax.y.scale } }, a),
  }),
});
