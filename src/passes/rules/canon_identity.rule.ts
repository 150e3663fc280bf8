import { type AnyOp, type DType, sameShape, type Value } from '../../ir/index.ts';
import { nnCast } from '../../ir/ops/nn_cast.op.ts';
import * as move from '../../ir/ops/nn_movement.op.ts';
import { type AnyRule, defineRule, type Match } from '../rewrite/rule.ts';

const operand = ({ graph, node }: Match): Value => graph.value(node.operands[0]!);

/** Operators that change nothing: identity, cast to the same type, reshape to the same shape, transpose by the identity. */
function vanishing(root: AnyOp, law: string, changesNothing: (match: Match, x: Value) => boolean): AnyRule {
  return defineRule<AnyOp['operands'], AnyOp['attrs'], AnyOp['results']>({
    name: `no-${root.name.slice(3)}`,
    root,
    law,
    exactness: 'bit-exact',
    where(match, miss) {
      if (!changesNothing(match, operand(match))) return miss('it does something');
      if (root === move.nnIdentity && match.graph.isOutput(match.node.results[0]))
        return miss('it names an output of the graph');
      return undefined;
    },
    rewrite: operand,
    wrong: {
      what: 'the value passes through s8 on its way',
      rewrite(match, { emit }) {
        const x = operand(match) as Value<DType>;
        return emit(nnCast, { x: emit(nnCast, { x }, { to: 's8' }) }, { to: x.type.dtype });
      },
    },
  });
}

export const noIdentity = vanishing(move.nnIdentity, 'identity(x) = x', () => true);
export const noCast = vanishing(nnCast, 'cast(x: T, to T) = x', ({ node }, x) => node.attrs.to === x.type.dtype);
export const noReshape = vanishing(move.nnReshape, 'reshape(x, shape of x) = x', ({ node }, x) =>
  sameShape(node.attrs.shape as number[], x.type.shape),
);
export const noTranspose = vanishing(move.nnTranspose, 'transpose(x, 0 1 2 …) = x', ({ node }) =>
  (node.attrs.perm as number[]).every((axis, i) => axis === i),
);
