/** The figures that a run of the benchmark writes as JSON. Runs of one machine add to one file. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, isAbsolute } from 'node:path';
import type { Difference } from './difference.ts';
import type { Engine, Kind, LimitedIsa } from './engines.ts';
import type { Sizes } from './feeds.ts';

/** Over rounds: 10th percentile, median and 90th percentile. */
export type Ratio = readonly [low: number, median: number, high: number];

export interface EngineFigures {
  /** Of a peer. */
  readonly version: string;
  /** Median over rounds of the medians of turns; of a row of sentences, of the times of all of them. */
  readonly ms: number;
  /** The time against that of `run` of unskew; 1 for itself. */
  readonly ratio: Ratio;
  /** From the start of the process to the end of the first run. */
  readonly coldMs: number;
  readonly peakKiB: number;
}

/** The subject of one row. */
interface RowSubject {
  readonly model: string;
  readonly kind: Kind;
  readonly threads: number;
  /** Sizes that were asked for; other open ones are the least that fit. */
  readonly sizes?: Sizes;
  readonly isa?: LimitedIsa;
}

interface Outcome<Figures> {
  readonly engines: Readonly<Partial<Record<Engine, Figures>>>;
  /** Why an engine does not run it. */
  readonly refused: Readonly<Partial<Record<Engine, string>>>;
  /** Nodes on the interpreter; undefined where unskew was not timed. */
  readonly interpreted?: number;
  /** Against the engine that the file is made for. */
  readonly difference?: Difference;
  /** Against the interpreter, where `--exact` asked for it, or why there is none. */
  readonly exact?: Difference | string;
}

export interface Row extends RowSubject, Outcome<EngineFigures> {
  /** Multiply-adds of products per second, divided by the peak of vpdpbusd, where most of them are of convolutions. */
  readonly peakShare?: number;
}

export interface SentenceFigures extends EngineFigures {
  /** Of the first pass, in which most lengths are new: without the repetitions. */
  readonly firstMs: number;
  /** The time of a sentence of a new length less the time of the same sentence right after: median over lengths. */
  readonly newLengthMs: number;
}

/** One model and sentences of random lengths, one at a time. */
export interface SentencesRow extends RowSubject, Outcome<SentenceFigures> {
  readonly lengths: readonly [shortest: number, longest: number];
  readonly sentences: number;
}

/** Zero points other than 0 against all of them 0: least times of a whole network. */
export interface ZeroPointsRow {
  readonly network: string;
  /** Which zero points are not 0. */
  readonly zeroPoints: string;
  readonly threads: number;
  readonly ms: number;
  readonly symmetricMs: number;
}

/** Layers of a language model with weights of 4 bits in blocks, beside ONNX Runtime. */
export interface BlocksRow {
  readonly block: number;
  readonly hasZeros: boolean;
  readonly activations: 'f32' | 's8';
  readonly rows: number;
  readonly threads: number;
  readonly ms: number;
  readonly ratio: Ratio;
  /** The peaks of two processes on one thread: one with unskew alone, one with ONNX Runtime alone. */
  readonly peakKiB: readonly [number, number];
}

/** A process from its start to its end. */
export interface ProcessRow {
  readonly process: string;
  readonly leastMs: number;
  readonly medianMs: number;
  /** Over Node.js alone. */
  readonly leastOverMs: number;
  readonly medianOverMs: number;
}

/** A process from its start to the first output of a network. */
export interface StartRow {
  readonly network: string;
  readonly engine: string;
  readonly leastMs: number;
  readonly medianMs: number;
  /** The longest time for which a timer of 10 ms waited: median over rounds. */
  readonly timerMs: number;
  readonly peakKiB: number;
}

/** A model with parts that ONNX Runtime computes. */
export interface PartsRow {
  readonly model: string;
  readonly threads: number;
  readonly native: number;
  /** Nodes in ONNX Runtime, and the operators of most of them. */
  readonly handedOver: number;
  readonly operators: string;
  readonly interpreted: number;
  readonly parts: number;
  /** Besides the time in ONNX Runtime, for a part. */
  readonly borderMicroseconds: number;
  readonly insideMs: number;
  readonly ms: number;
  /** The time of ONNX Runtime alone. */
  readonly runtimeMs: number;
  readonly outputs: string;
}

/** A language model that writes words one after the other. Pairs: unskew, ONNX Runtime. */
export interface WordsRow {
  readonly model: string;
  readonly threads: number;
  readonly words: number;
  /** The length of the prompt, which is the first run. */
  readonly prompt: number;
  readonly promptMs: readonly [number, number];
  /** The median. */
  readonly wordMs: readonly [number, number];
  readonly slowestMs: readonly [number, number];
  /** The largest difference of logits, over the largest of them. */
  readonly difference: number;
}

export interface ZooResult {
  readonly machine: string;
  readonly date: string;
  /** The arguments of the runs that made the file. */
  readonly runs: readonly string[];
  readonly rows: readonly Row[];
  readonly sentences: readonly SentencesRow[];
  readonly zeroPoints: readonly ZeroPointsRow[];
  readonly blocks?: readonly BlocksRow[];
  readonly parts?: readonly PartsRow[];
  readonly words?: readonly WordsRow[];
  readonly processes?: readonly ProcessRow[];
  readonly starts?: readonly StartRow[];
  /** Models that unskew cannot read, and why. */
  readonly unread: Readonly<Record<string, string>>;
}

export const thisMachine = (): string => `${cpus()[0]?.model.trim()}, ${cpus().length} processors`;

export type Part = Partial<Omit<ZooResult, 'machine' | 'date' | 'runs'>>;

/** The command of a run as the file tells it: the paths of this machine are nobody else's. */
export const commandOf = (script: string, args: readonly string[]): string =>
  [
    script,
    ...args.filter((arg) => !arg.startsWith('--json')).map((arg) => (isAbsolute(arg) ? basename(arg) : arg)),
  ].join(' ');

/** Figures of another machine do not stay beside these. */
export function addToFile(file: string, part: Part, run: string): void {
  const machine = thisMachine();
  const stored: ZooResult | undefined = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  const before = stored?.machine === machine ? stored : undefined;
  const result = { machine, date: new Date().toISOString().slice(0, 10), ...merged(before, part, run) };
  writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
}

/** A row takes the place of the one about the same; what only one of the two has stays. */
export function merged(
  before: Omit<ZooResult, 'machine' | 'date'> | undefined,
  part: Part,
  run: string,
): Omit<ZooResult, 'machine' | 'date'> {
  const rows = joined(before?.rows, part.rows);
  const sentences = joined(before?.sentences, part.sentences);
  const read = new Set([...rows, ...sentences].map(({ model }) => model));
  const unread = Object.entries({ ...before?.unread, ...part.unread }).filter(([model]) => !read.has(model));
  return {
    runs: [...new Set([...(before?.runs ?? []), run])],
    rows,
    sentences,
    zeroPoints: joined(before?.zeroPoints, part.zeroPoints),
    blocks: joined(before?.blocks, part.blocks),
    parts: joined(before?.parts, part.parts),
    words: joined(before?.words, part.words),
    processes: joined(before?.processes, part.processes),
    starts: joined(before?.starts, part.starts),
    unread: Object.fromEntries(unread),
  };
}

type AnyRow = Row | SentencesRow | ZeroPointsRow | BlocksRow | PartsRow | WordsRow | ProcessRow | StartRow;

/** What tells a row from others. */
function subject(row: AnyRow): string {
  if ('process' in row) return row.process;
  if ('parts' in row || 'words' in row) return `${row.model} ${row.threads}`;
  if ('block' in row) return [row.block, row.hasZeros, row.activations, row.rows, row.threads].join(' ');
  if ('engine' in row) return `${row.network} ${row.engine}`;
  return 'network' in row
    ? [row.network, row.zeroPoints, row.threads].join(' ')
    : [row.model, row.isa ?? '', JSON.stringify(row.sizes ?? {}), row.threads].join(' ');
}

function joined<R extends AnyRow>(before: readonly R[] = [], rows: readonly R[] = []): R[] {
  const all = new Map(before.map((row) => [subject(row), row]));
  for (const row of rows) {
    const known = all.get(subject(row));
    // A run that times nothing adds its comparison with the interpreter to the figures that are there.
    const isTimed = !('engines' in row) || Object.keys(row.engines).length > 0;
    all.set(
      subject(row),
      known === undefined ? row : isTimed ? { ...known, ...row } : { ...row, ...known, ...exactOf(row) },
    );
  }
  return [...all].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })).map(([, row]) => row);
}

const exactOf = (row: AnyRow): object => ('exact' in row && row.exact !== undefined ? { exact: row.exact } : {});
