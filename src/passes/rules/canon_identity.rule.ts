import {
  type AttrSpecs,
  type AttrValues,
  type DType,
  nnCast,
  nnIdentity,
  nnReshape,
  nnTranspose,
  type OpDeclaration,
  type OperandSpec,
  type OpName,
  type ResultSpecs,
  sameShape,
  type Value,
} from '../../ir/index.ts';
import { type AnyRule, defineRule } from '../rewrite/rule.ts';

/** Operators that change nothing: identity, cast to the same type, reshape to the same shape, transpose by the identity. */
function vanishing<A extends AttrSpecs, R extends ResultSpecs>(
  root: OpDeclaration<{ readonly x: OperandSpec<DType, 'required'> }, A, R, OpName>,
  law: string,
  changesNothing: (attrs: AttrValues<A>, x: Value) => boolean,
): AnyRule {
  return defineRule({
    name: `no-${root.name.slice(3)}`,
    root,
    law,
    exactness: 'bit-exact',
    where({ x, attrs, graph, node }, miss) {
      if (!changesNothing(attrs, x)) return miss('it does something');
      if (root.name === nnIdentity.name && graph.isOutput(node.results[0]))
        return miss('it names an output of the graph');
      return undefined;
    },
    rewrite: ({ x }) => x,
    wrong: {
      what: 'the value passes through s8 on its way',
      rewrite: ({ x }, { emit }) => emit(nnCast, { x: emit(nnCast, { x }, { to: 's8' }) }, { to: x.type.dtype }),
    },
  });
}

export const noIdentity = vanishing(nnIdentity, 'identity(x) = x', () => true);
export const noCast = vanishing(nnCast, 'cast(x: T, to T) = x', ({ to }, x) => to === x.type.dtype);
export const noReshape = vanishing(nnReshape, 'reshape(x, shape of x) = x', ({ shape }, x) =>
  sameShape(shape, x.type.shape),
);
export const noTranspose = vanishing(nnTranspose, 'transpose(x, 0 1 2 …) = x', ({ perm }) =>
  perm.every((axis, i) => axis === i),
);
