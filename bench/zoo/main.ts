/**
 * Every ONNX model of a folder on unskew, ONNX Runtime and, where `PY_ML` names a Python that has it, OpenVINO: one process per engine,
 * taking turns. `npm run bench:zoo -- FOLDER [PART …] [--threads=1,2] [--rounds=7] [--turn=200]
 * [--engines=unskew,onnxruntime] [--json=FILE]`. Inputs are random; open
 * sizes are 1. A model that an engine does not run is listed with the reason.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { randomFeeds } from '../../src/cli/random.ts';
import { importModel } from '../../src/index.ts';
import { bytesOf, toPublic } from '../../src/ir/index.ts';
import type { Engine } from './engine_process.ts';
import type { StoredTensors } from './protocol.ts';
import { formatRows } from './report.ts';
import { benchRow, type Row, type ZooResult } from './row.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '7' },
    turn: { type: 'string', default: '200' },
    engines: { type: 'string' },
    json: { type: 'string' },
  },
});
const [folder, ...parts] = positionals;
if (folder === undefined) {
  console.error(
    'usage: npm run bench:zoo -- FOLDER [PART …] [--threads=1,2] [--rounds=7] [--turn=200] [--engines=NAME,…] [--json=FILE]',
  );
  process.exit(2);
}
const python = process.env.PY_ML;
const all: readonly Engine[] = ['unskew', 'unskew-sync', 'onnxruntime', ...(python ? (['openvino'] as const) : [])];

const wanted = values.engines?.split(',');
const engines = all.filter((engine) => wanted?.includes(engine) ?? true);

async function feedsOf(path: string): Promise<StoredTensors> {
  const graph = await importModel(path);
  const tensors = Object.entries(randomFeeds(graph, 1)).map(([name, tensor]) => {
    const { type, dims, data } = toPublic(tensor);
    return [name, { type, dims, data: Buffer.from(bytesOf(data)).toString('base64') }] as const;
  });
  return Object.fromEntries(tensors);
}

const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.onnx') && (parts.length === 0 || parts.some((part) => file.includes(part))))
  .sort();
const rows: Row[] = [];
const unread: Record<string, string> = {};
for (const [at, file] of files.entries()) {
  const model = join(folder, file);
  const name = file.replace(/\.onnx$/, '');
  let feeds: StoredTensors;
  try {
    feeds = await feedsOf(model);
  } catch (error) {
    unread[name] = String(error instanceof Error ? error.message : error).split('\n')[0];
    continue;
  }
  for (const threads of values.threads.split(',').map(Number)) {
    process.stderr.write(`${at + 1}/${files.length} ${name}, ${threads} thread${threads === 1 ? '' : 's'} …\n`);
    const row = await benchRow({
      model,
      name,
      threads,
      engines,
      feeds,
      rounds: Number(values.rounds),
      turnMs: Number(values.turn),
      ...(python !== undefined && { python }),
    });
    rows.push(row);
    process.stderr.write(`    ${formatRows([row]).split('\n').at(-1)}\n`);
  }
}
const result: ZooResult = {
  machine: `${cpus()[0]?.model.trim()}, ${cpus().length} processors`,
  date: new Date().toISOString().slice(0, 10),
  rows,
  unread,
};
console.log(formatRows(rows));
for (const { model, threads, refused } of rows)
  for (const [engine, why] of Object.entries(refused))
    if (threads === rows[0].threads) console.log(`${model}: ${engine} refuses: ${why}`);
for (const [name, why] of Object.entries(unread)) console.log(`${name}: ${why}`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, undefined, 1)}\n`);
