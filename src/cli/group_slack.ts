/**
 * The bound that a grouping declares: the largest error of the float in front of a quantize when one engine computes
 * the group in integers and the other one in floats. Bounds are in steps of the result, except for a float bias:
 *
 *   2^-14             a multiplier and a product, or a sum with the zero point added before it is rounded, each rounded to binary32
 *   2^-14·(sa + sb)/s the ratios of an addition
 *   sx·sw/2           a float bias that becomes an integer, in ONNX Runtime wherever a quantize follows, grouped or not
 *   Σ|x|·max|w|/127   float weights behind a dequantize, which ONNX Runtime quantizes itself
 *   y·(1 − s·⌊1/s⌋)   QLinearSoftmax, which takes 1/⌊1/s⌋ for its scale
 *
 * and of a product whose result stays float 2^-22 of the result, 2^-23 of Σ|x·w| and what the float sum is rounded by (`groupedRounding`
 * in running_error.ts).
 */
import {
  biasOf,
  constantOf,
  factorsOf,
  type Graph,
  isByteType,
  isOp,
  isPlainProduct,
  isTensorOf,
  type Node,
  nnAdd,
  nnClip,
  nnIdentity,
  nnRelu,
  nnSoftmax,
  nodesOf,
  producersOf,
  qnnDequantize,
  qnnQuantize,
  tensorOfType,
  type ValueId,
  type View,
  view,
  viewOf,
} from '../ir/index.ts';
import { type CertificateEntry, dataOf, isMover } from '../passes/index.ts';
import type { Grouped, Meaning } from './agreement.ts';
import { largestOf, magnitude } from './floats.ts';

const ROUNDINGS = 2 ** -14;

/** The groups of a graph as it was imported, with the bound that the grouping declares for each. */
export function groupsOf(graph: Graph, grouping: readonly CertificateEntry[]): NonNullable<Meaning['groups']> {
  const entries = new Map(grouping.map((entry) => [entry.node, entry]));
  const groups = new Map<ValueId, Grouped>();
  for (const node of nodesOf(graph)) {
    const exactness = entries.get(node.id)?.exactness ?? 'bit-exact';
    if (isPlainProduct(node) && exactness !== 'bit-exact') groups.set(node.id, { slack: 0, isProduct: true });
  }
  for (const node of nodesOf(graph)) {
    const quantize = view(qnnQuantize, node);
    if (quantize === undefined) continue;
    const { y } = quantize;
    const entry = entries.get(y);
    const isGrouped = entry !== undefined && entry.exactness !== 'bit-exact';
    const { slack, bias, weights = 0 } = slackOf(graph, quantize);
    const why = isGrouped && entry.onnxruntime ? `onnxruntime computes it in float: ${entry.onnxruntime}` : undefined;
    if (isGrouped) groups.set(y, { slack: slack + bias, ...(why && { why }) });
    else if (weights > 0)
      groups.set(y, { slack: bias + weights, why: 'onnxruntime quantizes its float weights itself' });
    else if (bias > 0) groups.set(y, { slack: bias, why: 'onnxruntime rounds its float bias to an integer' });
  }
  return groups;
}

interface Slack {
  readonly slack: number;
  readonly bias: number;
  readonly weights?: number;
}

function slackOf(graph: Graph, quantize: View<typeof qnnQuantize>): Slack {
  const producers = producersOf(graph);
  const step = largestScale(graph, quantize.node);
  let node = producers.get(quantize.x);
  while (isOp(node, nnRelu, nnClip)) node = producers.get(viewOf<typeof nnRelu | typeof nnClip>(node).x);
  if (node === undefined) return { slack: ROUNDINGS * step, bias: 0 };
  if (isOp(node, nnSoftmax))
    return { slack: ROUNDINGS * step + (1 - step * Math.floor(Math.fround(1 / step))), bias: 0 };
  const sources = node.operands.map((id) => (id ? producers.get(id) : undefined));
  const product = isPlainProduct(node) ? node : sources.find((source) => source && isPlainProduct(source));
  if (product)
    return {
      slack: ROUNDINGS * step,
      bias: biasMove(graph, node, product),
      weights: weightsMove(graph, product),
    };
  const scales = isOp(node, nnAdd) ? sources.map((source) => (source ? largestScale(graph, source) : 0)) : [];
  return { slack: ROUNDINGS * scales.reduce((sum, s) => sum + s, step), bias: 0 };
}

/** The largest scale of a quantize or dequantize; 0 for any other node. */
function largestScale(graph: Graph, node: Node): number {
  const { scale } = view(qnnQuantize, node) ?? view(qnnDequantize, node) ?? {};
  const scales = constantOf(graph, scale);
  return scales ? largestOf(tensorOfType(scales, 'f32').data) : 0;
}

/** The node that makes a value, behind all nodes that only move elements: transposes, pools and the like. */
function unmoved(graph: Graph, id: ValueId): Node | undefined {
  const node = producersOf(graph).get(id);
  const from = node && (view(nnIdentity, node)?.x ?? (isMover(node) ? dataOf(node)[0] : undefined));
  return from === undefined ? node : unmoved(graph, from);
}

/** Half a unit of the accumulator, where a bias is a float. */
function biasMove(graph: Graph, last: Node, product: Node): number {
  const producers = producersOf(graph);
  const factors = factorsOf(product);
  const added = last === product ? biasOf(product) : last.operands.find((id) => id && producers.get(id) !== product);
  if (!factors || !added || isOp(producers.get(added), qnnDequantize)) return 0;
  const unitOf = (id: ValueId): number => {
    const source = unmoved(graph, id);
    return source ? largestScale(graph, source) : 0;
  };
  return (unitOf(factors.x) * unitOf(factors.w)) / 2;
}

/** Bounds the change when ONNX Runtime quantizes float weights to eight bits: half a step for each of them. */
function weightsMove(graph: Graph, product: Node): number {
  const factors = factorsOf(product);
  const weights = constantOf(graph, factors?.w);
  const source = factors && view(qnnDequantize, unmoved(graph, factors.x));
  if (!weights || !isTensorOf(weights, 'f32') || !source) return 0;
  const integers = graph.values[source.x].type.dtype;
  if (!isByteType(integers)) return 0;
  const largest = largestOf(magnitude(weights).data);
  const terms =
    weights.data.length / Math.max(1, weights.shape[weights.shape.length > 2 ? 0 : weights.shape.length - 1]);
  return (terms * 255 * largestScale(graph, source.node) * largest) / 127;
}
