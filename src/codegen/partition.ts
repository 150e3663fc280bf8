/** The parts of a graph that each back end computes: as few as a greedy schedule finds. */
import { fail } from '../diagnostics/index.ts';
import {
  carriedName,
  constantOf,
  type Graph,
  isCarriedInitializer,
  isOp,
  type Node,
  nodesOf,
  once,
  opaqueOp,
  symbolsRead,
  symbolTold,
  topologicalOrder,
  typeOf,
  type ValueId,
} from '../ir/index.ts';
import type { Backend, Fallback, Plan, Region } from './backend.ts';
import { atOnce, type Steps } from './steps.ts';

/** A region, and who computes it. */
export interface Part<B extends Backend = Backend> extends Region {
  readonly backend: B;
  /** Why a back end that was asked before does not compute a node; empty in the parts of the first one. */
  readonly refusals: ReadonlyMap<Node, string>;
}

/** A part with its plan. */
export interface Step {
  readonly part: Part;
  readonly plan: Plan;
}

/** A graph of known sizes, planned part by part. */
export function* planningOf(graph: Graph, backends: readonly Backend[]): Steps<Step[]> {
  const steps: Step[] = [];
  for (const part of partition(graph, backends)) {
    yield;
    const { plan } = part.backend;
    steps.push({ part, plan: plan.inSteps ? yield* plan.inSteps(part) : plan(part) });
  }
  return steps;
}

export const planGraph = (graph: Graph, backends: readonly Backend[]): Step[] => atOnce(planningOf(graph, backends));

export const fallbacksOf = (parts: readonly Part[]): Fallback[] =>
  parts.flatMap(({ backend, refusals }) =>
    backend.delegates
      ? []
      : [...refusals].map(([node, reason]) => ({ backend: backend.name, node: node.id, op: node.op, reason })),
  );

/**
 * Each node goes to the first back end that takes it. All that is ready for the first one comes first, then all that is ready
 * for the second, and so on.
 *
 * @param graph of known sizes
 */
export function partition<B extends Backend>(graph: Graph, backends: readonly B[]): Part<B>[] {
  const turns: { readonly nodes: Node[]; readonly refusals: Map<Node, string> }[] = [];
  const made = new Map<ValueId, number>();
  for (const node of topologicalOrder(graph).order) {
    if (isCarriedInitializer(node)) continue; // a constant, whoever reads it
    const { at, refusal } = firstThatTakes(node, graph, backends);
    // turns go round: each node is computed in the first turn of its back end in which its operands are there
    let turn = at;
    const later = backends[at].standsApart?.(node, graph) ? 1 : 0;
    for (const id of readsOf(graph, node)) turn = Math.max(turn, (made.get(id) ?? -later) + later);
    turn += (((at - turn) % backends.length) + backends.length) % backends.length;
    for (const id of node.results) made.set(id, turn);
    while (turns.length <= turn) turns.push({ nodes: [], refusals: new Map() });
    turns[turn].nodes.push(node);
    if (refusal !== undefined) turns[turn].refusals.set(node, refusal);
  }
  const parts = turns.flatMap(({ nodes, refusals }, turn) =>
    nodes.length === 0 ? [] : [{ backend: backends[turn % backends.length], nodes, refusals }],
  );
  const lastRead = new Map<ValueId, number>();
  for (const [index, { nodes }] of parts.entries())
    for (const node of nodes) for (const id of readsOf(graph, node)) lastRead.set(id, index);
  for (const id of graph.outputs) lastRead.set(id, parts.length);
  return parts.map((part, index) => ({
    ...part,
    ...regionOf(graph, part.nodes, (id) => (lastRead.get(id) ?? 0) > index),
  }));
}

function firstThatTakes(
  node: Node,
  graph: Graph,
  backends: readonly Backend[],
): { readonly at: number; readonly refusal: string | undefined } {
  const refusals: string[] = [];
  for (const [at, backend] of backends.entries()) {
    const refusal = backend.accepts(node, graph);
    if (refusal === undefined) return { at, refusal: refusals[0] };
    refusals.push(refusal);
  }
  const { operator } = node.attrs;
  const name = isOp(node, opaqueOp) ? carriedName(String(operator)) : node.op;
  return fail('U2008', `no back end computes ${name}: ${refusals.join('; ')}`, node.loc);
}

/** The operands, and values that tell the sizes in attributes that no operand tells: such a size is open until a run knows it. */
function readsOf(graph: Graph, node: Node): readonly ValueId[] {
  const operands = node.operands.filter((id) => id !== null);
  const open = symbolsRead(graph, node);
  if (open.length === 0) return operands;
  const tellers = tellersIn(graph);
  return [...operands, ...new Set(open.flatMap((symbol) => tellers.get(symbol) ?? []))];
}

/** The first value of which a size tells each symbol. */
const tellersIn = once((graph): ReadonlyMap<string, ValueId> => {
  const tellers = new Map<string, ValueId>();
  const values = [...graph.inputs, ...topologicalOrder(graph).order.flatMap(({ results }) => results)];
  for (const id of values)
    for (const dim of typeOf(graph, id).shape) {
      const symbol = symbolTold(dim);
      if (symbol !== undefined && !tellers.has(symbol)) tellers.set(symbol, id);
    }
  return tellers;
});

/** The graph as one region. */
export function wholeOf(graph: Graph): Region {
  const nodes = topologicalOrder(graph).order;
  const isOutput = new Set<ValueId>(graph.outputs);
  return regionOf(graph, nodes, (id) => isOutput.has(id));
}

/** Constants that stand as nodes. */
const carriedInitializers = once(
  (graph): ReadonlySet<ValueId> => new Set(nodesOf(graph).flatMap((n) => (isCarriedInitializer(n) ? n.results : []))),
);

/** The nodes with the values that cross their border. */
export function regionOf(graph: Graph, nodes: readonly Node[], isReadLater: (id: ValueId) => boolean): Region {
  const made = new Set(nodes.flatMap((n) => n.results));
  const read = new Set(nodes.flatMap((n) => readsOf(graph, n)));
  const initializers = carriedInitializers(graph);
  const isConstant = (id: ValueId) => constantOf(graph, id) !== undefined || initializers.has(id);
  return {
    graph,
    nodes,
    inputs: [...read].filter((id) => !made.has(id) && !isConstant(id)),
    outputs: [...made].filter(isReadLater),
  };
}
