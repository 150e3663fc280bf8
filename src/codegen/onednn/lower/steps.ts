/**
 * Which floats end in integers: a quantization, a cast, a comparison, a rounding. There the last bit of a sum can move a
 * result by a whole step, and a dynamic scale by its last bit all that is quantized with it.
 */
import { type Graph, topologicalOrder, typeOf, type ValueId } from '../../../ir/index.ts';

const stepsOf = new WeakMap<Graph, ReadonlySet<ValueId>>();

const rounds: ReadonlySet<string> = new Set(['nn.round', 'nn.floor', 'nn.ceil', 'nn.sign', 'nn.mod']);

/** Whether a step lies behind a float value. */
export function leadsToStep(graph: Graph, id: ValueId): boolean {
  const known = stepsOf.get(graph) ?? valuesBeforeSteps(graph);
  stepsOf.set(graph, known);
  return known.has(id);
}

function valuesBeforeSteps(graph: Graph): ReadonlySet<ValueId> {
  const found = new Set<ValueId>();
  const isFloat = (id: ValueId): boolean => /f(16|32|64)$/.test(typeOf(graph, id).dtype);
  for (const node of topologicalOrder(graph).order.toReversed()) {
    const ends = rounds.has(node.op) || node.results.some((id) => found.has(id) || !isFloat(id));
    if (!ends) continue;
    for (const id of node.operands) if (id !== null && isFloat(id)) found.add(id);
  }
  return found;
}
