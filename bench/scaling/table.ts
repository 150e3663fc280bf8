/** A table of times by phase and number of nodes, with exponents. Each graph of each size is timed in a process of its own. */
import { spawnSync } from 'node:child_process';
import { formatTable } from '../measure.ts';
import type { PhaseTimes } from './phases.ts';
import type { ShapeName } from './shapes.ts';

export interface ScalingRow {
  readonly shape: string;
  readonly phase: string;
  /** CPU time in ms by size; undefined where the process failed or its time was up. */
  readonly milliseconds: readonly (number | undefined)[];
  /** The exponent e of time ~ size^e, by least squares of the logarithms; undefined where fewer than two sizes were timed. */
  readonly exponent: number | undefined;
  /** The same between the last two sizes, where what grows faster shows first. */
  readonly lastExponent: number | undefined;
}

export interface ScalingOptions {
  readonly sizes: readonly number[];
  /** The shapes to time. */
  readonly names: readonly ShapeName[];
  /** For all phases of one graph. */
  readonly limitMs: number;
}

/** From bytes to a plan, together. */
const WAY_IN = ['import', 'legalize', 'select', 'plan'];

export function benchScaling(
  { sizes, names, limitMs }: ScalingOptions,
  say: (text: string) => void,
): readonly ScalingRow[] {
  return names.flatMap((shape) => {
    const timed = sizes.map((size) => {
      say(`${shape}, ${size} nodes …`);
      return timedAlone(shape, size, limitMs);
    });
    // Uses the smallest graph, which gets the furthest in the same time.
    const phases = Object.keys(timed.find((t) => t !== undefined)?.milliseconds ?? {});
    const row = (phase: string, of: (times: PhaseTimes) => number | undefined): ScalingRow => {
      const milliseconds = timed.map((t) => t && of(t));
      const lastExponent = exponentOf(sizes.slice(-2), milliseconds.slice(-2));
      return { shape, phase, milliseconds, exponent: exponentOf(sizes, milliseconds), lastExponent };
    };
    const wayIn = WAY_IN.filter((phase) => phases.includes(phase));
    const sum = ({ milliseconds }: PhaseTimes) =>
      wayIn.every((phase) => phase in milliseconds)
        ? wayIn.reduce((total, phase) => total + milliseconds[phase], 0)
        : undefined;
    return [
      row('import to plan', sum),
      ...phases.map((phase) => row(phase, ({ milliseconds }) => milliseconds[phase])),
      row('peak MB', ({ peakMB }) => peakMB),
    ];
  });
}

function timedAlone(shape: ShapeName, size: number, limitMs: number): PhaseTimes | undefined {
  const script = new URL('./phases.ts', import.meta.url).pathname;
  const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', script, shape, String(size)], {
    encoding: 'utf8',
    timeout: limitMs,
  });
  const last = stdout.trimEnd().split('\n').at(-1);
  return last ? JSON.parse(last) : undefined;
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
    ['graph', 'phase', ...sizes.map((size) => `${size} nodes`), 'exponent', 'last'],
    rows.map((r) => [
      r.shape,
      r.phase,
      ...r.milliseconds.map((ms) => shown(ms, 0)),
      shown(r.exponent, 2),
      shown(r.lastExponent, 2),
    ]),
  );
}
