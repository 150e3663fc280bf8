/** The multiply-adds of a graph's products of integers, for the share of what the processor can do. */
import {
  factorsOf,
  type Graph,
  isQuantizedProduct,
  isStatic,
  layoutOf,
  type Node,
  nodesOf,
  productKind,
  sizeOf,
  weightsLayout,
} from '../../src/ir/index.ts';

export interface MultiplyAdds {
  /** The multiply-adds of products of integers. */
  readonly integers: number;
  /** Those of products of floats are counted here too. */
  readonly all: number;
  /** The part of `integers` that convolutions have. */
  readonly convolutions: number;
}

/** The counts of a legalized graph of known sizes: legalization writes products of integers as such. */
export function multiplyAdds(graph: Graph): MultiplyAdds {
  let [integers, all, convolutions] = [0, 0, 0];
  for (const node of nodesOf(graph)) {
    const count = multiplyAddsOf(graph, node);
    all += count;
    if (!isQuantizedProduct(node)) continue;
    integers += count;
    if (productKind(node) !== 'matmul') convolutions += count;
  }
  return { integers, all, convolutions };
}

function multiplyAddsOf(graph: Graph, node: Node): number {
  const factors = factorsOf(node);
  if (factors === undefined) return 0;
  const [source, weights, result] = [factors.x, factors.w, node.results[0]].map((id) => graph.values[id].type.shape);
  if (!isStatic(source) || !isStatic(weights) || !isStatic(result)) return 0;
  const layout = layoutOf(node);
  if (layout.kind === 'matmul') return sizeOf(result) * source[source.length - 1];
  const { filter, channel, tap } = weightsLayout(layout, weights).sizes;
  // A transposed convolution spreads each element of its source over the taps of the filters of its group.
  return layout.kind === 'conv' ? sizeOf(result) * channel * tap : sizeOf(source) * filter * tap;
}
