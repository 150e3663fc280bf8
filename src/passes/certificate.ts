/** What a rewrite may say about its result: which rules were applied where, and how exact each of them is. */
import type { Graph } from '../ir/index.ts';
import { findRule } from './all_rules.ts';
import type { PassTrace } from './pass.ts';
import type { Exactness } from './rewrite/rule.ts';

export interface CertificateEntry {
  /** The value whose computation was rewritten. */
  readonly node: string;
  readonly layer: string;
  readonly rules: readonly string[];
  readonly exactness: Exactness;
}

export interface Certificate {
  /** Of the corrections: `bit-exact` when every one is. */
  readonly verdict: 'bit-exact' | 'bounded';
  readonly entries: readonly CertificateEntry[];
  /** How float operators between dequantize and quantize were read as integer ones. */
  readonly grouping: readonly CertificateEntry[];
}

/** Derived from the traces: the rules know their own exactness. */
export function certificateOf(
  graph: Graph,
  grouping: readonly PassTrace[],
  corrections: readonly PassTrace[],
): Certificate {
  const entries = entriesOf(graph, corrections);
  return {
    verdict: entries.every((e) => e.exactness === 'bit-exact') ? 'bit-exact' : 'bounded',
    entries,
    grouping: entriesOf(graph, grouping),
  };
}

function entriesOf(graph: Graph, trace: readonly PassTrace[]): CertificateEntry[] {
  const byNode = new Map<string, { layer: string; rules: Set<string> }>();
  for (const { rule, root, loc } of trace.flatMap((step) => step.events)) {
    const entry = byNode.get(root) ?? { layer: loc.node ?? root, rules: new Set() };
    byNode.set(root, entry);
    entry.rules.add(rule);
  }
  return [...byNode]
    .filter(([node]) => graph.nodes[node as never] !== undefined)
    .map(([node, { layer, rules }]) => ({ node, layer, rules: [...rules], exactness: combined([...rules]) }));
}

/** Bit-exact when all of them are, else the bounds together. */
function combined(rules: readonly string[]): Exactness {
  const bounds = rules.flatMap((name) => {
    const exactness = findRule(name)?.exactness ?? 'bit-exact';
    return exactness === 'bit-exact' ? [] : [exactness.bound];
  });
  return bounds.length === 0 ? 'bit-exact' : { bound: [...new Set(bounds)].join('; ') };
}
