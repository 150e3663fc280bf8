/** A graph selected for a back end, and the graphs in it. */
import {
  bodiesIn,
  controlIf,
  controlLoop,
  type Graph,
  isOp,
  type Node,
  nodesWithBodies,
  withBodyGraphs,
} from '../ir/index.ts';
import { foldWeights, runPipeline, type Target } from '../passes/index.ts';
import type { Backend } from './backend.ts';
import { select } from './select.ts';

/** Selects the primitives of a legalized graph and of the graphs in it. */
export function selectAll(graph: Graph, backend: Backend, target: Target): Graph {
  const selected = runPipeline(graph, [select(backend)], { target }).graph;
  return withBodyGraphs(selected, (body) => selectAll(body, backend, target));
}

/** What constants alone decide is computed; captured values that no body reads are left out. */
export function foldAll(graph: Graph, backend: Backend, target: Target): Graph {
  const folded = runPipeline(withoutUnread(graph), [foldWeights(backend.level)], { target }).graph;
  return withBodyGraphs(folded, (body) => foldAll(body, backend, target));
}

/** A body has constants of its own: what it captures besides is for the file alone. */
function withoutUnread(graph: Graph): Graph {
  const changed: Record<string, Node> = {};
  for (const node of nodesWithBodies(graph)) {
    if (!isOp(node, controlIf, controlLoop)) continue;
    const { captures } = node.attrs;
    const read = new Set<string>(bodiesIn(node).flatMap(([, body]) => body.inputs));
    const first = node.operands.length - captures.length;
    const operands = node.operands.filter((_, i) => i < first || read.has(captures[i - first]));
    if (operands.length === node.operands.length) continue;
    const attrs = { ...node.attrs, captures: captures.filter((name) => read.has(name)) };
    changed[node.id] = { ...node, operands, attrs };
  }
  return Object.keys(changed).length === 0 ? graph : { ...graph, nodes: { ...graph.nodes, ...changed } };
}
