import type { Value } from '../../ir/index.ts';
import { nnMax, nnMin } from '../../ir/ops/nn_elementwise_binary.op.ts';
import { nnClip } from '../../ir/ops/nn_elementwise_unary.op.ts';
import type { Site } from '../qdq/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

interface Bounded {
  readonly x: Value<'f32'>;
  readonly bound: number;
}

/** max(x, c) or min(x, c) of f32 with one constant for all elements, on either side. */
function bounded({ graph, node }: Site): Bounded | undefined {
  const [a, b] = node.operands.map((id) => graph.value(id!));
  for (const [x, c] of [
    [a, b],
    [b, a],
  ]) {
    const constant = graph.constant(c.id);
    const fits = constant?.dtype === 'f32' && constant.data.length === 1 && c.type.shape.length <= x.type.shape.length;
    if (fits && !Number.isNaN(constant.data[0])) return { x: x as Value<'f32'>, bound: constant.data[0] as number };
  }
  return undefined;
}

/** Clip with bounds that were hidden behind Identity, Cast or ConstantOfShape arrives as Max and Min. */
export const clipOfMax = defineRule({
  name: 'clip-of-max',
  root: nnMax,
  law: 'max(x, c) = clip(x, c, ∞)',
  exactness: 'bit-exact',
  where: (match, miss) => (bounded(match) ? undefined : miss('no operand is one f32 constant')),
  rewrite: (match, { emit }) => {
    const { x, bound } = bounded(match)!;
    return emit(nnClip, { x }, { min: bound });
  },
  wrong: {
    what: 'bounds from the other side',
    rewrite: (match, { emit }) => {
      const { x, bound } = bounded(match)!;
      return emit(nnClip, { x }, { max: bound });
    },
  },
});

export const clipOfMin = defineRule({
  name: 'clip-of-min',
  root: nnMin,
  law: 'min(x, c) = clip(x, −∞, c)',
  exactness: 'bit-exact',
  where: (match, miss) => (bounded(match) ? undefined : miss('no operand is one f32 constant')),
  rewrite: (match, { emit }) => {
    const { x, bound } = bounded(match)!;
    return emit(nnClip, { x }, { max: bound });
  },
  wrong: {
    what: 'bounds from the other side',
    rewrite: (match, { emit }) => {
      const { x, bound } = bounded(match)!;
      return emit(nnClip, { x }, { min: bound });
    },
  },
});
