/**
 * Nodes whose sizes a run finds out, such as what reads the positions of elements that are not zero, as a back end: a region of them is
 * a program of its own, planned when the sizes are there.
 */
import { type Graph, isOp, isStatic, type Node, nnConv, opaqueOp, opOf, typeOf } from '../../ir/index.ts';
import type { Backend, Plan, Region, Session } from '../backend.ts';
import type { BodyProgram } from '../control/index.ts';

/** Convolutions of floats whose primitive oneDNN makes for each size. */
const hasPrimitive = (node: Node): boolean => isOp(node, nnConv) && node.attrs.strides.length > 1;

/**
 * @param open makes a program of a graph with open sizes, which all of its inputs together tell
 * @param runtime another back end takes convolutions over several open axes, without a plan for each size
 */
export function later(host: Backend, open: (graph: Graph) => BodyProgram, runtime = false): Backend {
  const { byteSums: _, timing: __, ...other } = host;
  return {
    ...other,
    name: 'later',
    delegates: true,
    accepts(node, graph) {
      if (isOp(node, opaqueOp) || opOf(node).openSize !== undefined) return 'its own sizes are open';
      const isKnown = [...node.operands, ...node.results].every(
        (id) => id === null || isStatic(typeOf(graph, id).shape),
      );
      if (runtime && hasPrimitive(node) && !isStatic(typeOf(graph, node.results[0]).shape.slice(2)))
        return 'a plan of it for one size takes longer than a run';
      return isKnown ? 'its sizes are known' : undefined;
    },
    plan: (region): Plan => ({ bytes: 0, bytesOfRun: 0, open: () => sessionOf(region, open(graphOf(region))) }),
  };
}

function sessionOf({ inputs }: Region, program: BodyProgram): Session {
  const feeds = (tensors: Parameters<Session['run']>[0]) => Object.fromEntries(inputs.map((id, i) => [id, tensors[i]]));
  return {
    run: (tensors, areUnchanging) => program.run(feeds(tensors), areUnchanging),
    runSync: (tensors) => program.runSync(feeds(tensors)),
    profile: (tensors) => program.profile(feeds(tensors)),
    get fallbacks() {
      return program.fallbacks;
    },
    dispose: () => program.dispose(),
  };
}

/** The region alone. */
const graphOf = ({ graph: { origin: _, ...graph }, nodes, inputs, outputs }: Region): Graph => ({
  ...graph,
  inputs,
  outputs,
  nodes: Object.fromEntries(nodes.map((node: Node) => [node.id, node])),
});
