import { isOfType, nnClip, nnMax, nnMin, type Value } from '../../ir/index.ts';
import { planned, type Refusals } from '../rewrite/plan.ts';
import { defineRule, type Match } from '../rewrite/rule.ts';

interface Bounded {
  readonly x: Value<'f32'>;
  readonly bound: number;
}

/** max(x, c) or min(x, c) of f32 with one constant for all elements, on either side. */
function bounded({ a, b, constant }: Match<typeof nnMax.operands>, { refuse }: Refusals): Bounded {
  for (const [x, c] of [
    [a, b],
    [b, a],
  ]) {
    if (!isOfType(x, 'f32') || !isOfType(c, 'f32')) continue;
    const data = constant(c)?.data;
    if (data?.length === 1 && c.type.shape.length <= x.type.shape.length && !Number.isNaN(data[0]))
      return { x, bound: data[0] };
  }
  return refuse('no operand is one f32 constant');
}

/** Clip with bounds that were hidden behind Identity, Cast or ConstantOfShape arrives as Max and Min. */
export const clipOfMax = defineRule({
  name: 'clip-of-max',
  root: nnMax,
  law: 'max(x, c) = clip(x, c, ∞)',
  exactness: 'bit-exact',
  ...planned(bounded, ({ x, bound }, { emit }) => emit(nnClip, { x }, { min: bound }), {
    what: 'bounds from the other side',
    emit: ({ x, bound }, { emit }) => emit(nnClip, { x }, { max: bound }),
  }),
});

export const clipOfMin = defineRule({
  name: 'clip-of-min',
  root: nnMin,
  law: 'min(x, c) = clip(x, −∞, c)',
  exactness: 'bit-exact',
  ...planned(bounded, ({ x, bound }, { emit }) => emit(nnClip, { x }, { max: bound }), {
    what: 'bounds from the other side',
    emit: ({ x, bound }, { emit }) => emit(nnClip, { x }, { min: bound }),
  }),
});
