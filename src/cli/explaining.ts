/** Why the rules did what they did, layer by layer. */

import { buildPlan } from '../codegen/onednn/plan.ts';
import { select, selectRules } from '../codegen/onednn/select/index.ts';
import { type Graph, nodesOf, specialize } from '../ir/index.ts';
import { findRule } from '../passes/all_rules.ts';
import { legalize, resolveTarget } from '../passes/legalize.ts';
import { runPipeline } from '../passes/manager.ts';
import type { PassTrace } from '../passes/pass.ts';
import type { Miss } from '../passes/rewrite/rule.ts';
import type { Strategy, StrategyReport } from '../passes/strategies.ts';
import type { Target } from '../passes/target.ts';
import { addonAvailable, loadAddon } from '../runtime/addon.ts';

export interface Explanation {
  /** The node of the model, or of the graph where the model gives no name. */
  readonly layer: string;
  readonly op: string;
  /** Nodes of the graph that this is about. */
  readonly nodes: readonly string[];
  /** Also the rules that took one of its nodes into something else. */
  readonly fired: readonly { readonly pass: string; readonly rule: string; readonly law?: string }[];
  readonly missed: readonly { readonly rule: string; readonly reason: string; readonly hint?: string }[];
  readonly correction?: StrategyReport;
  /** Set when part of it runs on the interpreter. */
  readonly fallback?: string;
}

export interface Explained {
  readonly layers: readonly Explanation[];
  /** Why nothing is known about fallbacks. */
  readonly withoutPlan?: string;
}

export function explainGraph(graph: Graph, target: Target['name'], strategy: Strategy | undefined): Explained {
  const legal = legalize(graph, { target, ...(strategy && { strategy }) });
  const misses: Miss[] = [...legal.misses];
  let trace: readonly PassTrace[] = legal.trace;
  let plan: ReturnType<typeof fallbacks> = { reasons: new Map() };
  if (target === 'onednn') {
    const selected = runPipeline(legal.graph, [select], {
      target: resolveTarget(target),
      onMiss: (miss) => misses.push(miss),
    });
    trace = [...trace, ...selected.trace];
    plan = fallbacks(selected.graph);
  }
  const { reasons, withoutPlan } = plan;
  return { layers: byLayer(graph, trace, misses, legal.strategies, reasons), ...(withoutPlan && { withoutPlan }) };
}

const lawOf = (name: string): string | undefined =>
  (findRule(name) ?? selectRules.flat().find((rule) => rule.name === name))?.law;

/** By node; dimensions that are open are taken as 1. */
function fallbacks(graph: Graph): { reasons: Map<string, string>; withoutPlan?: string } {
  const addon = addonAvailable();
  if (!addon.available) return { reasons: new Map(), withoutPlan: addon.reason };
  const symbols = graph.inputs.flatMap((id) => graph.values[id].type.shape.filter((dim) => typeof dim === 'string'));
  const concrete = specialize(graph, new Map(symbols.map((symbol) => [symbol, 1])));
  const { steps } = buildPlan(concrete, loadAddon(), 1);
  return { reasons: new Map(steps.flatMap((s) => (s.kind === 'reference' ? [[s.node.id, s.reason]] : []))) };
}

type Draft = {
  op: string;
  nodes: Set<string>;
  fired: Explanation['fired'][number][];
  missed: Explanation['missed'][number][];
  correction?: StrategyReport;
  fallback?: string;
};

function byLayer(
  graph: Graph,
  trace: readonly PassTrace[],
  misses: readonly Miss[],
  strategies: readonly StrategyReport[],
  fallbackReasons: ReadonlyMap<string, string>,
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
  for (const { rule, node, reason, hint } of misses) {
    if (fired.has(`${rule} ${node.id}`)) continue;
    const { missed } = draftOf(node.loc.node ?? node.id, node.loc.op ?? node.op);
    if (!missed.some((m) => m.rule === rule && m.reason === reason))
      missed.push({ rule, reason, ...(hint && { hint }) });
  }
  for (const entry of strategies) draftOf(entry.layer, entry.op).correction = entry;
  for (const [node, reason] of fallbackReasons) draftOf(layerOfNode.get(node) ?? node, node).fallback = reason;
  return [...drafts].map(([layer, { nodes, ...rest }]) => ({ layer, nodes: [...nodes], ...rest }));
}
