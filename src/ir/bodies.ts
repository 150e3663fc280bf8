/** Graphs inside of nodes: the bodies of control flow. */
import { assert } from '../diagnostics/index.ts';
import type { ITensor } from '../tensors/index.ts';
import { constantOf, type Graph, type Node, nodesOf, once, valueIdsOf } from './graph.ts';
import { opOf } from './op_table.ts';
import type { Steps } from './ops/control.ts';
import { ifSteps } from './ops/control_if.op.ts';
import { loopSteps } from './ops/control_loop.op.ts';
import { controlIf, controlLoop } from './ops/control_ops.ts';
import { isOp, operandsByName } from './view.ts';

/** Graphs in graphs, at most. */
export const MOST_NESTED = 16;

/** True for a node that holds graphs. */
export const hasBodies = (node: Pick<Node, 'op'>): boolean => opOf(node).traits.includes('bodies');

/** The graphs in a node, by attribute. */
export const bodiesIn = (node: Node): readonly (readonly [attribute: string, graph: Graph])[] =>
  hasBodies(node)
    ? Object.entries(opOf(node).attrs).flatMap(([name, { kind }]) =>
        kind === 'graph' ? [[name, node.attrs[name] as Graph] as const] : [],
      )
    : [];

/** The nodes of a graph that hold graphs. */
export const nodesWithBodies = once((graph): readonly Node[] => nodesOf(graph).filter(hasBodies));

/** The graph with other graphs in its nodes, as `map` makes them of those that are there. */
export function withBodyGraphs(graph: Graph, map: (body: Graph, node: Node, attribute: string) => Graph): Graph {
  const nodes: Record<string, Node> = {};
  for (const node of nodesWithBodies(graph)) {
    const attrs = { ...node.attrs };
    for (const [name, body] of bodiesIn(node)) attrs[name] = map(body, node, name);
    if (bodiesIn(node).some(([name, body]) => attrs[name] !== body)) nodes[node.id] = { ...node, attrs };
  }
  return Object.keys(nodes).length === 0 ? graph : { ...graph, nodes: { ...graph.nodes, ...nodes } };
}

/** All constants of a graph, those of the graphs in it too, by a path: names of nodes and attributes, then of the value. */
export function constantsByPath(graph: Graph, path = ''): [path: string, tensor: ITensor][] {
  const own = valueIdsOf(graph).flatMap((id): [string, ITensor][] => {
    const tensor = constantOf(graph, id);
    return tensor === undefined ? [] : [[path + id, tensor]];
  });
  const inner = nodesWithBodies(graph).flatMap((node) =>
    bodiesIn(node).flatMap(([name, body]) => constantsByPath(body, bodyPath(path, node.id, name))),
  );
  return [...own, ...inner];
}

export const bodyPath = (path: string, node: string, attribute: string): string => `${path}${node}/${attribute}/`;

/** The work of a node between the runs of its bodies. */
export function stepsOf(node: Node, operands: readonly ITensor[]): Steps {
  let at = 0;
  const named = operandsByName(node, () => operands[at++]);
  if (isOp(node, controlIf)) return ifSteps(named as unknown as Parameters<typeof ifSteps>[0], node.attrs);
  assert(isOp(node, controlLoop), `${node.op} holds no graphs`);
  return loopSteps(named as unknown as Parameters<typeof loopSteps>[0], node.attrs);
}
