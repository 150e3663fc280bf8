/** Explains the decisions of the rules, layer by layer. */

import {
  type Fallback,
  fallbacksOf,
  type LegalizeOptions,
  legalize,
  partition,
  resolveTarget,
  select,
  type TargetName,
} from '../codegen/index.ts';
import { type Graph, isOp, nodesOf, qnnRequantize, specialize } from '../ir/index.ts';
import { describeMode } from '../numerics/index.ts';
import {
  findRule,
  foldWeights,
  type Miss,
  type Nearness,
  nearness,
  type PassTrace,
  runPipeline,
  type Strategy,
  type StrategyReport,
} from '../passes/index.ts';
import { recipeOf } from '../proofs/index.ts';
import { addonAvailable, openHere, portableBackend, usualOrder } from '../runtime/index.ts';
import { computerOf } from './compiling.ts';
import { fittingSizes } from './open_sizes.ts';

export interface Explanation {
  /** The node of the model, or of the graph where the model gives no name. */
  readonly layer: string;
  readonly op: string;
  /** Nodes of the graph that this is about. */
  readonly nodes: readonly string[];
  /** Also the rules that took one of its nodes into something else. */
  readonly fired: readonly { readonly pass: string; readonly rule: string; readonly law?: string }[];
  /** Near misses first; see passes/rewrite/nearness.ts. */
  readonly missed: readonly {
    readonly rule: string;
    readonly reason: string;
    readonly hint?: string;
    /** The value that does not fit. */
    readonly value?: string;
    readonly nearness: Nearness;
  }[];
  readonly correction?: StrategyReport;
  /** The rounding of a sum that ends in a requantize, and the recipe of the addon when it is another one. */
  readonly rounding?: string;
  /** Why part of it does not run natively, and who computes it: the interpreter or ONNX Runtime. */
  readonly fallback?: string;
  readonly runsOn?: string;
}

export interface Explained {
  readonly layers: readonly Explanation[];
  /** Why nothing is known about fallbacks. */
  readonly withoutPlan?: string;
}

export function explainGraph(
  graph: Graph,
  target: TargetName,
  strategy: Strategy | undefined,
  onProof?: LegalizeOptions['onProof'],
): Explained {
  const legal = legalize(graph, { target, ...(strategy && { strategy }), ...(onProof && { onProof }) });
  const misses: Miss[] = [...legal.misses];
  let trace: readonly PassTrace[] = legal.trace;
  let plan: ReturnType<typeof fallbacks> = { reasons: new Map() };
  let selectedGraph = legal.graph;
  const goal = resolveTarget(target);
  if (goal.capabilities.executes) {
    const selected = runPipeline(legal.graph, [select(portableBackend), foldWeights(portableBackend.level)], {
      target: goal,
      onMiss: (miss) => misses.push(miss),
    });
    trace = [...trace, ...selected.trace];
    plan = fallbacks(selected.graph);
    selectedGraph = selected.graph;
  }
  const { reasons, withoutPlan } = plan;
  const rounding = roundings(legal.graph, selectedGraph);
  return {
    layers: byLayer(graph, trace, misses, legal.strategies, { reasons, rounding }),
    ...(withoutPlan && { withoutPlan }),
  };
}

/** The recipe of each requantize in words, and the recipe that replaces it on the addon. */
function roundings(graph: Graph, selected: Graph): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const node of nodesOf(graph)) {
    const now = selected.nodes[node.id];
    const [asked, done] = [recipeOf(graph, node), now && recipeOf(selected, now)];
    if (!isOp(node, qnnRequantize) || asked === undefined) continue;
    const [words, other] = [describeMode(asked.mode), done && describeMode(done.mode)];
    const same = other === undefined || other === words;
    found.set(node.id, same ? words : `${words}; done in ${other}, which steps at the same sums`);
  }
  return found;
}

const lawOf = (name: string): string | undefined =>
  (
    findRule(name) ??
    portableBackend
      .selection()
      .flat()
      .find((rule) => rule.name === name)
  )?.law;

/** The fallbacks by node; open dimensions get sizes that fit. */
function fallbacks(graph: Graph): { reasons: ReadonlyMap<string, Fallback>; withoutPlan?: string } {
  const addon = addonAvailable();
  if (!addon.available) return { reasons: new Map(), withoutPlan: addon.reason };
  const sizes = fittingSizes(graph);
  if (sizes === undefined)
    return {
      reasons: new Map(),
      withoutPlan: 'no sizes were found that fit its open dimensions; give some with --shape',
    };
  const parts = partition(specialize(graph, sizes), openHere(usualOrder(), 1));
  return { reasons: new Map(fallbacksOf(parts).map((fallback) => [fallback.node, fallback])) };
}

type Draft = {
  op: string;
  nodes: Set<string>;
  fired: Explanation['fired'][number][];
  missed: Explanation['missed'][number][];
  correction?: StrategyReport;
  rounding?: string;
  fallback?: string;
};

function byLayer(
  graph: Graph,
  trace: readonly PassTrace[],
  misses: readonly Miss[],
  strategies: readonly StrategyReport[],
  {
    reasons,
    rounding,
  }: {
    readonly reasons: ReadonlyMap<string, Fallback>;
    readonly rounding: ReadonlyMap<string, string>;
  },
): Explanation[] {
  const drafts = new Map<string, Draft>();
  const layerOfNode = new Map<string, string>();
  const draftOf = (layer: string, op: string): Draft => {
    const known = drafts.get(layer) ?? { op, nodes: new Set<string>(), fired: [], missed: [] };
    drafts.set(layer, known);
    return known;
  };
  for (const node of nodesOf(graph)) {
    const layer = node.loc.node ?? node.id;
    draftOf(layer, node.loc.op ?? node.op).nodes.add(node.id);
    for (const id of node.results) layerOfNode.set(id, layer);
  }
  const fired = new Set<string>();
  for (const { pass, events } of trace)
    for (const { rule, root, loc, removed } of events) {
      fired.add(`${rule} ${root}`);
      const law = lawOf(rule);
      const own = loc.node ?? root;
      draftOf(own, loc.op ?? rule);
      for (const layer of new Set([own, ...removed.flatMap((id) => layerOfNode.get(id) ?? [])])) {
        const list = drafts.get(layer)!.fired;
        if (!list.some((f) => f.rule === rule && f.pass === pass)) list.push({ pass, rule, ...(law && { law }) });
      }
    }
  for (const miss of misses) {
    const { rule, node, reason, hint, operand } = miss;
    if (fired.has(`${rule} ${node.id}`)) continue;
    const { missed } = draftOf(node.loc.node ?? node.id, node.loc.op ?? node.op);
    if (!missed.some((m) => m.rule === rule && m.reason === reason))
      missed.push({
        rule,
        reason,
        ...(hint && { hint }),
        ...(operand && { value: operand }),
        nearness: nearness(miss),
      });
  }
  for (const entry of strategies) draftOf(entry.layer, entry.op).correction = entry;
  for (const [node, words] of rounding) draftOf(layerOfNode.get(node) ?? node, node).rounding = words;
  for (const [node, { backend, reason }] of reasons)
    Object.assign(draftOf(layerOfNode.get(node) ?? node, node), { fallback: reason, runsOn: computerOf(backend) });
  // Of two that came equally near, the one that does fire somewhere in this model is the more likely one.
  const used = new Set([...drafts.values()].flatMap((draft) => draft.fired.map(({ rule }) => rule)));
  const order = (m: Explanation['missed'][number]): number => 2 * m.nearness + (used.has(m.rule) ? 0 : 1);
  return [...drafts].map(([layer, { nodes, missed, ...rest }]) => ({
    layer,
    nodes: [...nodes],
    ...rest,
    missed: missed.sort((a, b) => order(a) - order(b)),
  }));
}
