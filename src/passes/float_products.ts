/**
 * Finds the products of floats that have one meaning on all back ends, the sum in binary64 that the operator states:
 * those in front of a quantization, a cast, a comparison or a rounding. There the last bit of a sum can move a result
 * by a whole step, and the last bit of a dynamic scale every value that is quantized with it. Elsewhere a primitive may
 * sum in binary32, in an order of its own, unless it would multiply pads by weights that may be infinite, or taps of 0
 * by values that may not be finite (transposed convolutions).
 */
import {
  constantOf,
  factorsOf,
  type Graph,
  isOp,
  isPlainProduct,
  isTensorOf,
  type Node,
  nnCeil,
  nnConvTranspose,
  nnFloor,
  nnMatmul,
  nnMod,
  nnRound,
  nnShape,
  nnSign,
  nodesOf,
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

export function hasOneMeaning(graph: Graph, node: Node): boolean {
  if (leadsToStep(graph, node.results[0])) return true;
  if (isOp(node, nnMatmul)) return false;
  // Primitives compute transposed convolutions with taps of 0, which give NaN for infinities.
  if (isOp(node, nnConvTranspose)) return true;
  const weights = constantOf(graph, factorsOf(node)?.w);
  return weights === undefined || (isTensorOf(weights, 'f32', 'f64') && !weights.data.every(Number.isFinite));
}

/** The others, by the value that they compute. */
export const approximateProducts = (graph: Graph): readonly string[] =>
  nodesOf(graph)
    .filter((node) => isPlainProduct(node) && typeOf(graph, node.results[0]).dtype === 'f32')
    .filter((node) => !hasOneMeaning(graph, node))
    .map(({ id }) => id);

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
