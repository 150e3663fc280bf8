/**
 * The time that a process takes to start: Node.js alone, with the library, and the command line, in turns, as elapsed times of
 * whole processes, from dist/ or another folder; and with a model its first output, from the model and from its compiled file, beside
 * ONNX Runtime. On a machine that others use, the least time is the steadier one.
 *
 *   npm run bench:start [-- MODEL… --rounds=N --threads=N --dist=FOLDER --json[=FILE]]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { argument } from './argument.ts';
import { formatTable, quantile } from './measure.ts';
import { addToFile, commandOf, type StartRow } from './zoo/result.ts';

const rounds = Number(argument('rounds') ?? 20);
const threads = argument('threads') ?? '1';
const dist = resolve(argument('dist') ?? join(import.meta.dirname, '../dist'));

const imported = (file: string): string[] => [
  '--input-type=module',
  '-e',
  `await import(${JSON.stringify(pathToFileURL(join(dist, file)).href)})`,
];
const program = join(dist, 'cli/main.js');
const starts: Readonly<Record<string, readonly string[]>> = {
  'Node.js alone': ['-e', '0'],
  "import('unskew')": imported('index.js'),
  'unskew --help': [program, '--help'],
  'unskew compile --help': [program, 'compile', '--help'],
};

/** Milliseconds of one process. */
function time(args: readonly string[]): number {
  const begin = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`node ${args.join(' ')} fails: ${stderr.slice(0, 2000)}`);
  return performance.now() - begin;
}

const times = Object.keys(starts).map((): number[] => []);
for (let round = 0; round <= rounds; round++)
  Object.values(starts).forEach((args, i) => {
    const found = time(args);
    if (round > 0) times[i].push(found); // the first one warms the caches of files
  });

const rows = Object.keys(starts).map((name, i) => {
  const sorted = times[i]!.sort((a, b) => a - b);
  return { name, least: sorted[0]!, median: quantile(sorted, 0.5) };
});
const [alone] = rows;
const results = rows.map((row) => ({
  ...row,
  leastOver: row.least - alone!.least,
  medianOver: row.median - alone!.median,
}));

// ---- models ----

const engines = ['unskew', 'compiled file', 'onnxruntime'] as const;
type Figures = Readonly<Record<'coldMs' | 'timerMs' | 'peakKiB', number>>;
const folder = mkdtempSync(join(tmpdir(), 'unskew-start-'));

/** The first output in a process of its own. */
function firstOutput(engine: (typeof engines)[number], path: string): Figures {
  const script = join(import.meta.dirname, 'start_process.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, dist, engine, path, threads], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${engine} fails on ${path}: ${stderr.slice(0, 2000)}`);
  return JSON.parse(stdout);
}

function startsOf(model: string): StartRow[] {
  const compiled = join(folder, 'model.unskew');
  const made = spawnSync(process.execPath, [program, 'compile', model, '-o', compiled], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`${model} cannot be compiled: ${made.stderr.slice(0, 2000)}`);
  const found = engines.map((): Figures[] => []);
  for (let round = 0; round <= rounds; round++)
    engines.forEach((engine, i) => {
      const figures = firstOutput(engine, engine === 'compiled file' ? compiled : model);
      if (round > 0) found[i]!.push(figures);
    });
  const network = model
    .split('/')
    .slice(-2)
    .join('/')
    .replace(/\.\w+$/, '');
  return engines.map((engine, i) => {
    const of = (name: keyof Figures) => found[i]!.map((figures) => figures[name]).sort((a, b) => a - b);
    const [cold, timer, peak] = [of('coldMs'), of('timerMs'), of('peakKiB')];
    const leastMs = cold[0]!;
    return {
      network,
      engine,
      leastMs,
      medianMs: quantile(cold, 0.5),
      timerMs: quantile(timer, 0.5),
      peakKiB: peak.at(-1)!,
    };
  });
}

const models = process.argv.slice(2).filter((given) => !given.startsWith('--'));
const startRows = models.flatMap((model) => startsOf(resolve(model)));
rmSync(folder, { recursive: true });

const file = argument('json');
if (file !== undefined) {
  const processes = results.map(({ name, least, median, leastOver, medianOver }) => ({
    process: name,
    leastMs: least,
    medianMs: median,
    leastOverMs: leastOver,
    medianOverMs: medianOver,
  }));
  addToFile(file, { processes, starts: startRows }, commandOf('bench:start', process.argv.slice(2)));
} else if (process.argv.includes('--json'))
  console.log(JSON.stringify({ node: process.version, rounds, results, starts: startRows }));
else {
  console.log(
    formatTable(
      ['process', 'least ms', 'over Node.js', 'median ms', 'over Node.js'],
      results.map(({ name, ...numbers }) => [
        name,
        ...[numbers.least, numbers.leastOver, numbers.median, numbers.medianOver].map((ms) => ms.toFixed(0)),
      ]),
    ),
  );
  if (startRows.length > 0)
    console.log(
      `\n${formatTable(
        ['first output of', 'engine', 'least ms', 'median ms', 'a timer waits, ms', 'peak MiB'],
        startRows.map(({ network, engine, ...numbers }) => [
          network,
          engine,
          ...[numbers.leastMs, numbers.medianMs, numbers.timerMs, numbers.peakKiB / 1024].map((value) =>
            value.toFixed(0),
          ),
        ]),
      )}`,
    );
}
