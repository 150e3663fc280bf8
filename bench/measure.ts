/** Timings as tables; measured by what `unskew bench` measures with. */
import { compare, type Timing } from '../src/cli/measure.ts';
import { formatTable as formatColumns, right } from '../src/cli/table.ts';

export {
  type Contender,
  compare,
  measure,
  quantile,
  type Ratio,
  type Schedule,
  type Timing,
  usualSchedule,
} from '../src/cli/measure.ts';

/** Rows under a header: the first column to the left, all others to the right. */
export const formatTable = ([first, ...rest]: readonly string[], rows: readonly (readonly string[])[]): string =>
  formatColumns([first!, ...rest.map(right)], rows);

/** Timings as a table; the last column compares every contender with the first. */
export function formatTimings(timings: readonly Timing[]): string {
  const header = ['contender', 'runs', 'min ms', 'median ms', 'p99 ms', 'time / first (p10-p90)'];
  const rows = timings.map((t, index) => {
    const { ratio, low, high } = compare(timings[0]!, t);
    const versus = index === 0 ? '1' : `${ratio.toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`;
    return [t.name, String(t.runs), t.minimum.toFixed(3), t.median.toFixed(3), t.p99.toFixed(3), versus];
  });
  return formatTable(header, rows);
}
