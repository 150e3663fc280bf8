/**
 * TensorFlow Lite models beside LiteRT, in turns in one run: `npm run bench:tflite -- MODEL.tflite …`, `--threads=N` (1 unless told),
 * `--profile=tflite` for the reference kernels, `--json`. LiteRT runs in a Python of its own, which `PY_TF` names: a virtual
 * environment with ai-edge-litert 2.3.0. Results are compared, byte for byte, before anything is timed. Loading is measured in a process
 * for each engine, from the path to a model that can run, without the import of the library; peaks are those of the whole process.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compile } from '../src/runtime/compile.ts';
import { importModel } from '../src/runtime/import_model.ts';
import { bytesOf, Tensor } from '../src/tensors/index.ts';
import { formatTable, quantile } from './measure.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1' },
    profile: { type: 'string', default: 'xnnpack' },
    json: { type: 'boolean', default: false },
  },
});
const python = process.env.PY_TF;
if (python === undefined || positionals.length === 0) {
  console.error('usage: PY_TF=PYTHON npm run bench:tflite -- MODEL.tflite …, where PYTHON has ai-edge-litert');
  process.exit(2);
}
const threads = Number(values.threads);
const profile = values.profile === 'tflite' ? 'tflite' : 'xnnpack';
const ROUNDS = 12;
const TURN_MS = 250;

/** A child that answers one line with one line. */
class LiteRt {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(path: string) {
    const script = fileURLToPath(new URL('peers/litert.py', import.meta.url));
    this.#child = spawn(String(python), [script, path, String(threads), profile], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('the child has no output');
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async ask<T>(request: object): Promise<T> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${python} ended: does it have ai-edge-litert?`);
    return JSON.parse(value);
  }

  close(): void {
    this.#child.stdin?.end();
  }
}

/** LiteRT's time / ours: 10th percentile, median and 90th percentile over rounds. */
type Ratio = readonly [low: number, median: number, high: number];

interface Row {
  readonly model: string;
  readonly mib: number;
  readonly differing: number;
  readonly ms: number;
  readonly litertMs: number;
  /** The time of `runSync`, which blocks the thread as LiteRT does; `run` computes on another thread. */
  readonly syncMs: number;
  readonly ratio: Ratio;
  readonly syncRatio: Ratio;
  readonly load: Load;
  readonly litertLoad: Load;
}

interface Load {
  readonly loadMs: number;
  readonly peakMiB: number;
}

const rows: Row[] = [];
for (const path of positionals) rows.push(await bench(path));
if (values.json) console.log(JSON.stringify({ threads, profile, rows }, undefined, 2));
else {
  const cells = rows.map(({ model, mib, differing, ms, syncMs, litertMs, ratio, syncRatio, load, litertLoad }) => [
    model,
    mib.toFixed(2),
    String(differing),
    ...[ms, syncMs, litertMs].map((time) => time.toFixed(3)),
    ...[ratio, syncRatio].map(([low, median, high]) => `${median.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`),
    ...[load.loadMs, litertLoad.loadMs, load.peakMiB, litertLoad.peakMiB].map((value) => value.toFixed(0)),
  ]);
  const header = [
    'model',
    'MiB',
    'bytes differ',
    'run ms',
    'runSync ms',
    'LiteRT ms',
    'LiteRT / run (p10-p90)',
    'LiteRT / runSync',
    'load ms',
    'LiteRT load ms',
    'peak MiB',
    'LiteRT peak MiB',
  ];
  console.log(
    `${formatTable(header, cells)}\n(${threads} thread${threads === 1 ? '' : 's'}, profile ${profile}; load: from the path to a model that can run, in a process of its own)`,
  );
}

async function bench(path: string): Promise<Row> {
  const model = await compile(await importModel(path, { profile }), { threads });
  const loader = fileURLToPath(new URL('peers/unskew_load.mjs', import.meta.url));
  const load: Load = JSON.parse(
    execFileSync(process.execPath, [loader, path, profile, String(threads)], { encoding: 'utf8' }),
  );
  const peer = new LiteRt(path);
  const feeds = Object.fromEntries(
    model.inputs.map(({ name, type, dims }, i) => [name, noise(type, dims as number[], i)]),
  );
  const litertLoad = await peer.ask<Load>({ do: 'tell' });
  const expected = await peer.ask<string[]>({
    do: 'run',
    inputs: Object.values(feeds).map(({ data }) => Buffer.from(bytesOf(data)).toString('base64')),
  });
  const results = await model.run(feeds);
  const differing = model.outputs.reduce((count, { name }, i) => {
    const [ours, theirs] = [bytesOf(results[name].data), Buffer.from(expected[i], 'base64')];
    return count + ours.filter((byte, at) => byte !== theirs[at]).length;
  }, 0);
  const [own, sync, other]: number[][] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    const turns = [
      async () => own.push(await turn(() => model.run(feeds))),
      async () => sync.push(await turn(async () => model.runSync(feeds))),
      async () => other.push(quantile(await peer.ask<number[]>({ do: 'time', ms: TURN_MS }), 0.5)),
    ];
    for (const take of round % 2 === 0 ? turns : turns.toReversed()) await take();
  }
  peer.close();
  model.dispose();
  const ratiosTo = (times: readonly number[]): Ratio => {
    const all = other.map((ms, round) => ms / times[round]);
    return [quantile(all, 0.1), quantile(all, 0.5), quantile(all, 0.9)];
  };
  return {
    model: basename(path),
    mib: readFileSync(path).length / 2 ** 20,
    differing,
    ms: quantile(own, 0.5),
    syncMs: quantile(sync, 0.5),
    litertMs: quantile(other, 0.5),
    ratio: ratiosTo(own),
    syncRatio: ratiosTo(sync),
    load,
    litertLoad,
  };
}

/** The median of the runs of one turn. */
async function turn(run: () => Promise<unknown>): Promise<number> {
  await run();
  const times: number[] = [];
  for (const end = performance.now() + TURN_MS; performance.now() < end || times.length === 0; ) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return quantile(times, 0.5);
}

/** Bytes that look like nothing; floats between −1 and 1. */
function noise(type: string, dims: readonly number[], seed: number): Tensor {
  let state = 12345 + seed;
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 16;
  };
  const size = dims.reduce((a, b) => a * b, 1);
  const element =
    type === 'float32' ? () => next() / 2 ** 15 - 1 : type === 'int8' ? () => (next() & 255) - 128 : () => next() & 255;
  return new Tensor(type, Array.from({ length: size }, element), dims);
}
