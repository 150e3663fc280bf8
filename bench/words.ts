/**
 * Language models that write words one after the other, as transformers.js runs them: a prompt, then one word at a time, with what was computed
 * of the words before (past_key_values). Every word has sizes of its own. Beside ONNX Runtime, both by turns in one process, on the same words;
 * a turn is of several words, of which the first is not counted, since threads of ONNX Runtime look out for more work for some milliseconds, and
 * would take a processor from whoever has the next turn:
 *
 *   npm run bench:words -- [--prompt=N] [--words=N] [--encoder=N] [--threads=N] [--json=FILE] FILE.onnx …
 *
 * Merged decoders have a flag for the branch; those behind an encoder read `encoder` positions of it.
 */
import { basename, dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import ort from 'onnxruntime-node';
import { compile, type Tensor } from '../src/index.ts';
import { argument } from './argument.ts';
import { formatTable, quantile } from './measure.ts';
import { addToFile, commandOf, type WordsRow } from './zoo/result.ts';

const number = (name: string, usual: number): number => Number(argument(name) ?? usual);
const [prompt, words, encoder, threads] = [
  number('prompt', 16),
  number('words', 64),
  number('encoder', 100),
  number('threads', 1),
];
/** Words of a turn, and milliseconds before it. */
const [TURN, PAUSE] = [9, 20];
const files = process.argv.slice(2).filter((text) => text.endsWith('.onnx'));

type Value = Pick<Tensor, 'type' | 'data' | 'dims'>;
type Values = Record<string, Value>;
type Inputs = readonly { readonly name: string; readonly type: string; readonly dims: readonly (number | string)[] }[];

/** The words before: how many there are, and the values that an engine computed of them. */
class Past {
  length = 0;
  values: Values = {};

  /** The presents are the pasts of the next word; those of the encoder stay as the prompt made them. */
  extend(results: Values, by: number): void {
    for (const [name, value] of Object.entries(results)) {
      if (!name.startsWith('present')) continue;
      const past = name.replace('present', 'past_key_values');
      if (this.length === 0 || !name.includes('encoder')) this.values[past] = value;
    }
    this.length += by;
  }
}

/** The inputs of the next `count` words; sizes by the names that exporters give them. */
function feedsOf(inputs: Inputs, past: Past, count: number): Values {
  const sizeOf = (dim: number | string): number => {
    if (typeof dim === 'number') return dim;
    if (/encoder/.test(dim)) return encoder;
    if (/past/.test(dim)) return past.length + (/[+_]\s*1$/.test(dim) ? count : 0);
    return /batch/.test(dim) ? 1 : count;
  };
  const made = inputs.map(({ name, type, dims }): [string, Value] => {
    const known = past.values[name];
    if (known !== undefined) return [name, known];
    const sizes = dims.map(sizeOf);
    const length = sizes.reduce((product, size) => product * size, 1);
    if (type === 'bool') return [name, { type, dims: sizes, data: Uint8Array.of(Number(past.length > 0)) }];
    if (type === 'float32')
      return [name, { type, dims: sizes, data: Float32Array.from({ length }, (_, i) => Math.sin(i * 0.37)) }];
    const at = (i: number) =>
      /mask/.test(name) ? 1 : /position/.test(name) ? past.length + i : (past.length * 7 + i * 3) % 50;
    return [name, { type: 'int64', dims: sizes, data: BigInt64Array.from({ length }, (_, i) => BigInt(at(i))) }];
  });
  return Object.fromEntries(made);
}

interface Engine {
  readonly inputs: Inputs;
  run(feeds: Values): Promise<Values>;
}

async function timed(engine: Engine, past: Past, count: number): Promise<{ ms: number; results: Values }> {
  const feeds = feedsOf(engine.inputs, past, count);
  const start = performance.now();
  const results = await engine.run(feeds);
  const ms = performance.now() - start;
  past.extend(results, count);
  return { ms, results };
}

/** The largest difference over the largest element. */
function difference(ours: Values, theirs: Values): number {
  const [a, b] = [ours, theirs].map(({ logits }) => Array.from(logits!.data as Float32Array));
  const most = b!.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return b!.reduce((worst, v, i) => Math.max(worst, Math.abs(v - a![i]!)), 0) / most;
}

const rows: WordsRow[] = [];
for (const file of files) {
  const model = await compile(file, { threads });
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: threads, logSeverityLevel: 3 });
  const tensorOf = ({ type, data, dims }: Value) => new ort.Tensor(type as 'float32', data as Float32Array, [...dims]);
  const ours: Engine = { inputs: model.inputs, run: (feeds) => model.run(feeds) };
  const theirs: Engine = {
    inputs: model.inputs,
    run: async (feeds) =>
      (await session.run(
        Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, tensorOf(value)])),
      )) as unknown as Values,
  };
  const pasts = [new Past(), new Past()] as const;
  const first = [await timed(ours, pasts[0], prompt), await timed(theirs, pasts[1], prompt)] as const;
  const times: [number[], number[]] = [[], []];
  let worst = difference(first[0].results, first[1].results);
  for (let word = 0; word < words; word += TURN) {
    const last: Values[][] = [[], []];
    for (const [who, engine] of [ours, theirs].entries()) {
      await setTimeout(PAUSE);
      for (let i = 0; i < TURN; i++) {
        const { ms, results } = await timed(engine, pasts[who], 1);
        if (i > 0) times[who].push(ms);
        last[who].push(results);
      }
    }
    for (const [i, results] of last[0].entries()) worst = Math.max(worst, difference(results, last[1][i]));
  }
  rows.push({
    model: `${basename(dirname(file))}/${basename(file, '.onnx')}`,
    threads,
    words,
    prompt,
    promptMs: [first[0].ms, first[1].ms],
    wordMs: [quantile(times[0], 0.5), quantile(times[1], 0.5)],
    slowestMs: [Math.max(...times[0]), Math.max(...times[1])],
    difference: worst,
  });
  model.dispose();
  await session.release();
}
const pair = ([a, b]: readonly [number, number]): [string, string] => [a.toFixed(2), b.toFixed(2)];
console.log(
  formatTable(
    [
      'model',
      'word, ms',
      'ONNX Runtime',
      'ratio',
      'slowest, ms',
      'ONNX Runtime',
      'prompt, ms',
      'ONNX Runtime',
      'differ',
    ],
    rows.map(({ model, wordMs, slowestMs, promptMs, difference: worst }) => [
      ...[model, ...pair(wordMs), (wordMs[1] / wordMs[0]).toFixed(2), ...pair(slowestMs), ...pair(promptMs)],
      worst.toExponential(1),
    ]),
  ),
);
const json = argument('json');
if (json !== undefined) addToFile(json, { words: rows }, commandOf('bench:words', process.argv.slice(2)));
