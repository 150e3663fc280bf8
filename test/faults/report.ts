/** Prints the verdict on every fault, and how many of each there are: `node --import tsx test/faults/report.ts [PART]`. */
import { formatTable } from '../../src/cli/table.ts';
import { decide, type Verdict } from './decide.ts';
import { faults, faultsRoot } from './entries.ts';

const [part = ''] = process.argv.slice(2);
const root = faultsRoot();
if (root === undefined) throw new Error('shared/faults does not lie beside the repository');
const counts = new Map<string, Map<Verdict, number>>();
for (const fault of faults().filter(({ file, issue }) => `${issue} ${file}`.includes(part))) {
  const start = performance.now();
  const { verdict, why = '' } = await decide(root, fault);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const of = counts.get(fault.issue) ?? new Map<Verdict, number>();
  counts.set(fault.issue, of.set(verdict, (of.get(verdict) ?? 0) + 1));
  console.log(`${verdict.padEnd(17)} ${seconds.padStart(5)} s  ${fault.issue.padEnd(9)} ${fault.file}`);
  if (verdict !== 'right') console.log(`    ${why.replaceAll('\n', '\n    ').slice(0, 600)}`);
}
const verdicts: Verdict[] = ['right', 'refused-as-right', 'refused', 'WRONG', 'SLOW', 'CRASH'];
console.log(
  formatTable(
    ['faults', ...verdicts],
    [...counts].map(([issue, of]) => [issue, ...verdicts.map((v) => of.get(v) ?? 0)]),
  ),
);
