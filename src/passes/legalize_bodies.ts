/** Graphs inside of operators (bodies of control flow) legalized beside the graph that they are in, and one account of both. */
import { type Body, type Graph, nodesOf } from '../ir/index.ts';
import type { Certificate } from './certificate.ts';
import { lazily } from './lazily.ts';
import type { LegalizeResult } from './legalize_result.ts';
import type { Strategy } from './strategy_names.ts';

export interface LegalizedBody {
  readonly body: Body;
  readonly result: LegalizeResult;
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
  new Set([...namesIn(graph), ...(graph.origin?.bodies ?? []).flatMap((body) => [...layerNames(body.graph)])]);

export function withBodies(own: LegalizeResult, bodies: readonly LegalizedBody[]): LegalizeResult {
  const legalized = bodies.map(({ body, result }) => ({ ...body, graph: result.graph }));
  const quantized = bodies.map(({ body, result }) => ({ ...body, graph: result.quantized }));
  const remaining = lazily(() => [
    ...own.remaining,
    ...bodies.flatMap(({ body, result }) => result.remaining.map((entry) => inBody(entry, body))),
  ]);
  return {
    graph: withOrigin(own.graph, legalized),
    quantized: withOrigin(own.quantized, quantized),
    trace: [...own.trace, ...bodies.flatMap(({ result }) => result.trace)],
    certificate: joined(own.certificate, bodies),
    certify: (selected, by) => joined(own.certify(selected, by), bodies),
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

const withOrigin = (graph: Graph, bodies: readonly Body[]): Graph =>
  graph.origin === undefined ? graph : { ...graph, origin: { ...graph.origin, bodies } };

const inBody = <T extends { readonly bodyOf?: readonly string[] }>(entry: T, { within }: Body): T => ({
  ...entry,
  bodyOf: [within, ...(entry.bodyOf ?? [])],
});

const order = ['bit-exact', 'bounded', 'differs'] as const;

/** The certificate of a graph and of the graphs inside of it: the verdict is the least of theirs. */
function joined(own: Certificate, bodies: readonly LegalizedBody[]): Certificate {
  const all = [own, ...bodies.map(({ result }) => result.certificate)];
  const entries = lazily(() => [
    ...own.entries,
    ...bodies.flatMap(({ body, result }) => result.certificate.entries.map((entry) => inBody(entry, body))),
  ]);
  const grouping = [
    ...own.grouping,
    ...bodies.flatMap(({ body, result }) => result.certificate.grouping.map((entry) => inBody(entry, body))),
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
