/** The findings of a sweep, by kind and column. */
import { formatTable, right } from '../../src/cli/table.ts';
import type { Outcome } from './judge.ts';

/** By kind, column and verdict. */
export type Counts = Map<string, Map<string, Record<string, number>>>;

export function countsOf(counts: Counts, kind: string, { column, verdict, code }: Outcome): void {
  const columns = counts.get(kind) ?? new Map<string, Record<string, number>>();
  counts.set(kind, columns);
  const verdicts = columns.get(column) ?? {};
  columns.set(column, verdicts);
  const key = code === undefined || verdict === 'differs' ? verdict : `${verdict} ${code}`;
  verdicts[key] = (verdicts[key] ?? 0) + 1;
}

/**
 * A row for each kind and column, with the counts of equal layers, ties, layers refused or excepted by name, and differences.
 */
export function table(counts: Counts): string {
  const rows = [...counts].flatMap(([kind, columns]) =>
    [...columns].map(([column, verdicts], i) => {
      const sum = Object.values(verdicts).reduce((a, b) => a + b, 0);
      const named = (prefix: string) =>
        Object.entries(verdicts)
          .filter(([key]) => key.startsWith(`${prefix} `))
          .map(([key, n]) => `${n} ${key.slice(prefix.length + 1)}`)
          .join(', ');
      const { equal = 0, tie = 0, differs = 0 } = verdicts;
      return [i === 0 ? kind : '', column, sum, equal, tie || '', named('refused'), named('excepted'), differs || ''];
    }),
  );
  const head = [
    'kind',
    'engine',
    right('layers'),
    right('equal'),
    right('ties'),
    'refused',
    'excepted',
    right('differ'),
  ];
  return formatTable(head, rows);
}
