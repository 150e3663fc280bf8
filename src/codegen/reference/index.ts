/**
 * The interpreter as a back end: it computes whatever has a meaning, and is slow. It stands in for another one, whose operators
 * it computes by their meaning: graphs are compiled for that, and both can be compared.
 */
import {
  evaluateGraph,
  type Graph,
  holdsNothing,
  type ITensor,
  interpreterScratch,
  isOp,
  opaqueOp,
  typeOf,
} from '../../ir/index.ts';
import type { Backend, NodeTime, Plan, Region } from '../backend.ts';

export const reference = ({ byteSums: _, timing: __, ...other }: Backend): Backend => ({
  ...other,
  name: 'reference',
  /** A carried operator is computed where its results have no elements: its meaning does not matter then. */
  accepts(node, graph) {
    if (!isOp(node, opaqueOp)) return undefined;
    const isEmpty = node.results.every((id) => holdsNothing(typeOf(graph, id)));
    return isEmpty ? undefined : 'the operator is not known';
  },
  plan,
});

function plan(region: Region): Plan {
  const graph = graphOf(region);
  const evaluate = (inputs: readonly ITensor[], observe?: (node: NodeTime) => void): readonly ITensor[] => {
    const feeds = Object.fromEntries(region.inputs.map((id, i) => [id, inputs[i]]));
    let start = performance.now();
    const results = evaluateGraph(graph, feeds, {
      observe({ id, op }) {
        const end = performance.now();
        observe?.({ node: id, op: `${op} (interpreter)`, microseconds: (end - start) * 1000 });
        start = end;
      },
    });
    return region.outputs.map((id) => results[id]);
  };
  const session = {
    run: (inputs: readonly ITensor[]) => evaluate(inputs),
    runSync: (inputs: readonly ITensor[]) => evaluate(inputs),
    profile(inputs: readonly ITensor[]) {
      const times: NodeTime[] = [];
      return { outputs: evaluate(inputs, (time) => times.push(time)), times };
    },
    dispose() {},
  };
  return {
    bytes: 0,
    bytesOfRun: 0,
    scratch: (node) => interpreterScratch(graph, node),
    open: () => session,
  };
}

/** The region alone. */
const graphOf = ({ graph, nodes, inputs, outputs }: Region): Graph => ({
  ...graph,
  inputs,
  outputs,
  nodes: Object.fromEntries(nodes.map((node) => [node.id, node])),
});
