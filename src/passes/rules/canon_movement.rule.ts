import type { DType, Node, Value } from '../../ir/index.ts';
import { nnReshape, nnTranspose } from '../../ir/ops/nn_movement.op.ts';
import type { Site } from '../qdq/plan.ts';
import { defineRule } from '../rewrite/rule.ts';

/** The node that computes the operand, when it is of the same operator as the root. Other readers keep their value. */
const inner = ({ graph, node }: Site): Node | undefined => {
  const producer = graph.producer(node.operands[0]!);
  return producer?.op === node.op ? producer : undefined;
};
const source = (match: Site): Value<DType> => match.graph.value(inner(match)!.operands[0]!) as Value<DType>;

export const reshapeOfReshape = defineRule({
  name: 'reshape-of-reshape',
  root: nnReshape,
  law: 'reshape(reshape(x, s), t) = reshape(x, t)',
  exactness: 'bit-exact',
  where: (match, miss) => (inner(match) ? undefined : miss('the operand is no reshape')),
  rewrite: (match, { emit }) => emit(nnReshape, { x: source(match) }, match.attrs),
  wrong: {
    what: 'takes the elements column by column',
    rewrite: (match, { emit }) => {
      const x = source(match);
      const perm = x.type.shape.map((_, axis, { length }) => length - 1 - axis);
      return emit(nnReshape, { x: emit(nnTranspose, { x }, { perm }) }, match.attrs);
    },
  },
});

export const transposeOfTranspose = defineRule({
  name: 'transpose-of-transpose',
  root: nnTranspose,
  law: 'transpose(transpose(x, p), q) = transpose(x, p∘q),   (p∘q)[i] = p[q[i]]',
  exactness: 'bit-exact',
  where: (match, miss) => (inner(match) ? undefined : miss('the operand is no transpose')),
  rewrite: (match, { emit }) => {
    const p = inner(match)!.attrs.perm as readonly number[];
    return emit(nnTranspose, { x: source(match) }, { perm: match.attrs.perm.map((axis) => p[axis]) });
  },
  wrong: {
    what: 'composes in the other order',
    rewrite: (match, { emit }) => {
      const p = inner(match)!.attrs.perm as readonly number[];
      return emit(nnTranspose, { x: source(match) }, { perm: p.map((axis) => match.attrs.perm[axis]) });
    },
  },
});
