/** The order in which the nodes of a graph are computed. */
import { symbolsIn } from './dims.ts';
import { type Graph, type Node, nodesOf, once, producersOf } from './graph.ts';
import { allOps, findOp } from './op_table.ts';
import { symbolTold } from './open_sizes.ts';
import { opaqueOp } from './ops/opaque.op.ts';
import type { NodeId, Shape, ValueId } from './types.ts';

export interface Order {
  /**
   * Every operand is defined before its use, and so is every size that only a run knows before an attribute in which it stands; the
   * order of insertion where that allows.
   */
  readonly order: readonly Node[];
  /** A cycle is left to the verifier: nodes on one. */
  readonly cyclic: readonly Node[];
}

export const topologicalOrder = once((graph): Order => {
  const byOperands = () => ordered(graph, ({ operands }) => operands);
  if (tellersIn(graph).size === 0) return byOperands();
  const told = sizesRead(graph);
  const found = ordered(graph, (node) => [...node.operands, ...told(node)]);
  return found.cyclic.length === 0 ? found : byOperands();
});

function ordered(graph: Graph, reads: (node: Node) => readonly (ValueId | null)[]): Order {
  const producers = producersOf(graph);
  const order: Node[] = [];
  const cyclic: Node[] = [];
  const done = new Set<NodeId>();
  const open = new Set<NodeId>();
  interface Frame {
    readonly node: Node;
    readonly before: readonly (ValueId | null)[];
    next: number;
  }
  const frameOf = (node: Node): Frame => ({ node, before: reads(node), next: 0 });
  /** The first value from `next` on whose node is to come before. */
  const pending = ({ before, next }: Frame): number => {
    for (let i = next; i < before.length; i++) {
      const producer = before[i] === null ? undefined : producers.get(before[i] as ValueId);
      if (producer !== undefined && !done.has(producer.id)) return i;
    }
    return before.length;
  };
  for (const root of nodesOf(graph)) {
    const stack = done.has(root.id) ? [] : [frameOf(root)];
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      const { node, before } = top;
      const at = pending(top);
      if (at === before.length) {
        done.add(node.id);
        open.delete(node.id);
        order.push(node);
        stack.pop();
        continue;
      }
      open.add(node.id);
      top.next = at + 1;
      const producer = producers.get(before[at] as ValueId) as Node;
      if (open.has(producer.id)) cyclic.push(producer);
      else stack.push(frameOf(producer));
    }
  }
  return { order, cyclic };
}

/** Operators that decide sizes by the values of tensors, or may. */
const deciding: ReadonlySet<string> = new Set(
  allOps
    .filter((op) => op === opaqueOp || op.openSize !== undefined || op.traits.includes('bodies'))
    .map(({ name }) => name),
);

/** For each symbol that a node decides a value that tells it. */
const tellersIn = once((graph): ReadonlyMap<string, ValueId> => {
  const tellers = new Map<string, ValueId>();
  for (const node of nodesOf(graph)) {
    if (!deciding.has(node.op)) continue;
    const known = symbolsTold(graph, node.operands);
    for (const id of node.results)
      for (const symbol of symbolsTold(graph, [id]))
        if (!known.has(symbol) && !tellers.has(symbol)) tellers.set(symbol, id);
  }
  for (const symbol of symbolsTold(graph, graph.inputs)) tellers.delete(symbol);
  return tellers;
});

const symbolsTold = (graph: Graph, ids: readonly (ValueId | null)[]): ReadonlySet<string> =>
  new Set(ids.flatMap((id) => (id && graph.values[id]?.type.shape.flatMap((dim) => symbolTold(dim) ?? [])) || []));

/** The values that tell sizes in the attributes of a node, where none of its operands does. */
export const sizesRead = once((graph): ((node: Node) => readonly ValueId[]) => {
  const tellers = tellersIn(graph);
  return tellers.size === 0
    ? () => []
    : (node) => symbolsRead(graph, node).flatMap((symbol) => tellers.get(symbol) ?? []);
});

/** Values that some node reads for their size alone. */
export const tellersRead = once((graph): ReadonlySet<ValueId> => new Set(nodesOf(graph).flatMap(sizesRead(graph))));

/** Symbols in attributes that no operand tells. */
export function symbolsRead(graph: Graph, node: Node): readonly string[] {
  const attrs = findOp(node.op)?.attrs ?? {};
  const named = Object.entries(attrs).flatMap(([name, { kind }]) =>
    kind === 'dims' ? ((node.attrs[name] ?? []) as Shape).flatMap(symbolsIn) : [],
  );
  if (named.length === 0) return [];
  const told = symbolsTold(graph, node.operands);
  return [...new Set(named)].filter((symbol) => !told.has(symbol));
}
