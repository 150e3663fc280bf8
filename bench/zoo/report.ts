/** Rows of the zoo's benchmark as a table. */
import { formatTable } from '../measure.ts';
import type { EngineFigures, Ratio, Row } from './row.ts';

const header = [
  'model',
  'threads',
  'run ms',
  'runSync ms',
  'ORT ms',
  'ORT / run (p10-p90)',
  'OpenVINO / run',
  'cold: ours, ORT ms',
  'peak: ours, ORT MiB',
  'interpreted',
  'integers differ',
  'floats differ',
];

const ms = (figures: EngineFigures | undefined): string => (figures === undefined ? '-' : figures.ms.toFixed(2));
const spread = ([low, middle, high]: Ratio): string => `${middle.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`;
const ratio = (figures: EngineFigures | undefined): string => (figures === undefined ? '-' : spread(figures.ratio));
const both = (a: number | undefined, b: number | undefined): string =>
  [a, b].map((value) => (value === undefined ? '-' : value.toFixed(0))).join(', ');

/** Ratios are the time of the other engine divided by that of `run`: above 1 unskew is faster. */
export function formatRows(rows: readonly Row[]): string {
  const cells = rows.map(({ model, threads, engines, interpreted, difference }) => {
    const { unskew, 'unskew-sync': sync, onnxruntime, openvino } = engines;
    const kib = (figures: EngineFigures | undefined) => figures && figures.peakKiB / 1024;
    return [
      model,
      String(threads),
      ms(unskew),
      ms(sync),
      ms(onnxruntime),
      unskew ? ratio(onnxruntime) : '-',
      unskew ? ratio(openvino) : '-',
      both(unskew?.coldMs, onnxruntime?.coldMs),
      both(kib(unskew), kib(onnxruntime)),
      unskew ? String(interpreted) : '-',
      difference && difference.integersOf > 0 ? `${difference.integers} of ${difference.integersOf}` : '-',
      difference ? difference.floats.toExponential(1) : '-',
    ];
  });
  return formatTable(header, cells);
}
