/** The layers of a graph whose source zero point has to be corrected, each as a graph of its own. */
import {
  additionsOf,
  consumersOf,
  factorsOf,
  type Graph,
  isOp,
  type Node,
  nodesOf,
  qnnRequantize,
  type ValueId,
} from '../../ir/index.ts';
import { correctWeights } from '../correct_zero_points.ts';
import type { PassContext } from '../pass.ts';
import { type LayerClass, layerClass } from './layer_class.ts';

export interface Layer {
  /** The quantized product; its source zero point is operand 2. */
  readonly node: Node;
  readonly layer: LayerClass;
  /** The product with the additions of constants and the requantize behind it. Their operands are inputs. */
  readonly graph: Graph;
  /** Equal for layers that take the same time: shapes, types and attributes, not the numbers. */
  readonly key: string;
}

/** `graph`: quantized operators, as `legalize` gives them. Sizes that are symbolic stay so. */
export function layersOf(graph: Graph, context: PassContext): Layer[] {
  const ready = correctWeights(graph, context).graph;
  const readers = consumersOf(ready);
  return nodesOf(ready).flatMap((node) => {
    const factors = factorsOf(node);
    if (factors?.zx === undefined) return [];
    const chain = chainFrom(ready, node, readers);
    const [x, w] = [factors.x, factors.w].map((id) => ready.values[id].type);
    const layer = layerClass(node, x.shape, w.shape, ready.values[node.results[0]].type.shape);
    return [{ node, layer, graph: subgraph(ready, chain), key: keyOf(ready, chain) }];
  });
}

/** The product and its exclusive successors: constant additions, then a requantize. */
function chainFrom(graph: Graph, product: Node, readers: ReadonlyMap<ValueId, readonly Node[]>): Node[] {
  const chain = [product];
  for (;;) {
    const last = chain[chain.length - 1];
    const [next, ...others] = readers.get(last.results[0]) ?? [];
    const isShared = others.length > 0 || graph.outputs.includes(last.results[0]);
    if (next === undefined || isShared) return chain;
    const isConstant = (id: ValueId | null) => id === null || graph.values[id].constant !== undefined;
    const isEnd = isOp(next, qnnRequantize) && next.operands.slice(1).every(isConstant);
    const isAdded = additionsOf(next).some(({ rest, added }) => rest === last.results[0] && isConstant(added));
    if (!isEnd && !isAdded) return chain;
    chain.push(next);
    if (isEnd) return chain;
  }
}

function subgraph(graph: Graph, nodes: readonly Node[]): Graph {
  const made = new Set(nodes.flatMap((node) => node.results));
  const read = new Set(nodes.flatMap((node) => node.operands).filter((id) => id !== null));
  const ids = [...new Set([...read, ...made])];
  return {
    name: 'layer',
    inputs: [...read].filter((id) => !made.has(id) && graph.values[id].constant === undefined),
    outputs: [nodes[nodes.length - 1].results[0]],
    nodes: Object.fromEntries(nodes.map((node) => [node.id, node])),
    values: Object.fromEntries(ids.map((id) => [id, graph.values[id]])),
    pool: graph.pool,
  };
}

/** A key of nodes that leaves out the numbers in constants: equal for equal operators, attributes, types and wiring. */
export function keyOf(graph: Graph, nodes: readonly Node[]): string {
  const order = new Map<ValueId, number>();
  const value = (id: ValueId | null) => {
    if (id === null) return null;
    const { type, constant } = graph.values[id];
    if (!order.has(id)) order.set(id, order.size);
    return [constant === undefined ? order.get(id) : 'constant', type.dtype, type.shape];
  };
  return JSON.stringify(
    nodes.map(({ op, attrs, operands, results }) => [op, attrs, operands.map(value), results.map(value)]),
  );
}

/** The layer without a source zero point: costs are relative to it. */
export function symmetricOf({ graph, node }: Pick<Layer, 'graph' | 'node'>): Graph {
  const operands = node.operands.map((id, i) => (i === 2 ? null : id));
  const nodes = { ...graph.nodes, [node.id]: { ...node, operands } };
  const read = new Set(Object.values<Node>(nodes).flatMap((n) => n.operands));
  return { ...graph, nodes, inputs: graph.inputs.filter((id) => read.has(id)) };
}
