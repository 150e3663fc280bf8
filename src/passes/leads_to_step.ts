/** Finds the floats from which an integer is computed: the last bit of one can move that by a whole step. */
import {
  type Graph,
  isOp,
  nnCeil,
  nnFloor,
  nnMod,
  nnRound,
  nnShape,
  nnSign,
  oneOf,
  topologicalOrder,
  typeOf,
  type ValueId,
} from '../ir/index.ts';

const stepsOf = new WeakMap<Graph, ReadonlySet<ValueId>>();
const rounds = oneOf(nnRound, nnFloor, nnCeil, nnSign, nnMod);

/** True when an integer is computed from a float value. */
export function leadsToStep(graph: Graph, id: ValueId): boolean {
  const known = stepsOf.get(graph) ?? valuesBeforeSteps(graph);
  stepsOf.set(graph, known);
  return known.has(id);
}

function valuesBeforeSteps(graph: Graph): ReadonlySet<ValueId> {
  const found = new Set<ValueId>();
  const isFloat = (id: ValueId): boolean => /f(16|32|64)$/.test(typeOf(graph, id).dtype);
  for (const node of topologicalOrder(graph).order.toReversed()) {
    if (isOp(node, nnShape)) continue; // reads no element
    const ends = rounds(node) || node.results.some((id) => found.has(id) || !isFloat(id));
    if (!ends) continue;
    for (const id of node.operands) if (id !== null && isFloat(id)) found.add(id);
  }
  return found;
}
