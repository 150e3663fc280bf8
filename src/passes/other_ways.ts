/** Gives a layer its next way when an obligation is not discharged. */

import { isProved, isRefuted } from '../proofs/index.ts';
import type { Certificate, CertificateEntry } from './certificate.ts';
import type { StrategyReport } from './strategies.ts';
import { isStrategyName, type Strategy, type StrategyName } from './strategy_names.ts';

/** The unproved ways of each node, cheapest first; `isSettled` when none is left to try. */
export type Tried = Map<string, { readonly ways: Map<string, 'open' | 'refuted'>; isSettled: boolean }>;

/**
 * The strategy in which every layer that was not proved takes its cheapest legal way that was not tried, and every
 * other layer keeps its way; undefined when nothing is left to change. When no way is proved, the first one that was
 * not refuted stays: an undecided proof is not a reason to be slow.
 */
export function otherWays(
  { entries }: Certificate,
  reports: readonly StrategyReport[],
  tried: Tried,
): Strategy | undefined {
  const unproved = new Map(
    entries
      .filter(({ obligations }) => obligations?.some((o) => !isProved(o)))
      .map((entry) => [entry.node, entry.obligations?.some(isRefuted) ? 'refuted' : 'open'] as const),
  );
  const within = new Map(entries.map((entry) => [entry.node, entry.within]));
  const failureOf = ({ node }: StrategyReport) => unproved.get(node) ?? unproved.get(within.get(node) ?? '');
  let changes = false;
  const strategy = reports.flatMap((report): [string, StrategyName][] => {
    const failure = failureOf(report);
    const known = tried.get(report.node) ?? { ways: new Map(), isSettled: false };
    let way: string = report.chosen;
    if (failure !== undefined && !known.isSettled) {
      tried.set(report.node, known);
      known.ways.set(way, failure);
      const [next] = report.ways.filter((w) => w.legal && !known.ways.has(w.name)).sort((a, b) => a.cost - b.cost);
      known.isSettled = next === undefined;
      way = next?.name ?? [...known.ways].find(([, verdict]) => verdict === 'open')?.[0] ?? way;
      changes ||= way !== report.chosen;
    }
    return isStrategyName(way) && way !== 'auto' ? [[report.node, way]] : [];
  });
  return changes ? Object.fromEntries(strategy) : undefined;
}

export const refutationsOf = ({ entries }: Certificate): string =>
  entries
    .filter(({ obligations }) => obligations?.some(isRefuted))
    .map(
      ({ node, rules, exactness }: CertificateEntry) =>
        `%${node}, rewritten by ${rules.join(', ')}: ${exactness === 'bit-exact' ? '' : exactness.bound}`,
    )
    .join('\n');
