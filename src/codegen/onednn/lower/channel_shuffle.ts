/**
 * Channel shuffles: a reshape that splits the channels, a transposition of the parts and a reshape back move whole images three times, between
 * channels last and row major. With channels last they are one copy that picks channels, and slices of the result pick theirs alone.
 */
import {
  type Graph,
  isByteType,
  isStatic,
  type Node,
  nnReshape,
  nnSlice,
  nnTranspose,
  producersOf,
  readersOf,
  sameShape,
  sizeOf,
  stridesOf,
  typeOf,
  type ValueId,
  view,
} from '../../../ir/index.ts';
import { normalized } from '../layout.ts';
import type { Recorder } from '../recorder.ts';

export interface Shuffle {
  readonly x: ValueId;
  readonly y: ValueId;
  /** The channel of x for each one of y. */
  readonly lanes: readonly number[];
  /** The nodes that it stands for. */
  readonly nodes: readonly Node[];
}

/** Shuffles among the nodes of a region, by their last node. */
export function shufflesOf(
  graph: Graph,
  nodes: readonly Node[],
  outputs: readonly ValueId[],
): ReadonlyMap<Node, Shuffle> {
  const own = new Set(nodes);
  const found = new Map<Node, Shuffle>();
  for (const node of nodes) {
    const shuffle = shuffleAt(graph, node, own, outputs);
    if (shuffle === undefined) continue;
    const readers = readersOf(graph).get(shuffle.y) ?? [];
    const parts = readers.map((reader) => partOf(graph, reader, shuffle));
    const isCut = !outputs.includes(shuffle.y) && readers.every((reader) => own.has(reader));
    const cuts = parts.filter((part) => part !== undefined);
    if (isCut && cuts.length > 0 && cuts.length === parts.length) {
      for (const cut of cuts) found.set(cut.nodes[cut.nodes.length - 1], cut);
    } else found.set(node, shuffle);
  }
  return found;
}

function shuffleAt(graph: Graph, last: Node, own: ReadonlySet<Node>, outputs: readonly ValueId[]): Shuffle | undefined {
  const back = view(nnReshape, last);
  const [moved, transposition] = madeFor(graph, back?.x, last, outputs) ?? [];
  const transposed = transposition && view(nnTranspose, transposition);
  const [split, first] = (transposition && madeFor(graph, transposed?.x, transposition, outputs)) ?? [];
  const x = first && view(nnReshape, first)?.x;
  if (!back || !moved || !transposed || !transposition || !split || !first || !x) return undefined;
  const [before, between, after] = [x, split, back.y].map((id) => typeOf(graph, id).shape);
  const isWhole = isStatic(before) && isStatic(between) && before.length >= 3 && sameShape(before, after);
  if (!isWhole || !isByteType(typeOf(graph, x).dtype) || ![first, transposition].every((node) => own.has(node)))
    return undefined;
  const lanes = lanesOf(before, between, transposed.attrs.perm);
  return lanes && { x, y: back.y, lanes, nodes: [first, transposition, last] };
}

/** A value that nothing but the reader reads, and its node. */
function madeFor(graph: Graph, id: ValueId | undefined, reader: Node, outputs: readonly ValueId[]) {
  const node = id && producersOf(graph).get(id);
  const isAlone =
    id !== undefined &&
    !outputs.includes(id) &&
    readersOf(graph)
      .get(id)
      ?.every((one) => one === reader);
  return node && isAlone ? ([id, node] as const) : undefined;
}

/** The channels in their new order; undefined when other axes move too. */
function lanesOf(shape: readonly number[], split: readonly number[], perm: readonly number[]): number[] | undefined {
  const count = split.length - shape.length + 1;
  const [channels, positions] = [split.slice(1, 1 + count), split.slice(1 + count)];
  const splitsChannels =
    count >= 2 && split[0] === shape[0] && sizeOf(channels) === shape[1] && sameShape(positions, shape.slice(2));
  const order = perm.slice(1, 1 + count).map((axis) => axis - 1);
  const stays = perm.every((axis, i) => (i >= 1 && i <= count) || axis === i);
  if (!splitsChannels || !stays) return undefined;
  const strides = stridesOf(channels);
  const sizes = order.map((axis) => channels[axis]);
  const own = stridesOf(sizes);
  return Array.from({ length: shape[1] }, (_, lane) =>
    order.reduce((from, axis, i) => from + (Math.floor(lane / own[i]) % sizes[i]) * strides[axis], 0),
  );
}

/** A slice of channels of a shuffle, as a shuffle of its own. */
function partOf(graph: Graph, reader: Node, { x, y, lanes, nodes }: Shuffle): Shuffle | undefined {
  const slice = view(nnSlice, reader);
  if (slice === undefined || slice.x !== y) return undefined;
  const { starts, ends, axes, steps } = slice.attrs;
  const shape = typeOf(graph, slice.y).shape;
  const isOfChannels = axes.length === 1 && [1, 1 - shape.length].includes(axes[0]) && steps[0] === 1;
  if (!isOfChannels || !isStatic(starts) || !isStatic(ends) || !isStatic(shape) || shape[1] === 0) return undefined;
  const [start] = starts;
  const from = Math.max(start < 0 ? start + lanes.length : start, 0);
  return { x, y: slice.y, lanes: lanes.slice(from, from + shape[1]), nodes: [...nodes, reader] };
}

/** Records one copy; false where x lies row major, in which order the operators themselves copy once. */
export function recordShuffle({ x, y, lanes }: Shuffle, r: Recorder): boolean {
  const shape = r.shape(x);
  if (r.preferredLayout(x) !== 'channels-last' || normalized('channels-last', shape) !== 'channels-last') return false;
  r.kernel(
    { name: 'gather-channels', rows: sizeOf(shape) / shape[1], channels: shape[1], lanes, flip: false },
    { source: r.use(x, 'channels-last'), destination: r.define(y, 'channels-last') },
  );
  return true;
}
