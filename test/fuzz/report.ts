/** The state of a campaign as text and as JSON. */
import { formatTable, right } from '../../src/cli/table.ts';
import type { CampaignState } from './campaign.ts';
import type { KindTally } from './tally.ts';

const share = (part: number, whole: number): string => (whole === 0 ? '' : `${((100 * part) / whole).toFixed(0)} %`);

export function tableOf({ tallies }: CampaignState): string {
  const row = (name: string, t: KindTally) => [
    name,
    t.cases,
    t.seconds === 0 ? '' : (t.cases / t.seconds).toFixed(1),
    share(t.refused, t.cases),
    share(t.imported, t.cases),
    share(t.executed, t.cases),
    [...t.skipped.values()].reduce((sum, n) => sum + n, 0),
    t.codes.size,
    t.operators.size,
    t.findings,
  ];
  const columns = ['cases', 'cases/s', 'refused', 'imported', 'executed', 'skipped', 'codes', 'operators', 'findings'];
  const rows = [...tallies].map(([kind, t]) => row(kind, t));
  const all = sumOf([...tallies.values()]);
  return formatTable(['kind', ...columns.map(right)], tallies.size > 1 ? [...rows, row('all', all)] : rows);
}

function sumOf(tallies: readonly KindTally[]): KindTally {
  const add = (field: 'cases' | 'seconds' | 'refused' | 'imported' | 'executed' | 'findings') =>
    tallies.reduce((sum, t) => sum + t[field], 0);
  return {
    cases: add('cases'),
    seconds: add('seconds'),
    refused: add('refused'),
    imported: add('imported'),
    executed: add('executed'),
    findings: add('findings'),
    codes: new Set(tallies.flatMap((t) => [...t.codes])),
    operators: new Set(tallies.flatMap((t) => [...t.operators])),
    skipped: new Map(tallies.flatMap((t, i) => [...t.skipped].map(([why, n]) => [`${why} ${i}`, n] as const))),
  };
}

/** The report at the end: skipped cases with their reasons, and each fault with the way to see it again. */
export function summaryOf(state: CampaignState, own: boolean): string {
  const skipped = new Map<string, number>();
  for (const t of state.tallies.values())
    for (const [why, n] of t.skipped) skipped.set(why, (skipped.get(why) ?? 0) + n);
  const lines = [tableOf(state), ''];
  if (skipped.size > 0)
    lines.push(`not executed, or not compared: ${[...skipped].map(([why, n]) => `${n} for ${why}`).join(', ')}`);
  for (const { finding, id, from, count, minimal, file } of state.faults) {
    lines.push('', `${finding.class} during ${finding.during}, ${count} times; first in ${id}, made of ${from}`);
    lines.push(`  ${finding.message.split('\n').slice(0, 8).join('\n  ')}`);
    lines.push(
      `  replay: npm run fuzz -- --replay ${minimal ?? id}${own ? ' --own' : ''}${file ? `, kept in ${file}` : ''}`,
    );
  }
  const { length } = state.faults;
  lines.push('', length === 0 ? 'nothing was found' : `${length} ${length === 1 ? 'fault' : 'different faults'}`);
  return lines.join('\n');
}

export const jsonOf = (state: CampaignState): unknown => ({
  seconds: state.seconds,
  kinds: Object.fromEntries(
    [...state.tallies].map(([kind, t]) => [
      kind,
      { ...t, codes: [...t.codes], operators: [...t.operators], skipped: Object.fromEntries(t.skipped) },
    ]),
  ),
  faults: state.faults,
});
