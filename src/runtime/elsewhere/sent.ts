/**
 * Graphs on their way to another thread, as plain data. A structured clone keeps what they share, nodes as well as constants, and memory
 * that is transferred is not copied.
 */
import {
  type AttrValue,
  type ConstantId,
  ConstantPool,
  type Graph,
  type ITensor,
  nodesOf,
  type Origin,
  type PoolContents,
} from '../../ir/index.ts';

/** All of a graph but its constants. Of its origin there is what is told to users: the file itself stays behind. */
type SentGraph = Omit<Graph, 'pool' | 'origin'> & {
  readonly origin?: Pick<Origin, 'profile' | 'notes' | 'state' | 'unsupported'>;
};

/** Graphs of one pool. */
export interface SentGraphs {
  readonly graphs: readonly SentGraph[];
  readonly constants: PoolContents;
}

/** Shorter memory is copied: Node.js keeps small buffers together, in memory that it does not give away. */
const LEAST_MOVED = 2 ** 16;

const isPlain = (value: AttrValue): boolean =>
  Array.isArray(value) ? value.every((one) => isPlain(one)) : typeof value !== 'object' || value === null;

/** False for graphs with parts that only their file has: carried operators, and graphs inside of operators. */
export const canBeSent = (graph: Graph): boolean =>
  (graph.origin?.bodies ?? []).length === 0 &&
  nodesOf(graph).every(({ op, attrs }) => op !== 'opaque' && Object.values(attrs).every(isPlain));

/** The graphs, and the memory that may change hands with them: nobody reads them here any more. */
export function sentOf(graphs: readonly Graph[]): {
  readonly sent: SentGraphs;
  readonly moved: readonly ArrayBuffer[];
} {
  const ids = graphs.flatMap(({ values }) =>
    Object.values(values).flatMap(({ constant = undefined }) => constant ?? []),
  );
  const { entries, next } = graphs[0].pool.contentsOf(ids);
  const used = new Map<ArrayBufferLike, number>();
  for (const [, { data }] of entries) used.set(data.buffer, (used.get(data.buffer) ?? 0) + data.byteLength);
  const isMoved = ({ buffer }: ITensor['data']): boolean =>
    buffer.byteLength >= LEAST_MOVED && 2 * (used.get(buffer) ?? 0) >= buffer.byteLength;
  const alone = (tensor: ITensor): ITensor =>
    isMoved(tensor.data) ? tensor : ({ ...tensor, data: tensor.data.slice() } as ITensor);
  const own = entries.map(([id, tensor]): readonly [ConstantId, ITensor] => [id, alone(tensor)]);
  const moved = own.flatMap(([, { data }]) => (data.buffer instanceof ArrayBuffer ? [data.buffer] : []));
  return { sent: { graphs: graphs.map(plain), constants: { entries: own, next } }, moved: [...new Set(moved)] };
}

function plain({ pool: _pool, origin, ...graph }: Graph): SentGraph {
  if (origin === undefined) return graph;
  const { profile, notes, state, unsupported } = origin;
  return {
    ...graph,
    origin: { unsupported, ...(profile && { profile }), ...(notes && { notes }), ...(state && { state }) },
  };
}

export function graphsOf({ graphs, constants }: SentGraphs): Graph[] {
  const pool = ConstantPool.of(constants);
  return graphs.map(({ origin, ...graph }) => ({
    ...graph,
    pool,
    ...(origin && { origin: { ...origin, kind: 'sent' } }),
  }));
}
