/**
 * Concatenations of channels that are written in place: an operand that nothing else reads has its home among the channels of the result, and the
 * lowerings that can write there do. The concatenation copies the others.
 */
import {
  type Graph,
  isByteType,
  isStatic,
  type Node,
  nnConcat,
  readersOf,
  typeOf,
  type ValueId,
  view,
} from '../../../ir/index.ts';
import type { Home } from '../layout.ts';

/** The homes of values that nodes of a region make. */
export function homesOf(graph: Graph, nodes: readonly Node[], outputs: readonly ValueId[]): ReadonlyMap<ValueId, Home> {
  const homes = new Map<ValueId, Home>();
  const made = new Set(nodes.flatMap(({ results }) => results));
  const readers = readersOf(graph);
  for (const node of nodes) {
    const concat = view(nnConcat, node);
    if (concat === undefined || concat.xs.length === 1 || !isOfChannels(graph, concat.y, concat.attrs.axis)) continue;
    let before = 0;
    for (const x of concat.xs) {
      const isOwn = made.has(x) && !outputs.includes(x) && readers.get(x)?.length === 1;
      const isOnce = concat.xs.indexOf(x) === concat.xs.lastIndexOf(x);
      if (isOwn && isOnce) homes.set(x, { whole: concat.y, before });
      before += Number(typeOf(graph, x).shape[1]);
    }
  }
  return homes;
}

/** True where the joined axis is the innermost one of bytes with channels last. */
function isOfChannels(graph: Graph, y: ValueId, axis: number): boolean {
  const { dtype, shape } = typeOf(graph, y);
  return isByteType(dtype) && isStatic(shape) && shape.length >= 2 && (axis < 0 ? axis + shape.length : axis) === 1;
}
