/**
 * Graphs on their way to another thread, as plain data. A structured clone keeps what they share, nodes as well as constants, and memory
 * that is transferred is not copied. A body of control flow is a graph like any other, with constants of its own; of the file behind
 * carried operators there are these operators.
 */
import { type CarriedFile, carriedFileOf, originOfCarried } from '../../exporters/index.ts';
import { partOriginOf } from '../../importers/index.ts';
import {
  type Body,
  bodiesIn,
  type ConstantId,
  ConstantPool,
  type Graph,
  type ITensor,
  isOp,
  type Node,
  nodesOf,
  nodesWithBodies,
  type Origin,
  opaqueOp,
  type PoolContents,
  placeOf,
  type TypedArray,
  tensorAt,
  withBodyGraphs,
} from '../../ir/index.ts';
import type { Account } from '../../passes/index.ts';

/** What is told of an origin to users, and what compilation goes into: the file itself stays behind. */
interface SentOrigin extends Pick<Origin, 'profile' | 'notes' | 'state' | 'unsupported'> {
  readonly bodies: readonly (Omit<Body, 'graph'> & { readonly graph: SentGraph })[];
  readonly carried?: CarriedFile;
}

/** A graph with the number of its constants. Graphs in its nodes are such graphs too. */
export interface SentGraph extends Omit<Graph, 'pool' | 'origin'> {
  readonly pool: number;
  readonly origin?: SentOrigin;
}

export type SentAccount = Omit<Account, 'quantized' | 'corrected' | 'bodies'> & {
  readonly quantized: SentGraph;
  readonly corrected: SentGraph;
  readonly bodies: readonly (SentAccount & Pick<Account['bodies'][number], 'within' | 'place'>)[];
};

/** A constant by its place (`placeOf`). Several may have one. */
interface SentConstant extends Pick<ITensor, 'dtype' | 'shape'> {
  readonly place: TypedArray;
}

interface SentPool extends Pick<PoolContents, 'next'> {
  readonly entries: readonly (readonly [ConstantId, SentConstant])[];
}

/** Graphs, within whatever holds them, and their constants. */
export interface Sent<T> {
  readonly what: T;
  readonly constants: readonly SentPool[];
}

/** Shorter memory is copied: Node.js keeps small buffers together, in memory that it does not give away. */
const LEAST_MOVED = 2 ** 16;

/** False for a graph that its file is needed for: it is read anew at the sizes of a run, or nobody computes its operators. */
function canBeSent(graph: Graph): boolean {
  const { unsupported = [], bodies = [] } = graph.origin ?? {};
  const isOfFile = (node: Node): boolean => isOp(node, opaqueOp) && partOriginOf(graph) === undefined;
  return (
    !unsupported.some(({ dependsOnSizes }) => dependsOnSizes) &&
    !nodesOf(graph).some(isOfFile) &&
    [
      ...bodies.map((body) => body.graph),
      ...nodesWithBodies(graph)
        .flatMap(bodiesIn)
        .map(([, body]) => body),
    ].every(canBeSent)
  );
}

/** Makes graphs plain. Those of one model share what they share. */
export class Sender {
  readonly #graphs = new Map<Graph, SentGraph>();
  readonly #pools = new Map<ConstantPool, ConstantId[]>();

  graph = (graph: Graph): SentGraph => {
    const known = this.#graphs.get(graph);
    if (known !== undefined) return known;
    const { pool, origin: _, ...others } = withBodyGraphs(graph, (body) => this.graph(body) as unknown as Graph);
    const origin = this.#origin(graph);
    const sent = { ...others, pool: this.#numberOf(pool), ...(origin && { origin }) };
    const ids = this.#pools.get(pool) as ConstantId[];
    for (const { constant } of Object.values(graph.values)) if (constant !== undefined) ids.push(constant);
    this.#graphs.set(graph, sent);
    return sent;
  };

  account = ({ claims, quantized, corrected, bodies }: Account): SentAccount => ({
    claims,
    quantized: this.graph(claims.proved ? corrected : quantized),
    corrected: this.graph(corrected),
    bodies: bodies.map(({ within, place, ...body }) => ({ ...this.account(body), within, place })),
  });

  /** The memory may change hands with the constants: nobody reads it here any more. */
  sent<T>(what: T): { readonly sent: Sent<T>; readonly moved: readonly ArrayBuffer[] } {
    const pools = [...this.#pools].map(([pool, ids]) => pool.contentsOf(ids));
    const used = new Map<ArrayBufferLike, number>();
    for (const { entries } of pools)
      for (const [, tensor] of entries) {
        const { buffer, byteLength } = placeOf(tensor);
        used.set(buffer, (used.get(buffer) ?? 0) + byteLength);
      }
    const isMoved = ({ buffer }: TypedArray): boolean =>
      buffer.byteLength >= LEAST_MOVED && 2 * (used.get(buffer) ?? 0) >= buffer.byteLength;
    const copies = new Map<TypedArray, TypedArray>(); // graphs may share constants
    const sent = (tensor: ITensor): SentConstant => {
      const { dtype, shape } = tensor;
      const own = placeOf(tensor);
      const place = isMoved(own) ? own : (copies.get(own) ?? own.slice());
      if (place !== own) copies.set(own, place);
      return { dtype, shape, place };
    };
    const constants = pools.map(({ entries, next }) => ({
      entries: entries.map(([id, tensor]): readonly [ConstantId, SentConstant] => [id, sent(tensor)]),
      next,
    }));
    const buffers = constants.flatMap(({ entries }) => entries.map(([, { place }]) => place.buffer));
    const moved = new Set(buffers.filter((buffer) => buffer instanceof ArrayBuffer));
    return { sent: { what, constants }, moved: [...moved] };
  }

  #numberOf(pool: ConstantPool): number {
    if (!this.#pools.has(pool)) this.#pools.set(pool, []);
    return [...this.#pools.keys()].indexOf(pool);
  }

  #origin(graph: Graph): SentOrigin | undefined {
    if (graph.origin === undefined) return undefined;
    const { profile, notes, state, unsupported, bodies = [] } = graph.origin;
    const carried = nodesOf(graph).some((node) => isOp(node, opaqueOp)) ? carriedFileOf(graph) : undefined;
    return {
      unsupported,
      ...(profile && { profile }),
      ...(notes && { notes }),
      ...(state && { state }),
      bodies: bodies.map(({ within, graph }) => ({ within, graph: this.graph(graph) })),
      ...(carried && { carried }),
    };
  }
}

/** A graph of the caller, whose memory is copied; undefined where it has to stay. */
export function sentGraph(graph: Graph): Sent<SentGraph> | undefined {
  if (!canBeSent(graph)) return undefined;
  const sender = new Sender();
  return sender.sent(sender.graph(graph)).sent;
}

export const poolsOf = ({ constants }: Sent<unknown>): ConstantPool[] =>
  constants.map(({ entries, next }) =>
    ConstantPool.of({
      entries: entries.map(([id, { dtype, shape, place }]) => [id, tensorAt(dtype, shape, place)]),
      next,
    }),
  );

/** Makes the graphs of a message graphs again. */
export class Receiver {
  readonly #graphs = new Map<SentGraph, Graph>();
  readonly #pools: readonly ConstantPool[];

  constructor(pools: readonly ConstantPool[]) {
    this.#pools = pools;
  }

  graph = (sent: SentGraph): Graph => {
    const known = this.#graphs.get(sent);
    if (known !== undefined) return known;
    const { pool, origin, ...others } = sent;
    const bare: Graph = { ...others, pool: this.#pools[pool], ...(origin && { origin: this.#origin(origin) }) };
    const graph = withBodyGraphs(bare, (body) => this.graph(body as unknown as SentGraph));
    this.#graphs.set(sent, graph);
    return graph;
  };

  account = ({ claims, quantized, corrected, bodies }: SentAccount): Account => ({
    claims,
    quantized: this.graph(quantized),
    corrected: this.graph(corrected),
    bodies: bodies.map(({ within, place, ...body }) => ({ ...this.account(body), within, place })),
  });

  #origin({ carried, bodies, ...told }: SentOrigin): Origin {
    const own = { ...told, bodies: bodies.map((body) => ({ ...body, graph: this.graph(body.graph) })) };
    return carried ? originOfCarried(carried, own) : { ...own, kind: 'sent' };
  }
}
