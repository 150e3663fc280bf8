/**
 * Products of floats. Some have one meaning, the sum that the operator states: matrix products, convolutions over one axis, and
 * convolutions in front of a quantization, a cast, a comparison or a rounding. There the last bit of a sum can move a result by a whole
 * step, and the last bit of a dynamic scale every value that is quantized with it. Elsewhere a primitive sums in binary32, in an order of
 * its own, unless it would multiply pads by weights that may be infinite, or taps of 0 by values that may not be finite (transposed
 * convolutions).
 *
 * Over one axis a kernel of ours is about as fast as a primitive (0.6 to 1.2 of its speed, depthwise 4 to 20 times), and its plans are
 * families: a primitive over a long axis takes 0.1 s to make, and sounds have a length of their own with each run.
 */
import {
  constantOf,
  factorsOf,
  type Graph,
  type ITensor,
  isOp,
  isPlainProduct,
  isTensorOf,
  type Node,
  nnConv,
  nodesOf,
  typeOf,
} from '../../ir/index.ts';
import { type FloatClaim, leadsToStep } from '../../passes/index.ts';

/** Constants are looked through once, not for every set of sizes. */
const known = new WeakMap<object, boolean>();

function areFinite(weights: ITensor): boolean {
  if (!isTensorOf(weights, 'f32', 'f64')) return true;
  const { data } = weights;
  const found = known.get(data) ?? data.every(Number.isFinite);
  known.set(data, found);
  return found;
}

export function hasOneMeaning(graph: Graph, node: Node): boolean {
  // Primitives compute transposed convolutions with taps of 0, which give NaN for infinities. Matrix products run on a kernel of ours.
  if (!isOp(node, nnConv) || node.attrs.strides.length === 1 || leadsToStep(graph, node.results[0])) return true;
  const weights = constantOf(graph, factorsOf(node)?.w);
  return weights === undefined || !areFinite(weights);
}

/** Nothing that ends in an integer is computed from them. */
const CLAIM =
  'Summed in binary32 in an order of the primitive: within n·2^-23·Σ|x|·|w| of the sum of n terms, a bias among them; NaN and infinite where that is. Only where Σ|x|·|w| of finite operands leaves binary32 may it be infinite or NaN where the sum is not.';

/** The products that primitives sum, by the value that they compute. */
export function floats(graph: Graph): FloatClaim | undefined {
  const products = nodesOf(graph)
    .filter((node) => isPlainProduct(node) && typeOf(graph, node.results[0]).dtype === 'f32')
    .filter((node) => !hasOneMeaning(graph, node))
    .map(({ id }) => id);
  return products.length > 0 ? { products, claim: CLAIM } : undefined;
}
