/**
 * Every ONNX model of a folder, whatever made it: `run` with one thread and with all, `runSync` and ONNX Runtime, in turns:
 * `node --import tsx bench/folder.ts FOLDER [PART] [--threads=2] [--json]`. A model that does not run here is listed with the reason.
 */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { randomFeeds } from '../src/cli/random.ts';
import { importModel, UnskewError } from '../src/index.ts';
import { toPublic } from '../src/ir/index.ts';
import { modelOf } from './engines.ts';
import { compare, formatTable, measure, type Schedule, usualSchedule } from './measure.ts';
import { createPeer } from './peers/onnxruntime.ts';

const [folder = '.', part = ''] = process.argv.slice(2).filter((given) => !given.startsWith('--'));
const threads = Number(
  process.argv.find((given) => given.startsWith('--threads='))?.slice('--threads='.length) ?? availableParallelism(),
);
const schedule: Schedule = { ...usualSchedule, rounds: 6, burst: 6 };

interface Row {
  readonly model: string;
  /** Least times, in ms. */
  readonly run: number;
  readonly runSync: number;
  readonly runOneThread: number;
  readonly onnxruntime: number;
  /** Medians: onnxruntime / run. */
  readonly ratio: number;
}

async function benchModel(file: string): Promise<Row> {
  const path = join(folder, file);
  const graph = await importModel(path);
  const feeds = Object.fromEntries(Object.entries(randomFeeds(graph, 1)).map(([name, t]) => [name, toPublic(t)]));
  const [several, one] = [modelOf(graph, threads), modelOf(graph, 1)];
  const peer = await createPeer(path, { threads });
  try {
    const [run, runSync, runOneThread, other] = await measure(
      [
        { name: 'run', run: () => several.run(feeds) },
        { name: 'runSync', run: () => several.runSync(feeds) },
        { name: 'run, one thread', run: () => one.run(feeds) },
        { name: 'onnxruntime', run: () => peer.run(feeds) },
      ],
      schedule,
    );
    return {
      model: file,
      run: run.minimum,
      runSync: runSync.minimum,
      runOneThread: runOneThread.minimum,
      onnxruntime: other.minimum,
      ratio: compare(run, other).ratio,
    };
  } finally {
    several.dispose();
    one.dispose();
    await peer.dispose();
  }
}

const rows: Row[] = [];
const refused: string[] = [];
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  (f) => f.endsWith('.onnx') && f.includes(part),
);
for (const file of files.sort()) {
  process.stderr.write(`${file} …\n`);
  try {
    rows.push(await benchModel(file));
  } catch (error) {
    if (!(error instanceof UnskewError)) throw error;
    refused.push(`${file}: ${error.message.split('\n')[0]}`);
  }
}

if (process.argv.includes('--json')) console.log(JSON.stringify({ threads, rows, refused }, null, 2));
else {
  const header = [
    'model',
    'run ms',
    'runSync ms',
    'run / runSync',
    'run, 1 thread',
    '1 thread / run',
    'ORT ms',
    'ORT / run',
  ];
  const cells = rows.map((r) => [
    r.model,
    r.run.toFixed(2),
    r.runSync.toFixed(2),
    (r.run / r.runSync).toFixed(2),
    r.runOneThread.toFixed(2),
    (r.runOneThread / r.run).toFixed(2),
    r.onnxruntime.toFixed(2),
    r.ratio.toFixed(2),
  ]);
  console.log([formatTable(header, cells), ...refused].join('\n'));
  console.log(`(${threads} threads; least times; ORT / run: the ratio of medians)`);
}
