import { nnReshape, nnTranspose } from '../../ir/index.ts';
import { planned } from '../rewrite/plan.ts';
import { defineRule, type Match } from '../rewrite/rule.ts';

type ReshapeMatch = Match<typeof nnReshape.operands, typeof nnReshape.attrs>;
type TransposeMatch = Match<typeof nnTranspose.operands, typeof nnTranspose.attrs>;

/** Other readers of the inner one keep their value. */
export const reshapeOfReshape = defineRule({
  name: 'reshape-of-reshape',
  root: nnReshape,
  law: 'reshape(reshape(x, s), t) = reshape(x, t)',
  exactness: 'bit-exact',
  ...planned(
    ({ graph, x }: ReshapeMatch, { refuse }) =>
      graph.view(nnReshape, graph.producer(x.id)) ?? refuse('the operand is not a reshape'),
    ({ x }, { emit }, { attrs }) => emit(nnReshape, { x }, attrs),
    {
      what: 'takes the elements column by column',
      emit: ({ x }, { emit }, { attrs }) => {
        const perm = x.type.shape.map((_, axis, { length }) => length - 1 - axis);
        return emit(nnReshape, { x: emit(nnTranspose, { x }, { perm }) }, attrs);
      },
    },
  ),
});

export const transposeOfTranspose = defineRule({
  name: 'transpose-of-transpose',
  root: nnTranspose,
  law: 'transpose(transpose(x, p), q) = transpose(x, p∘q),   (p∘q)[i] = p[q[i]]',
  exactness: 'bit-exact',
  ...planned(
    ({ graph, x }: TransposeMatch, { refuse }) =>
      graph.view(nnTranspose, graph.producer(x.id)) ?? refuse('the operand is not a transpose'),
    ({ x, attrs: { perm: p } }, { emit }, { attrs: { perm: q } }) =>
      emit(nnTranspose, { x }, { perm: q.map((axis) => p[axis]) }),
    {
      what: 'composes in the other order',
      emit: ({ x, attrs: { perm: p } }, { emit }, { attrs: { perm: q } }) =>
        emit(nnTranspose, { x }, { perm: p.map((axis) => q[axis]) }),
    },
  ),
});
