/** How the time of each phase grows with the number of nodes: one process for each graph and size. */
import { spawnSync } from 'node:child_process';
import { formatTable } from '../measure.ts';
import type { PhaseTimes } from './phases.ts';
import { type ShapeName, shapes } from './shapes.ts';

export interface ScalingRow {
  readonly shape: string;
  readonly phase: string;
  /** CPU time in ms by size; undefined where the process failed or took too long. */
  readonly milliseconds: readonly (number | undefined)[];
  /** Of time over size, least squares of the logarithms; undefined where less than two sizes were timed. */
  readonly exponent: number | undefined;
}

/** From bytes to a plan, together. */
const WAY_IN = ['import', 'legalize', 'select', 'plan'];
const LIMIT_MS = 600_000;

export function benchScaling(sizes: readonly number[], say: (text: string) => void): readonly ScalingRow[] {
  return (Object.keys(shapes) as ShapeName[]).flatMap((shape) => {
    const timed = sizes.map((size) => {
      say(`${shape}, ${size} nodes …`);
      return timedAlone(shape, size);
    });
    const phases = Object.keys(timed.find((t) => t !== undefined)?.milliseconds ?? {});
    const row = (phase: string, of: (times: PhaseTimes) => number): ScalingRow => {
      const milliseconds = timed.map((t) => t && of(t));
      return { shape, phase, milliseconds, exponent: exponentOf(sizes, milliseconds) };
    };
    const sum = ({ milliseconds }: PhaseTimes) =>
      WAY_IN.reduce((total, phase) => total + (milliseconds[phase] ?? 0), 0);
    return [
      row('import to plan', sum),
      ...phases.map((phase) => row(phase, ({ milliseconds }) => milliseconds[phase])),
      row('peak MB', ({ peakMB }) => peakMB),
    ];
  });
}

function timedAlone(shape: ShapeName, size: number): PhaseTimes | undefined {
  const script = new URL('./phases.ts', import.meta.url).pathname;
  const { stdout, status } = spawnSync(process.execPath, ['--import', 'tsx', script, shape, String(size)], {
    encoding: 'utf8',
    timeout: LIMIT_MS,
  });
  return status === 0 ? JSON.parse(stdout) : undefined;
}

/** The slope of a line through the logarithms. */
export function exponentOf(sizes: readonly number[], times: readonly (number | undefined)[]): number | undefined {
  const points = sizes.flatMap((size, i) => {
    const time = times[i];
    return time === undefined ? [] : [[Math.log(size), Math.log(Math.max(time, 1))] as const];
  });
  if (points.length < 2) return undefined;
  const mean = (axis: 0 | 1) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const above = points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0);
  return above / points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
}

export function formatScaling(sizes: readonly number[], rows: readonly ScalingRow[]): string {
  const shown = (n: number | undefined, digits: number) => (n === undefined ? '–' : n.toFixed(digits));
  return formatTable(
    ['graph', 'phase', ...sizes.map((size) => `${size} nodes`), 'exponent'].map(String),
    rows.map((r) => [r.shape, r.phase, ...r.milliseconds.map((ms) => shown(ms, 0)), shown(r.exponent, 2)]),
  );
}
