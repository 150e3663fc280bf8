/** Prints what becomes of every single-operator model: `npx tsx test/tflite/report.ts`, with the name of an operator for one alone, and `--wrong` for reasons. */
import { interpret } from '../../src/ir/index.ts';
import { type Outcome, operatorCases, outcomeOf } from './operator_cases.ts';

const [only] = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const shows = process.argv.includes('--wrong');
const totals: Record<string, Record<string, number>> = {};
for (const profile of ['tflite', 'xnnpack'] as const) {
  for (const c of operatorCases(only)) {
    let outcome: Outcome;
    try {
      outcome = await outcomeOf(c, profile, async (graph, feeds) => interpret(graph, feeds));
    } catch (error) {
      outcome = { status: 'wrong', why: `throws ${(error as Error).stack?.split('\n').slice(0, 3).join(' ')}` };
    }
    const row = (totals[`${profile.padEnd(8)} ${c.op.padEnd(30)}`] ??= {});
    row[outcome.status] = (row[outcome.status] ?? 0) + 1;
    if (shows && outcome.status !== 'equal')
      console.log(profile, c.id, JSON.stringify(c.options), outcome.status, outcome.why);
  }
}
for (const [name, row] of Object.entries(totals)) console.log(name, JSON.stringify(row));
for (const profile of ['tflite', 'xnnpack']) {
  const rows = Object.entries(totals).filter(([name]) => name.startsWith(profile));
  const sum = (status: string) => rows.reduce((n, [, row]) => n + (row[status] ?? 0), 0);
  console.log(profile, 'equal', sum('equal'), 'refused', sum('refused'), 'wrong', sum('wrong'));
}
