/** Graphs inside of operators (bodies of control flow) legalized beside the graph that they are in, and one account of both. */
import {
  type Body,
  bodiesIn,
  type Graph,
  keysOf,
  type Node,
  nodesOf,
  nodesWithBodies,
  withBodyGraphs,
} from '../ir/index.ts';
import type { ByteSums } from '../proofs/index.ts';
import { type Certificate, certificateOf, Prover, withSelection } from './certificate.ts';
import { lazily } from './lazily.ts';
import type { Account, BodyAccount, Legalized, LegalizeResult, Place } from './legalize_result.ts';
import type { Strategy } from './strategy_names.ts';
import type { Target } from './target.ts';

export interface LegalizedBody extends Pick<BodyAccount, 'place'> {
  readonly body: Body;
  readonly result: Legalized;
}

/** The graphs inside of a graph: bodies of carried operators, and those that operators hold. */
export function bodiesOf(graph: Graph): readonly Omit<LegalizedBody, 'result'>[] {
  const { bodies = [] } = graph.origin ?? {};
  const places = new Map<Graph, Place>();
  const others: Body[] = [];
  for (const node of nodesWithBodies(graph))
    for (const [attribute, body] of bodiesIn(node)) {
      places.set(body, { node: node.id, attribute });
      if (!bodies.some((known) => known.graph === body)) others.push({ within: node.loc.node ?? node.id, graph: body });
    }
  return [...bodies, ...others].map((body) => ({ body, place: places.get(body.graph) }));
}

/**
 * The options of each graph. A strategy by layer goes to the graphs with this layer, and to the first graph when none
 * has it.
 */
export function strategiesOf<O extends { readonly strategy?: Strategy }>(graphs: readonly Graph[], options: O): O[] {
  const { strategy } = options;
  if (strategy === undefined || typeof strategy === 'string') return graphs.map(() => options);
  const names = graphs.map((graph, i) => (i === 0 ? namesIn(graph) : layerNames(graph)));
  return graphs.map((_, i) => {
    const own = Object.entries(strategy).filter(
      ([layer]) => names[i].has(layer) || (i === 0 && !names.some((others) => others.has(layer))),
    );
    return { ...options, strategy: Object.fromEntries(own) };
  });
}

const namesIn = (graph: Graph): ReadonlySet<string> =>
  new Set(nodesOf(graph).flatMap(({ id, loc }) => (loc.node === undefined ? [id] : [id, loc.node])));

/** The names of all layers, in bodies too. */
const layerNames = (graph: Graph): ReadonlySet<string> =>
  new Set([...namesIn(graph), ...bodiesOf(graph).flatMap(({ body }) => [...layerNames(body.graph)])]);

export function withBodies(own: Legalized, bodies: readonly LegalizedBody[]): Legalized {
  const legalized = replaced(bodies, ({ graph }) => graph);
  const quantized = replaced(bodies, (result) => result.quantized);
  const certified = bodies.map(({ body, result }) => ({ body, certificate: result.certificate }));
  const remaining = lazily(() => [
    ...own.remaining,
    ...bodies.flatMap(({ body, result }) => result.remaining.map((entry) => inBody(entry, body))),
  ]);
  return {
    graph: withGraphs(own.graph, legalized),
    quantized: withGraphs(own.quantized, quantized),
    trace: [...own.trace, ...bodies.flatMap(({ result }) => result.trace)],
    certificate: joined(own.certificate, certified),
    certify: (selected, by) =>
      joined(
        own.certify(selected, by),
        bodies.map(({ body, result, place }) => {
          const graph = bodyAt(selected, place);
          return { body, certificate: graph ? result.certify(graph, by) : result.certificate };
        }),
      ),
    account: {
      ...own.account,
      bodies: bodies.map(({ body: { within }, result, place }) => ({ ...result.account, within, place })),
    },
    strategies: [
      ...own.strategies,
      ...bodies.flatMap(({ body, result }) => result.strategies.map((entry) => inBody(entry, body))),
    ],
    get remaining() {
      return remaining();
    },
    misses: [...own.misses, ...bodies.flatMap(({ result }) => result.misses)],
    notes: [...own.notes, ...bodies.flatMap(({ result }) => result.notes)],
  };
}

function bodyAt({ nodes }: Graph, place: Place | undefined): Graph | undefined {
  const node: Node | undefined = place && nodes[place.node];
  return node && bodiesIn(node).find(([name]) => name === place?.attribute)?.[1];
}

/**
 * The certificate of a compiled graph by its account, which may come from another thread.
 *
 * @param selected absent for a body that is not compiled
 * @param by the back end that selected
 */
export function certificateBy(
  { claims, quantized, corrected, bodies }: Account,
  selected: Graph | undefined,
  by: Pick<Target, 'owes' | 'floats'>,
  byteSums?: ByteSums,
): Certificate {
  const prover = new Prover(byteSums);
  const proved = certificateOf(corrected, claims, () => prover.corrections(quantized, corrected));
  const own = selected ? withSelection(proved, prover, { corrected, selected }, by) : proved;
  if (bodies.length === 0) return own;
  return joined(
    own,
    bodies.map((body) => ({
      body,
      certificate: certificateBy(body, selected && bodyAt(selected, body.place), by, byteSums),
    })),
  );
}

/** New graphs by old ones. A graph that an operator holds stays the same object where nothing was changed. */
const replaced = (bodies: readonly LegalizedBody[], of: (result: LegalizeResult) => Graph): ReadonlyMap<Graph, Graph> =>
  new Map(
    bodies.map(({ body: { graph }, result, place }) => [
      graph,
      place && isSame(of(result), graph) ? graph : of(result),
    ]),
  );

const isSame = (a: Graph, b: Graph): boolean => {
  const ids = keysOf(a.nodes);
  return (
    ids.length === keysOf(b.nodes).length &&
    ids.every((id) => a.nodes[id] === b.nodes[id]) &&
    a.outputs.every((id, i) => id === b.outputs[i])
  );
};

function withGraphs(graph: Graph, graphs: ReadonlyMap<Graph, Graph>): Graph {
  const now = (body: Graph): Graph => graphs.get(body) ?? body;
  const { origin } = graph;
  const bodies = origin?.bodies?.map((body) => ({ ...body, graph: now(body.graph) }));
  const held = withBodyGraphs(graph, now);
  return origin && bodies ? { ...held, origin: { ...origin, bodies } } : held;
}

const inBody = <T extends { readonly bodyOf?: readonly string[] }>(entry: T, { within }: Pick<Body, 'within'>): T => ({
  ...entry,
  bodyOf: [within, ...(entry.bodyOf ?? [])],
});

const order = ['bit-exact', 'bounded', 'differs'] as const;

interface CertifiedBody {
  readonly body: Pick<Body, 'within'>;
  readonly certificate: Certificate;
}

/** The certificate of a graph and of the graphs inside of it: the verdict is the least of theirs. */
function joined(own: Certificate, bodies: readonly CertifiedBody[]): Certificate {
  const all = [own, ...bodies.map(({ certificate }) => certificate)];
  const entries = lazily(() => [
    ...own.entries,
    ...bodies.flatMap(({ body, certificate }) => certificate.entries.map((entry) => inBody(entry, body))),
  ]);
  const grouping = [
    ...own.grouping,
    ...bodies.flatMap(({ body, certificate }) => certificate.grouping.map((entry) => inBody(entry, body))),
  ];
  const certificate = {
    ...(own.profile && { profile: own.profile }),
    ...(own.notes && { notes: own.notes }),
    ...(own.floats && { floats: own.floats }),
    get verdict() {
      return order[all.reduce((worst, { verdict }) => Math.max(worst, order.indexOf(verdict)), 0)];
    },
    get entries() {
      return entries();
    },
    grouping,
  };
  // proved when it is first read
  return 'selection' in own
    ? Object.defineProperty(certificate, 'selection', { get: () => own.selection, enumerable: true })
    : certificate;
}
