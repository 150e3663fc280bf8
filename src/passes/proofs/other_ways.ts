/** What follows from an obligation that is not discharged: the layer takes its next way. */
import type { Certificate, CertificateEntry } from '../certificate.ts';
import type { Strategy, StrategyName, StrategyReport } from '../strategies.ts';
import { isProved, isRefuted } from './obligation.ts';

/** The ways that were not proved, by node. */
export type Tried = Map<string, Set<string>>;

/**
 * The strategy in which every layer that was not proved takes its cheapest legal way that was not tried, and every other
 * one what it has; undefined when nothing is left to change.
 */
export function otherWays(
  { entries }: Certificate,
  reports: readonly StrategyReport[],
  tried: Tried,
): Strategy | undefined {
  const unproved = new Set(
    entries.filter(({ obligations }) => obligations?.some((o) => !isProved(o))).map((e) => e.node),
  );
  const concerns = ({ node }: StrategyReport): boolean => {
    const entry = entries.find((e) => e.node === node);
    return unproved.has(node) || (entry?.within !== undefined && unproved.has(entry.within));
  };
  let changes = false;
  const strategy = reports.flatMap((report): [string, StrategyName][] => {
    let way = report.chosen;
    if (concerns(report)) {
      const known = tried.get(report.node) ?? new Set();
      tried.set(report.node, known.add(way));
      const [next] = report.ways.filter((w) => w.legal && !known.has(w.name)).sort((a, b) => a.cost - b.cost);
      changes ||= next !== undefined;
      way = next?.name ?? way;
    }
    return way === 'none' ? [] : [[report.node, way as StrategyName]];
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
