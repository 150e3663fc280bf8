/** Plausible mistakes that the rules of this folder have to be distinguishable from. */
import type { Value } from '../../ir/index.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import { emitRequantized, emitScaled, type Requantized, type Scaled } from './product.ts';

export const ignoringClamps = {
  what: 'drops Relu and Clip although the zero point and the scale do not imply them',
  emit: (plan: Requantized, a: Algebra): Value =>
    emitRequantized({ ...plan, clamped: { ...plan.clamped, low: plan.y.min, high: plan.y.max } }, a),
};

export const scaledByFirst = {
  what: 'scales every channel by the scale of the first',
  emit: (plan: Scaled, a: Algebra): Value => emitScaled({ ...plan, sw: plan.sw.slice(0, 1) }, a),
};
