import { closest, fail } from '../../diagnostics/index.ts';
import { workOf } from '../command.ts';
import type { explain } from '../commands/explain.ts';
import { type Explanation, explainGraph } from '../explaining.ts';
import { openSource } from '../files.ts';
import { withShapes } from '../inputs.ts';
import { formatPairs, formatTable, named, right, shortened } from '../table.ts';
import type { Terminal } from '../terminal.ts';

export const work = workOf<typeof explain>()({
  async run(values, terminal) {
    const { model, node, target, strategy } = values;
    const { graph, kind } = await openSource(model, values, terminal);
    if (kind === 'compiled')
      fail(
        'U4002',
        'a compiled model keeps no account of its rules',
        { file: model },
        'explain the model that it was compiled from',
      );
    const { layers, withoutPlan } = explainGraph(withShapes(graph, values), target, strategy, terminal.proving);
    const wanted = node === undefined ? layers : layers.filter((l) => l.layer === node || l.nodes.includes(node));
    if (node !== undefined && wanted.length === 0) {
      const near = closest(
        node,
        layers.map(({ layer }) => layer),
      );
      fail(
        'U4002',
        `the model has no node '${node}'`,
        { file: model },
        near ? `did you mean '${near}'?` : `unskew explain ${model} -v shows all of them`,
      );
    }
    return {
      file: model,
      target,
      ...(node !== undefined && { node }),
      layers: wanted,
      ...(withoutPlan && { withoutPlan }),
    };
  },
  format(r, terminal) {
    const isDetailed = r.node !== undefined || terminal.verbose;
    const sections = isDetailed
      ? r.layers.map((layer) => layerText(layer, r.node === undefined ? shortened(layer.layer) : layer.layer, terminal))
      : [ruleTable(r.layers), ...(r.withoutPlan ? [] : [fallbackText(r.layers)])];
    return [
      ...sections,
      ...(r.withoutPlan ? [`Nothing is known about the places where nodes run: ${r.withoutPlan}`] : []),
    ].join('\n\n');
  },
});

function layerText(
  { op, fired, missed, correction, rounding, fallback, runsOn }: Explanation,
  name: string,
  { paint }: Terminal,
): string {
  const lines = [paint('bold', `${name} (${op})`)];
  const section = (title: string, pairs: readonly (readonly [string, string])[]) => {
    if (pairs.length > 0) lines.push(`  ${title}`, formatPairs(pairs, '    '));
  };
  section(
    'fired',
    fired.map(({ rule, law, pass }) => [rule, law ?? `in ${pass}`]),
  );
  const near = missed.filter((m) => m.nearness < 2);
  const far = missed.filter((m) => m.nearness >= 2);
  section(
    'nearly fired',
    near.map(({ rule, reason, hint, value }) => [
      rule,
      `${reason}${value ? ` [%${shortened(value)}]` : ''}${hint ? `; what helps: ${hint}` : ''}`,
    ]),
  );
  section('do not apply', byReason(far));
  if (correction !== undefined)
    section(
      `zero point corrected by ${correction.chosen}; the ways were`,
      correction.ways.map(({ name, legal, cost, reason }) => [
        name,
        legal ? `cost ${cost.toFixed(2)}` : `not legal: ${reason}`,
      ]),
    );
  if (rounding !== undefined) lines.push(`  rounds in ${rounding}`);
  if (fallback !== undefined) lines.push(`  runs on ${runsOn}: ${fallback}`);
  if (lines.length === 1) lines.push('  no rule looked at it');
  return lines.join('\n');
}

/** Rules that give the same reason share a line. */
function byReason(missed: Explanation['missed']): (readonly [string, string])[] {
  const rules = new Map<string, string[]>();
  for (const { rule, reason } of missed) rules.set(reason, [...(rules.get(reason) ?? []), rule]);
  return [...rules].map(([reason, names]) => [names.join(', '), reason]);
}

/** Per rule: how many layers it fired in, how many it did not, and of its nearest misses the reason given most often. */
function ruleTable(layers: readonly Explanation[]): string {
  const rules = new Map<string, { fired: number; missed: number; nearest: number; reasons: string[] }>();
  const of = (rule: string) => {
    const known = rules.get(rule) ?? { fired: 0, missed: 0, nearest: 4, reasons: [] };
    rules.set(rule, known);
    return known;
  };
  for (const { fired, missed } of layers) {
    for (const rule of new Set(fired.map((f) => f.rule))) of(rule).fired++;
    for (const { rule, reason, nearness } of missed) {
      const entry = of(rule);
      if (nearness < entry.nearest) entry.reasons = [];
      if (nearness <= entry.nearest) entry.reasons.push(reason);
      entry.nearest = Math.min(entry.nearest, nearness);
      entry.missed++;
    }
  }
  const rows = [...rules]
    .sort(([, a], [, b]) => Math.sign(b.fired) - Math.sign(a.fired) || a.nearest - b.nearest)
    .map(([rule, { fired, missed, reasons }]) => [rule, fired, missed, mostFrequent(reasons)]);
  return formatTable(['rule', right('fired'), right('not'), 'where it came nearest, mostly because'], rows);
}

function mostFrequent(reasons: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}

function fallbackText(layers: readonly Explanation[]): string {
  const rows = layers.flatMap(({ layer, op, fallback, runsOn }) =>
    fallback === undefined ? [] : [[layer, op, runsOn, fallback]],
  );
  if (rows.length === 0) return 'Everything runs natively.';
  return `Not natively:\n${formatTable([named('node'), 'operator', 'runs on', 'reason'], rows)}`;
}
