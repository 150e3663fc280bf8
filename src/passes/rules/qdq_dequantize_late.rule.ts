import type { Value } from '../../ir/index.ts';
import { dataOf, emitMoved, type Moved, movedAt, movingOps } from '../qdq/moved.ts';
import { dequantizedAs, dequantizeOf, perTensor } from '../qdq/parameters.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { planned, type Refusals, type Site } from '../rewrite/plan.ts';
import { type AnyRule, defineRule } from '../rewrite/rule.ts';

function plan({ graph, node }: Site, refusals: Refusals): Moved {
  if (!dataOf(node).every((id) => dequantizeOf(graph, graph.value(id))))
    return refusals.unrelated('an operand is not dequantized');
  const resolve = () => dataOf(node).map((id) => perTensor(graph, graph.value(id), 'an operand', refusals.refuse));
  return movedAt({ graph, node }, resolve, refusals);
}

function emit(moved: Moved, a: Algebra, graph: GraphEditor): Value {
  const integers = moved.sources.map(({ x }) => x);
  return dequantizedAs(a, moved.sources[0], emitMoved(moved, integers, a, graph), 0);
}

/** One rule for each operator that moves elements: dequantize-after-reshape, … */
export const dequantizeLate: readonly AnyRule[] = movingOps.map((root) => {
  const name = root.name.replace(/^nn\./, '');
  return defineRule({
    name: `dequantize-after-${name.replaceAll('_', '-')}`,
    root,
    law: `${name}(dequantize(x), …) = dequantize(${name}(x, …))   per tensor, all operands with the same scale and zero point; a pad value has to be an integer times the scale`,
    exactness: 'bit-exact',
    ...planned(plan, (late, a, { graph }: Site) => emit(late, a, graph), {
      what: 'fills with the integer 0, and forgets the zero point behind any other mover',
      emit: (late, a, { graph }) =>
        emit(
          late.fill === undefined
            ? { ...late, sources: late.sources.map((s) => ({ ...s, zp: undefined })) }
            : { ...late, fill: 0 },
          a,
          graph,
        ),
    }),
  });
});
