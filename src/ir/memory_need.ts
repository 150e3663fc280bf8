/**
 * The least memory that a run of a graph needs, at the node that needs the most: constants and feeds, results that are
 * still to be read, and the results of the node. A graph that needs more than there is gets refused before anything is
 * tried: systems promise memory that they do not have, and end the process when it is used.
 */
import { fail } from '../diagnostics/index.ts';
import { platform } from '../platform/index.ts';
import { byteLengthOf, isDType } from '../tensors/index.ts';
import { leastOfSome } from './dims.ts';
import type { Graph, Node } from './graph.ts';
import { opOf } from './op_table.ts';
import { topologicalOrder } from './order.ts';
import { formatType, type TensorType, type ValueId } from './types.ts';

/** Nobody asks the system for less. */
const ALWAYS_THERE = 2 ** 28;

const elementsOf = ({ shape }: TensorType): number =>
  shape.reduce<number>((count, dim) => count * Math.max(leastOfSome(dim), typeof dim === 'number' ? 0 : 1), 1);

/** Bytes of a value, symbols being at least 1. */
const bytesOf = (type: TensorType): number => (isDType(type.dtype) ? byteLengthOf(type.dtype, elementsOf(type)) : 0);

/** The interpreter computes in binary64, except for operators that move elements. */
export function interpreterScratch(graph: Graph, node: Node): number {
  if (opOf(node).traits.includes('movement')) return 0;
  const values = [...node.operands, ...node.results].filter((id) => id !== null);
  return values.reduce((bytes, id) => bytes + 8 * elementsOf(graph.values[id].type), 0);
}

export interface MemoryNeed {
  readonly bytes: number;
  /** The node that needs the most; undefined in a graph without nodes. */
  readonly node: Node | undefined;
}

/** @param scratch bytes that a node needs besides its operands and results */
export function memoryNeed(graph: Graph, scratch: (node: Node) => number = () => 0): MemoryNeed {
  const { order } = topologicalOrder(graph);
  const bytesAt = (id: ValueId): number => bytesOf(graph.values[id].type);
  const lastUse = lastUses(graph, order);
  const isHeld = (id: ValueId): boolean => graph.values[id].constant !== undefined;
  const held = new Set([...graph.inputs, ...[...lastUse.keys()].filter(isHeld)]);
  /** Bytes that nobody reads behind a node any more. */
  const freed = new Float64Array(order.length);
  for (const [id, at] of lastUse) if (at < order.length && !held.has(id)) freed[at] += bytesAt(id);
  let alive = [...held].reduce((bytes, id) => bytes + bytesAt(id), 0);
  let most: MemoryNeed = { bytes: alive, node: order[0] };
  order.forEach((node, at) => {
    if (!isView(node))
      for (const id of node.results) {
        alive += bytesAt(id);
        if (!lastUse.has(id)) freed[at] += bytesAt(id);
      }
    const bytes = alive + scratch(node);
    if (bytes > most.bytes) most = { bytes, node };
    alive -= freed[at];
  });
  return most;
}

/**
 * The place of the last node that reads each value. A value that is a view of another one counts as the same memory.
 */
function lastUses(graph: Graph, order: readonly Node[]): ReadonlyMap<ValueId, number> {
  const roots = new Map<ValueId, ValueId>();
  const rootOf = (id: ValueId): ValueId => (roots.size === 0 ? id : (roots.get(id) ?? id));
  const lastUse = new Map<ValueId, number>();
  order.forEach((node, at) => {
    if (isView(node)) roots.set(node.results[0], rootOf(node.operands[0] as ValueId));
    for (const id of node.operands) if (id !== null) lastUse.set(rootOf(id), at);
  });
  for (const id of graph.outputs) lastUse.set(rootOf(id), Number.POSITIVE_INFINITY);
  return lastUse;
}

const isView = ({ op }: Node): boolean => op === 'nn.identity' || op === 'nn.reshape';

/**
 * @param when whether the graph is about to run, or is to run at all on a machine like this
 * @throws UnskewError U1006 for a graph that needs more memory than there is
 */
export function refuseTooLarge(graph: Graph, when: 'now' | 'ever', scratch?: (node: Node) => number): void {
  for (const node of topologicalOrder(graph).order) {
    for (const id of node.operands) if (id !== null) refuseTooLargeValue(graph, id, node);
    for (const id of node.results) refuseTooLargeValue(graph, id, node);
  }
  checkNeed(graph, memoryNeed(graph, scratch), when);
}

function refuseTooLargeValue(graph: Graph, id: ValueId, node: Node): void {
  const { type } = graph.values[id];
  const bytes = bytesOf(type);
  const { largestArray } = platform;
  if (bytes <= largestArray) return;
  fail(
    'U1006',
    `%${id}: ${formatType(type)} takes ${gibibytes(bytes)}, and this Node.js makes no array of more than ${gibibytes(largestArray)}`,
    { op: node.op, ...node.loc },
    `${SMALLER}, or a newer Node.js`,
  );
}

/** @throws UnskewError U1006 when the need exceeds the memory */
export function checkNeed(graph: Graph, need: MemoryNeed, when: 'now' | 'ever'): void {
  if (need.bytes <= ALWAYS_THERE) return;
  const there = platform.memoryFor(when);
  if (need.bytes > there) refuseNeed(graph, need, `${gibibytes(there)} are ${when === 'now' ? 'free' : 'there'}`);
}

/**
 * @param why it cannot be had
 * @throws UnskewError U1006
 */
export function refuseNeed(graph: Graph, { bytes, node }: MemoryNeed, why: string): never {
  const results = node?.results.map((id) => formatType(graph.values[id].type)).join(', ');
  fail(
    'U1006',
    `to compute ${results ?? 'the outputs'} takes ${gibibytes(bytes)} of memory with all that is held at that point, and ${why}`,
    node === undefined ? {} : { op: node.op, ...node.loc },
    `${SMALLER}, or a machine with more memory`,
  );
}

const SMALLER = 'smaller sizes help (inputShapes in the API, --shape on the command line)';

const gibibytes = (bytes: number): string =>
  `${(bytes / 2 ** 30).toLocaleString('en', { maximumFractionDigits: 1 })} GiB`;
