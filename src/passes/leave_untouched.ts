/**
 * Leaves a graph untouched where it needs no correction. Passes regroup and tidy up the whole graph, since they cannot
 * know yet which parts will be corrected; this pass puts back every part that has nothing to do with a corrected
 * product, so that a file comes back byte for byte there. Runtimes may compute the tidied form otherwise: ONNX Runtime
 * quantizes the activations of a MatMul of dequantized weights, and not those of the Gemm that it was made from.
 *
 * Between the graph before and the graph now, the nodes that went and those that came fall into parts. Two nodes are of one
 * part when they compute the same value before and now, or when one reads what the other computes and that value is only in one
 * of the graphs. So what crosses the border of a part is in both, and a part can be put back on its own.
 */
import {
  factorsOf,
  type Graph,
  isOp,
  type Node,
  nodesOf,
  qnnDequantize,
  sameShape,
  topologicalOrder,
  type ValueId,
  type ValueInfo,
  valueIdsOf,
  view,
} from '../ir/index.ts';
import type { Pass } from './pass.ts';
import { isZeroPoint } from './remaining.ts';
import { produceWithPatches } from './rewrite/drafts.ts';

/** True when a node is a product with a zero point that is not known to be 0. */
function hasZeroPoint(graph: Graph, node: Node): boolean {
  const { zx, zw } = factorsOf(node) ?? {};
  return isZeroPoint(graph, zx) || isZeroPoint(graph, zw);
}

/**
 * True when a node dequantizes without the zero point that it had: for a float product, see rules/qdq_subtract.rule.ts.
 */
const lostZeroPoint = (before: Graph, node: Node): boolean =>
  isOp(node, qnnDequantize) && !zeroPointOf(node) && zeroPointOf(before.nodes[node.id]) !== undefined;
const zeroPointOf = (node: Node | undefined): ValueId | undefined => view(qnnDequantize, node)?.zp;

/** Puts back the parts of `before` that have nothing to do with a product with a zero point, before or now. */
export const leaveUntouched = (before: Graph): Pass => ({
  name: 'leave-untouched',
  doc: 'What no product with a zero point has to do with is put back as it was.',
  from: 'qnn',
  to: 'qnn',
  run(now) {
    const restored = putBack(before, now);
    if (restored === undefined) return { graph: now };
    const [graph, patches, inversePatches] = produceWithPatches(now, (draft) => {
      replaceEntries<Node>(draft.nodes, now.nodes, restored.nodes);
      replaceEntries<ValueInfo>(draft.values, now.values, restored.values);
    });
    return { graph, patches, inversePatches };
  },
});

/** Writes only entries that differ: reading an entry of a draft makes a draft of it. */
function replaceEntries<T>(
  draft: Record<string, T>,
  now: Readonly<Record<string, T>>,
  wanted: Readonly<Record<string, T>>,
): void {
  for (const key of Object.keys(now)) if (!Object.hasOwn(wanted, key)) delete draft[key];
  for (const [key, value] of Object.entries(wanted)) if (now[key] !== value) draft[key] = value;
}

/** Undefined where everything stays as it is now. */
function putBack(before: Graph, now: Graph): Pick<Graph, 'nodes' | 'values'> | undefined {
  const gone = nodesOf(before).filter((node) => now.nodes[node.id] !== node);
  const come = nodesOf(now).filter((node) => before.nodes[node.id] !== node);
  const parts = partsOf(before, now, gone, come);
  const concerned = new Set<Node>([
    ...gone.filter((node) => hasZeroPoint(before, node)).map(parts),
    ...come.filter((node) => hasZeroPoint(now, node) || lostZeroPoint(before, node)).map(parts),
  ]);
  const back = gone.filter((node) => !concerned.has(parts(node)));
  const away = new Set(come.filter((node) => !concerned.has(parts(node))).map(({ id }) => id));
  if (back.length === 0 && away.size === 0) return undefined;
  const kept = nodesOf(now).filter(({ id }) => !away.has(id));
  const values: Record<ValueId, ValueInfo> = { ...now.values };
  for (const node of back)
    for (const id of [...node.operands, ...node.results]) if (id !== null) values[id] = before.values[id];
  const nodes = Object.fromEntries([...kept, ...back].map((node) => [node.id, node]));
  const graph = inUse({ ...now, nodes, values });
  return topologicalOrder(graph).cyclic.length === 0 ? graph : undefined;
}

/** The node that stands for the part of a node. */
function partsOf(before: Graph, now: Graph, gone: readonly Node[], come: readonly Node[]): (node: Node) => Node {
  const parents = new Map<Node, Node>();
  const find = (node: Node): Node => {
    let root = node;
    for (let next = parents.get(root); next !== undefined; next = parents.get(root)) root = next;
    for (let at: Node | undefined = node; at !== undefined && at !== root; ) {
      const next: Node | undefined = parents.get(at);
      parents.set(at, root);
      at = next;
    }
    return root;
  };
  const join = (a: Node, b: Node): void => {
    const [x, y] = [find(a), find(b)];
    if (x !== y) parents.set(x, y);
  };
  const makers = new Map<ValueId, Node>();
  for (const node of [...gone, ...come])
    for (const id of node.results) {
      const other = makers.get(id);
      if (other !== undefined) join(node, other);
      makers.set(id, node);
    }
  const isShared = (id: ValueId): boolean => {
    const [a, b] = [before.values[id], now.values[id]];
    return a !== undefined && b !== undefined && a.type.dtype === b.type.dtype && sameShape(a.type.shape, b.type.shape);
  };
  for (const node of [...gone, ...come])
    for (const id of node.operands) {
      if (id === null) continue;
      const maker = makers.get(id);
      if (maker !== undefined && !isShared(id)) join(node, maker);
    }
  return find;
}

/** Without nodes and values that no output needs. */
function inUse(graph: Graph): Graph {
  const makers = new Map<ValueId, Node>();
  for (const node of nodesOf(graph)) for (const id of node.results) makers.set(id, node);
  const values = new Set<ValueId>(graph.inputs);
  const nodes = new Set<Node>();
  const pending: ValueId[] = [...graph.outputs];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    values.add(id);
    const maker = makers.get(id);
    if (maker === undefined || nodes.has(maker)) continue;
    nodes.add(maker);
    for (const result of maker.results) values.add(result);
    for (const operand of maker.operands) if (operand !== null) pending.push(operand);
  }
  return {
    ...graph,
    nodes: Object.fromEntries(
      nodesOf(graph)
        .filter((node) => nodes.has(node))
        .map((node) => [node.id, node]),
    ),
    values: Object.fromEntries(
      valueIdsOf(graph)
        .filter((id) => values.has(id))
        .map((id) => [id, graph.values[id]]),
    ),
  };
}
