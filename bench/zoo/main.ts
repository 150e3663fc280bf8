/**
 * Every model of a folder on unskew and on the engines that take such files (engines.ts), one process per engine, taking turns:
 *
 *   PY_ML=PYTHON npm run bench:zoo -- FOLDER [PART …] [--threads=1,2] [--rounds=7] [--turn=200] [--engines=unskew,onnxruntime]
 *     [--sizes=NAME=8,…] [--lengths=5-128 --sentences=100] [--isa=avx2,avx512] [--exact=SECONDS] [--profile=NAME] [--json=FILE]
 *
 * A file takes part when its name has one of the parts. Inputs are random; open sizes that are not given are the least that fit. With
 * --lengths each engine runs sentences of random lengths. --isa limits unskew's instructions, not those of other engines. --exact compares
 * outputs with the interpreter, which gets so many seconds; with --rounds=0 nothing is timed. --json adds to the figures of a file. A
 * model that an engine does not run is listed with the reason. PYTHON has the packages of the engines of Python.
 */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import type { ImportOptions } from '../../src/importers/index.ts';
import { type Graph, importModel, legalize, UnskewError } from '../../src/index.ts';
import { type Engine, engineNames, engines, isas, kindOf, type LimitedIsa, modelName } from './engines.ts';
import { drawLengths, feedsOf, parseLengths, parseSizes, sequenceSymbol, sized } from './feeds.ts';
import { meaningOf } from './meaning.ts';
import { multiplyAdds } from './multiply_adds.ts';
import type { StoredTensors } from './protocol.ts';
import { formatRows, formatSentences } from './report.ts';
import { addToFile, commandOf, type Row, type SentencesRow } from './result.ts';
import { benchRow, benchSentences, type RowOptions } from './row.ts';
import { buildVnniPeak } from './vnni_peak.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '7' },
    turn: { type: 'string', default: '200' },
    engines: { type: 'string' },
    sizes: { type: 'string' },
    lengths: { type: 'string' },
    sentences: { type: 'string', default: '100' },
    isa: { type: 'string' },
    exact: { type: 'string' },
    profile: { type: 'string' },
    json: { type: 'string' },
  },
});
const [folder, ...parts] = positionals;
if (folder === undefined) {
  console.error('usage: npm run bench:zoo -- FOLDER [PART …] [OPTIONS], see the first lines of bench/zoo/main.ts');
  process.exit(2);
}

/** The names of a list, each of which the table has. */
function namesOf<Name extends string>(option: string, given: string, known: readonly Name[]): Name[] {
  const names = given.split(',');
  const wrong = names.find((name) => !known.includes(name as Name));
  if (wrong === undefined) return names as Name[];
  console.error(`--${option}: '${wrong}' should be one of ${known.join(', ')}`);
  process.exit(2);
}

const python = process.env.PY_ML;
const wanted: readonly Engine[] =
  values.engines === undefined ? engineNames : namesOf('engines', values.engines, engineNames);
const usable = wanted.filter((name) => python !== undefined || engines[name].program === 'node');
const left = wanted.filter((name) => !usable.includes(name));
if (left.length > 0)
  console.error(`PY_ML names no Python: without ${left.map((name) => engines[name].label).join(', ')}`);
const limits: readonly (LimitedIsa | undefined)[] =
  values.isa === undefined ? [undefined] : namesOf('isa', values.isa, Object.keys(isas) as LimitedIsa[]);
const sizes = values.sizes === undefined ? undefined : parseSizes(values.sizes);
const lengths = values.lengths === undefined ? undefined : parseLengths(values.lengths);
const drawn = lengths && drawLengths(lengths, Number(values.sentences));
const importing = values.profile === undefined ? {} : ({ profile: values.profile } as ImportOptions);
const rounds = Number(values.rounds);
if (lengths !== undefined && rounds === 1) throw new Error('--lengths needs a round after the first one: --rounds=2');
const peak = rounds > 0 && lengths === undefined ? buildVnniPeak() : undefined;
const messageOf = (error: unknown): string => String(error instanceof Error ? error.message : error).split('\n')[0];

/** The multiply-adds of integers, where convolutions of integers have most of all. */
function workOf(graph: Graph): number | undefined {
  try {
    const { integers, all, convolutions } = multiplyAdds(legalize(graph, { target: 'onednn' }).quantized);
    return convolutions > all / 2 ? integers : undefined;
  } catch (error) {
    if (error instanceof UnskewError) return undefined;
    throw error;
  }
}

/** Inputs for each sentence, or one set of them, and the work that the latter takes. */
async function given(path: string): Promise<{ feeds: StoredTensors[]; work: number | undefined }> {
  const graph = await importModel(path, importing);
  if (drawn === undefined) {
    const known = sized(graph, sizes ?? {});
    return { feeds: [feedsOf(known)], work: peak && workOf(known) };
  }
  const symbol = sequenceSymbol(graph);
  const byLength = new Map(
    [...new Set(drawn)].map((length) => [length, feedsOf(sized(graph, { ...sizes, [symbol]: length }))]),
  );
  return { feeds: drawn.map((length) => byLength.get(length) as StoredTensors), work: undefined };
}

const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && kindOf(entry.name) !== undefined)
  .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .sort();
const rows: Row[] = [];
const sentences: SentencesRow[] = [];
const unread: Record<string, string> = {};
for (const [at, file] of files.entries()) {
  const [path, model, kind] = [join(folder, file), modelName(file), kindOf(file)];
  if (kind === undefined) continue;
  try {
    const { feeds, work } = await given(path);
    const subject: RowOptions = {
      ...{ path, model, kind, threads: 1, engines: usable, feeds, rounds, turnMs: Number(values.turn) },
      ...(sizes && { sizes }),
      ...(values.profile !== undefined && { profile: values.profile }),
      ...(python !== undefined && { python }),
    };
    const meaning = values.exact === undefined ? undefined : await meaningOf(subject, Number(values.exact));
    for (const isa of limits)
      for (const threads of values.threads.split(',').map(Number)) {
        process.stderr.write(`${at + 1}/${files.length} ${model}, ${threads} thread${threads === 1 ? '' : 's'} …\n`);
        const options = { ...subject, threads, ...(isa && { isa }), ...(meaning !== undefined && { meaning }) };
        if (drawn !== undefined && lengths !== undefined) {
          sentences.push(await benchSentences(options, drawn, lengths));
          continue;
        }
        // Without VNNI the peak is another one.
        const isMeasured = peak !== undefined && work !== undefined && isa === undefined;
        const row = await benchRow(
          options,
          isMeasured ? { multiplyAdds: work, perSecond: peak.perSecond(threads) } : undefined,
        );
        rows.push(row);
        process.stderr.write(`    ${formatRows([row]).split('\n').at(-1)}\n`);
      }
  } catch (error) {
    unread[model] = messageOf(error);
  }
  // A run that is ended early leaves what it has.
  if (values.json !== undefined)
    addToFile(values.json, { rows, sentences, unread }, commandOf('bench:zoo', process.argv.slice(2)));
}
peak?.dispose();
if (rows.length > 0) console.log(formatRows(rows));
if (sentences.length > 0) console.log(formatSentences(sentences));
const told = new Set<string>();
for (const { model, refused, exact } of [...rows, ...sentences]) {
  for (const [engine, why] of Object.entries(refused)) told.add(`${model}: ${engine} refuses: ${why}`);
  if (typeof exact === 'string') told.add(`${model}: no comparison with the interpreter: ${exact}`);
}
for (const [model, why] of Object.entries(unread)) told.add(`${model}: ${why}`);
for (const line of told) console.log(line);
