/** Counts over the cases of one kind. */
import type { Report } from './examination.ts';

export interface KindTally {
  cases: number;
  seconds: number;
  refused: number;
  imported: number;
  executed: number;
  findings: number;
  readonly codes: Set<string>;
  readonly operators: Set<string>;
  /** The reasons why imported models were not executed, or not compared with another engine. */
  readonly skipped: Map<string, number>;
}

export const newTally = (): KindTally => ({
  cases: 0,
  seconds: 0,
  refused: 0,
  imported: 0,
  executed: 0,
  findings: 0,
  codes: new Set(),
  operators: new Set(),
  skipped: new Map(),
});

export function tally(of: KindTally, report: Report, seconds: number): void {
  of.cases++;
  of.seconds += seconds;
  if (report.stage === 'refused') of.refused++;
  else of.imported++;
  if (report.stage === 'executed') of.executed++;
  of.findings += report.findings.length;
  for (const code of report.codes) of.codes.add(code);
  for (const operator of report.operators) of.operators.add(operator);
  if (report.skipped) of.skipped.set(report.skipped, (of.skipped.get(report.skipped) ?? 0) + 1);
}
