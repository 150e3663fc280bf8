/**
 * The time that a process takes to start: Node.js alone, with the library, and the command line, in turns, as elapsed times of
 * whole processes, from dist/ or another folder. On a machine that others use, the least time is the steadier one.
 *
 *   npm run bench:start [-- --rounds=N --dist=FOLDER --json]
 */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { formatTable, quantile } from './measure.ts';

const argument = (name: string): string | undefined =>
  process.argv.find((given) => given.startsWith(`--${name}=`))?.slice(name.length + 3);
const rounds = Number(argument('rounds') ?? 20);
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
  const sorted = times[i].sort((a, b) => a - b);
  return { name, least: sorted[0], median: quantile(sorted, 0.5) };
});
const [alone] = rows;
const results = rows.map((row) => ({
  ...row,
  leastOver: row.least - alone.least,
  medianOver: row.median - alone.median,
}));
if (process.argv.includes('--json')) console.log(JSON.stringify({ node: process.version, rounds, results }));
else
  console.log(
    formatTable(
      ['process', 'least ms', 'over Node.js', 'median ms', 'over Node.js'],
      results.map(({ name, ...numbers }) => [
        name,
        ...[numbers.least, numbers.leastOver, numbers.median, numbers.medianOver].map((ms) => ms.toFixed(0)),
      ]),
    ),
  );
