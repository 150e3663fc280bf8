/**
 * Every kind of layer on every instruction set of the machine, against the interpreter and ONNX Runtime.
 *
 *   npm run sweep -- [LAYERS] [--kind WORDS] [--isa NAME] [--seed FIRST] [--json]
 *   npm run sweep -- --replay KIND:SEED
 *
 * LAYERS are shared out among the kinds. A layer that differs is stored with its inputs, and the table is followed by the differences
 * and how it is replayed. The exit code is 3 when anything differs.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { npy } from '../../src/testing/npy.ts';
import { exceptions } from './exceptions.ts';
import type { Outcome } from './judge.ts';
import { designOf, type Kind, layerOf } from './kind.ts';
import { kinds } from './kinds/index.ts';
import { isas, Sweeper } from './sweeper.ts';
import { type Counts, countsOf, table } from './table.ts';

export interface Failure extends Outcome {
  readonly kind: string;
  readonly seed: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kind: { type: 'string' },
    isa: { type: 'string', multiple: true },
    seed: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
    replay: { type: 'string' },
  },
});

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}

function whole(text: string, what: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= 0 ? value : refuse(`${what} should be a whole number, but is ${text}`);
}

const found = (words: string): Kind[] => {
  const exact = kinds.filter(({ name }) => name === words);
  const chosen =
    exact.length > 0 ? exact : kinds.filter(({ name }) => name.toLowerCase().includes(words.toLowerCase()));
  return chosen.length > 0
    ? chosen
    : refuse(`'${words}' is not a kind; the kinds are: ${kinds.map((k) => k.name).join(', ')}`);
};

const replayed = values.replay?.match(/^(.*):(\d+)$/);
if (values.replay !== undefined && !replayed) refuse('what is replayed is KIND:SEED');
const chosen = replayed ? found(replayed[1]).slice(0, 1) : values.kind === undefined ? kinds : found(values.kind);
const first = replayed ? Number(replayed[2]) : whole(values.seed, '--seed');
const layers = replayed ? 1 : whole(positionals[0] ?? '2000', 'the number of layers');
const each = Math.ceil(layers / chosen.length);

const names = values.isa ?? Object.keys(isas);
for (const name of names)
  if (!(name in isas)) refuse(`'${name}' is not an instruction set; the sets are: ${Object.keys(isas).join(', ')}`);
const sweeper = await Sweeper.start(names);
for (const reason of sweeper.absent) console.error(reason);

const counts: Counts = new Map();
const failures: Failure[] = [];
const folder = mkdtempSync(join(tmpdir(), 'unskew-sweep-'));
const began = Date.now();
let done = 0;
for (const kind of chosen)
  for (let seed = first; seed < first + each; seed++) {
    const outcomes = await sweeper.judge(kind.name, seed);
    for (const outcome of outcomes) {
      countsOf(counts, kind.name, outcome);
      if (outcome.verdict !== 'differs') continue;
      failures.push({ kind: kind.name, seed, ...outcome });
      if (!process.stderr.isTTY) console.error(`${kind.name}:${seed} ${outcome.column}: ${outcome.why}`);
      store(kind, seed);
    }
    done++;
    progress(kind.name);
    if (replayed) console.log(JSON.stringify({ choice: layerOf(kind, seed).choice, outcomes }, undefined, 2));
  }
await sweeper.stop();

const minutes = (Date.now() - began) / 60_000;
const total = done;
if (values.json) {
  console.log(
    JSON.stringify({
      layers: total,
      first,
      minutes,
      counts: [...counts].map(([kind, c]) => ({ kind, ...Object.fromEntries(c) })),
      failures,
    }),
  );
} else {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(table(counts));
  for (const { name, reason } of exceptions)
    if ([...counts.values()].some((columns) => [...columns.values()].some((verdicts) => verdicts[`excepted ${name}`])))
      console.log(`${name}: ${reason}`);
  const covered = chosen.filter((kind) => first === 0 && each >= designOf(kind).length).length;
  console.log(
    `\n${total} layers in ${minutes.toFixed(1)} min, seeds ${first} to ${first + each - 1} of ${chosen.length} kinds; all pairs of values in ${covered} of them`,
  );
  for (const { kind, seed, column, why } of failures)
    console.log(`\n${kind}, ${column}: ${why}\n  npm run sweep -- --replay '${kind}:${seed}'   (${folder})`);
  console.log(`${failures.length} differences`);
}
process.exitCode = failures.length > 0 ? 3 : 0;

function store(kind: Kind, seed: number): void {
  const layer = layerOf(kind, seed);
  const name = join(folder, `${kind.name.replaceAll(/[^\w.]+/g, '-')}-${seed}`);
  writeFileSync(`${name}.onnx`, layer.bytes);
  for (const [run, feeds] of layer.feeds.entries())
    for (const [input, tensor] of Object.entries(feeds)) writeFileSync(`${name}-${run}-${input}.npy`, npy(tensor));
}

function progress(kind: string): void {
  const share = done / (each * chosen.length);
  const line = `${done} of ${each * chosen.length} layers, ${failures.length} differ, ${kind}`;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
  else if (done % 250 === 0)
    console.error(`${line}, ${((Date.now() - began) / 60_000).toFixed(1)} min, ${Math.round(share * 100)} %`);
}
