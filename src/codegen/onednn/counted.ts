/**
 * Results whose size a run finds out. A kernel has room for the largest one, writes its elements in front, and their number behind the room, so
 * that a session of known sizes has one, which hands the part that is there on.
 */
import {
  type Graph,
  isOp,
  isStatic,
  type Node,
  nnNonMaxSuppression,
  nnNonZero,
  nodesOf,
  once,
  type StaticType,
  sizeOf,
  typeOf,
  type ValueId,
  viewOf,
} from '../../ir/index.ts';

/** A type with room: the size of the axis `counted` is the largest that it may be. Absent: the sizes are what they are. */
export interface OutputType extends StaticType {
  readonly counted?: number;
}

/** More room is left to others, which take as much as they fill. */
const MOST_ELEMENTS = 2 ** 20;

/** The type of the one result of a node whose size is counted; undefined for other nodes, and where operands have open sizes. */
export function countedType(node: Node, graph: Graph): OutputType | undefined {
  const shapes = node.operands.map((id) => (id === null ? [] : typeOf(graph, id).shape));
  if (!shapes.every(isStatic)) return undefined;
  if (isOp(node, nnNonZero)) return { dtype: 's64', shape: [shapes[0].length, sizeOf(shapes[0])], counted: 1 };
  if (!isOp(node, nnNonMaxSuppression)) return undefined;
  const [batches, classes, boxes] = shapes[1];
  const { maxPerClass } = viewOf<typeof nnNonMaxSuppression>(node).attrs;
  return { dtype: 's64', shape: [batches * classes * Math.min(boxes, maxPerClass), 3], counted: 0 };
}

/** The elements of a type with room: those of the largest result, and their count. */
export const roomOf = ({ shape, counted }: Pick<OutputType, 'shape' | 'counted'>): number =>
  sizeOf(shape) + (counted === undefined ? 0 : 1);

/** The results of a graph that have room. */
export const countedIn = once(
  (graph): ReadonlyMap<ValueId, OutputType> =>
    new Map(
      nodesOf(graph).flatMap((node) => {
        const type = countedType(node, graph);
        return type ? [[node.results[0], type] as const] : [];
      }),
    ),
);

/** Why a node whose size is counted has no room. */
export const withoutRoom = (type: OutputType): string | undefined =>
  roomOf(type) > MOST_ELEMENTS ? `room for ${roomOf(type)} elements` : undefined;
