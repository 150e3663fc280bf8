/**
 * Groups of nodes that one program computes, so that the values between them never reach memory.
 *
 * Nodes are seen in the order of the plan. A node joins the groups that made its operands and whose results have the shape of its own; these
 * become one. A group ends where a node outside reads one of its values. The command stands in the place of the last node of the group: what
 * the group reads is made before, and who reads from the group comes behind it, so that no command waits for itself.
 */
import { type Graph, isOp, type Node, nnBatchNorm, opOf, sameShape, typeOf, type ValueId } from '../../../ir/index.ts';
import { elementwiseRefusal } from './elementwise_instructions.ts';
import { GraphView } from './lowering.ts';

/** Commands have at most so many sources; a zero point or another parameter is one. */
const SOURCES = 16;
/** Instructions of a program; the kernel has registers for these and all sources at once. */
const INSTRUCTIONS = 24;
/** Casts and ends of quantized values take up to so many instructions, and a source of their own; normalization takes more. */
const OF_ENDS = 4;
const OF_NORMALIZATION = 12;

interface Group {
  readonly nodes: readonly Node[];
  readonly reads: ReadonlySet<ValueId>;
  readonly sources: number;
  readonly instructions: number;
}

const isEnd = (node: Node): boolean => node.op === 'nn.cast' || opOf(node).traits.includes('quantized');

const alone = (node: Node): Group => ({
  nodes: [node],
  reads: new Set(node.operands.filter((id) => id !== null)),
  sources: isEnd(node) ? 1 : 0,
  instructions: isEnd(node) ? OF_ENDS : isOp(node, nnBatchNorm) ? OF_NORMALIZATION : 1,
});

/** The groups as one, in order; undefined when that would be too long. */
function together(groups: readonly Group[]): Group | undefined {
  const nodes = groups.flatMap((group) => group.nodes);
  const made = new Set(nodes.map(({ results }) => results[0]));
  const reads = new Set(groups.flatMap((group) => [...group.reads].filter((id) => !made.has(id))));
  const sources = groups.reduce((total, group) => total + group.sources, 0);
  const instructions = groups.reduce((total, group) => total + group.instructions, 0);
  const fits = reads.size + sources <= SOURCES && instructions <= INSTRUCTIONS;
  return fits ? { nodes, reads, sources, instructions } : undefined;
}

/** The nodes in groups of one or more, in the order in which they are computed. */
export function clustersOf(graph: Graph, nodes: readonly Node[]): (readonly Node[])[] {
  const view = new GraphView(graph);
  const shapeOf = (node: Node) => typeOf(graph, node.results[0]).shape;
  /** Groups that may grow, by the values that they make. */
  const open = new Map<ValueId, Group>();
  const endsWith = new Map<Node, Group>();
  const close = (group: Group) => {
    for (const { results } of group.nodes) open.delete(results[0]);
  };
  for (const node of nodes) {
    const read = new Set(node.operands.flatMap((id) => (id === null ? [] : (open.get(id) ?? []))));
    if (elementwiseRefusal(node, view) !== undefined) {
      for (const group of read) close(group);
      continue;
    }
    let group = alone(node);
    for (const other of read) {
      const joined = sameShape(shapeOf(other.nodes[0]), shapeOf(node)) ? together([other, group]) : undefined;
      close(other);
      if (!joined) continue;
      group = joined;
      endsWith.delete(other.nodes[other.nodes.length - 1]);
    }
    endsWith.set(node, group);
    for (const { results } of group.nodes) open.set(results[0], group);
  }
  return nodes.flatMap((node) => {
    const group = endsWith.get(node);
    if (group) return [group.nodes];
    return elementwiseRefusal(node, view) === undefined ? [] : [[node]];
  });
}

/** The values that are read outside of the group that makes them. */
export function readOutside(clusters: readonly (readonly Node[])[], outputs: readonly ValueId[]): ReadonlySet<ValueId> {
  const outside = new Set<ValueId>(outputs);
  for (const nodes of clusters) {
    const made = new Set(nodes.flatMap(({ results }) => results));
    for (const { operands } of nodes) for (const id of operands) if (id !== null && !made.has(id)) outside.add(id);
  }
  return outside;
}
