/** Rows of the zoo's benchmark as tables of a terminal. */
import { formatTable } from '../measure.ts';
import type { Difference } from './difference.ts';
import { type Engine, engines, homes, peers } from './engines.ts';
import type { EngineFigures, Ratio, Row, SentencesRow } from './result.ts';

const time = (ms: number | undefined): string => (ms === undefined ? '-' : ms.toFixed(2));
const spread = ([low, middle, high]: Ratio): string => `${middle.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`;
const both = (a: number | undefined, b: number | undefined): string =>
  [a, b].map((value) => (value === undefined ? '-' : value.toFixed(0))).join(', ');
const kib = (figures: EngineFigures | undefined) => figures && figures.peakKiB / 1024;

type AnyRow = Row | SentencesRow;

/** What a row is about besides model and threads. */
const conditions = ({ sizes = {}, isa }: AnyRow): string =>
  [...Object.entries(sizes).map(([name, size]) => `${name}=${size}`), ...(isa ? [isa] : [])].join(' ');

/** How many elements differ, of how many, and the largest relative difference of floats. */
export function differing(difference: Difference | string | undefined): string {
  if (difference === undefined || typeof difference === 'string') return '-';
  const { integers, integersOf, floatBits, floatsOf, floats } = difference;
  const largest = floatBits === 0 ? '' : `, by ${floats?.toExponential(1) ?? 'NaN'}`;
  return `${integers + floatBits} of ${integersOf + floatsOf}${largest}`;
}

/** The other engines that one of the rows has figures of. */
const peersIn = (rows: readonly AnyRow[]): readonly Engine[] =>
  peers.filter((name) => rows.some((row) => row.engines[name] !== undefined));

/** Ratios are the time of the other engine divided by that of `run`: above 1 unskew is faster. */
export function formatRows(rows: readonly Row[]): string {
  const others = peersIn(rows);
  const header = [
    ...['model', 'sizes, isa', 'threads', 'run ms', 'runSync ms'],
    ...others.flatMap((name) => [`${engines[name].label} ms`, `${engines[name].label} / run (p10-p90)`]),
    ...['cold: ours, home ms', 'peak: ours, home MiB', 'interpreted', 'of VNNI peak'],
    ...['differ: home', 'differ: interpreter'],
  ];
  const cells = rows.map((row) => {
    const { unskew, 'unskew-sync': sync } = row.engines;
    const home = row.engines[homes[row.kind]];
    return [
      ...[row.model, conditions(row), String(row.threads), time(unskew?.ms), time(sync?.ms)],
      ...others.flatMap((name) => {
        const figures = row.engines[name];
        return [time(figures?.ms), figures && unskew ? spread(figures.ratio) : '-'];
      }),
      ...[both(unskew?.coldMs, home?.coldMs), both(kib(unskew), kib(home)), String(row.interpreted ?? '-')],
      row.peakShare === undefined ? '-' : `${(100 * row.peakShare).toFixed(0)} %`,
      ...[differing(row.difference), differing(row.exact)],
    ];
  });
  return formatTable(header, cells);
}

/** A line for each engine. */
export function formatSentences(rows: readonly SentencesRow[]): string {
  const header = [
    ...['model', 'sizes, isa', 'threads', 'sentences', 'engine', 'all ms', 'ratio (p10-p90)', 'first pass ms'],
    ...['new length ms', 'cold ms', 'peak MiB', 'differ: home', 'differ: interpreter'],
  ];
  const cells = rows.flatMap((row) =>
    Object.entries(row.engines).map(([name, figures]) => [
      ...[row.model, conditions(row), String(row.threads), `${row.sentences} of ${row.lengths.join('-')}`],
      ...[engines[name as Engine].label, time(figures.ms), spread(figures.ratio), time(figures.firstMs)],
      ...[time(figures.newLengthMs), figures.coldMs.toFixed(0), kib(figures)?.toFixed(0) ?? '-'],
      ...(name === 'unskew' ? [differing(row.difference), differing(row.exact)] : ['', '']),
    ]),
  );
  return formatTable(header, cells);
}
