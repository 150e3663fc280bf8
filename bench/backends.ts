/**
 * Models with parts that ONNX Runtime computes: what runs where, the time at the border of a part, and the outputs beside those of
 * ONNX Runtime alone, least times of rounds in one process:
 *
 *   npm run bench:backends -- [--rounds=N] [--threads=N] [--size=N] [--json=FILE] FILE.onnx …
 *
 * `size` is the size of open dimensions behind the first; the first one is 1.
 */
import { basename, dirname } from 'node:path';
import ort from 'onnxruntime-node';
import type { NodeTime } from '../src/codegen/index.ts';
import { compile, importModel, type Tensor } from '../src/index.ts';
import { isOp, nodesOf, opaqueOp } from '../src/ir/index.ts';
import type { Model } from '../src/runtime/model.ts';
import { argument } from './argument.ts';
import { formatTable } from './measure.ts';
import { addToFile, commandOf, type PartsRow } from './zoo/result.ts';

const rounds = Number(argument('rounds') ?? 30);
const threads = Number(argument('threads') ?? 1);
const size = Number(argument('size') ?? 64);
const files = process.argv.slice(2).filter((text) => text.endsWith('.onnx'));

type Feeds = Record<string, Pick<Tensor, 'type' | 'data' | 'dims'>>;

function feedsOf({ inputs }: Model): Feeds {
  const made = inputs.map(({ name, type, dims }) => {
    const known = dims.map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? 1 : size));
    const count = known.reduce((product, dim) => product * dim, 1);
    const wave = (i: number) => Math.sin(i * 0.37);
    const data =
      type === 'float32'
        ? Float32Array.from({ length: count }, (_, i) => wave(i))
        : type === 'int64'
          ? BigInt64Array.from({ length: count }, (_, i) => (name.includes('mask') ? 1n : BigInt(i % 7)))
          : type === 'int32'
            ? Int32Array.from({ length: count }, (_, i) => i % 7)
            : Uint8Array.from({ length: count }, (_, i) => (type === 'bool' ? 1 : (i * 37) & 255));
    return [name, { type, dims: known, data }];
  });
  return Object.fromEntries(made) as Feeds;
}

const least = (values: readonly number[]): number => Math.min(...values);

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) * 1000;
}

/** `equal`, or the largest difference of floats in parts of the largest number of the output. */
function compared(ours: Record<string, Tensor>, theirs: Record<string, ort.Tensor>): string {
  let worst = 0;
  for (const [name, { data, dims }] of Object.entries(theirs)) {
    if (String(ours[name]!.dims) !== String(dims)) return `other sizes of ${name}`;
    const [a, b] = [Array.from(ours[name]!.data, Number), Array.from(data as Float32Array, Number)];
    const most = b.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    for (const [i, value] of b.entries())
      if (!Object.is(a[i], value)) worst = Math.max(worst, Math.abs(a[i]! - value) / most);
  }
  return worst === 0 ? 'equal' : worst.toExponential(1);
}

interface Sums {
  readonly islands: number;
  readonly inside: number;
  readonly border: number;
}

function sumsOf(times: readonly NodeTime[]): Sums {
  const islands = times.filter(({ border }) => border !== undefined);
  const sum = (of: (time: NodeTime) => number) => islands.reduce((all, time) => all + of(time), 0);
  return {
    islands: islands.length,
    inside: sum(({ microseconds, border = 0 }) => microseconds - border),
    border: sum(({ border = 0 }) => border),
  };
}

const most = (names: readonly string[], count: number): string => {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const more = sorted.length > count ? ' …' : '';
  return (
    sorted
      .slice(0, count)
      .map(([name, n]) => `${name} ${n}`)
      .join(', ') + more
  );
};

/** A path as the commands of the page tell it. */
const modelName = (text: string): string =>
  text.endsWith('.onnx') ? `${basename(dirname(text))}/${basename(text)}` : text;

const rows: PartsRow[] = [];
for (const file of files) {
  const model = await compile(file, { backends: ['onednn', 'onnxruntime'], threads });
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: threads, logSeverityLevel: 4 });
  const feeds = feedsOf(model);
  const given = Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(type as 'float32', data as Float32Array, [...dims]),
    ]),
  );
  const outputs = compared(await model.run(feeds), (await session.run(given)) as Record<string, ort.Tensor>);
  const [ours, theirs, sums]: [number[], number[], Sums[]] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    ours.push(await timed(() => model.run(feeds)));
    theirs.push(await timed(() => session.run(given)));
    sums.push(sumsOf(model.profile(feeds)));
  }
  const imported = await importModel(file);
  const named = new Map(
    nodesOf(imported).flatMap((node) => (isOp(node, opaqueOp) ? [[String(node.id), node.attrs.operator]] : [])),
  );
  const nodes = model.profile(feeds).length;
  const inRuntime = model.fallbacks.filter(({ backend }) => backend === 'onnxruntime');
  const interpreted = model.fallbacks.length - inRuntime.length;
  const islands = sums[0]!.islands;
  const border = least(sums.map((sum) => sum.border));
  rows.push({
    model: `${basename(dirname(file))}/${basename(file, '.onnx')}`,
    threads,
    native: nodes - islands - interpreted,
    handedOver: inRuntime.length,
    operators: most(
      inRuntime.map(({ op, node }) => (op === 'opaque' ? (named.get(node) ?? op) : op)),
      3,
    ),
    interpreted,
    parts: islands,
    borderMicroseconds: islands === 0 ? 0 : border / islands,
    insideMs: least(sums.map((sum) => sum.inside)) / 1000,
    ms: least(ours) / 1000,
    runtimeMs: least(theirs) / 1000,
    outputs,
  });
  model.dispose();
  await session.release();
}
const header = ['model', 'native', 'nodes in ONNX Runtime', 'interpreted', 'parts', 'border, µs', 'inside, ms', 'ms'];
console.log(
  formatTable(
    [...header, 'ONNX Runtime alone, ms', 'outputs'],
    rows.map((row) => [
      ...[row.model, String(row.native), `${row.handedOver}: ${row.operators}`, String(row.interpreted)],
      ...[String(row.parts), row.borderMicroseconds.toFixed(0), row.insideMs.toFixed(2), row.ms.toFixed(2)],
      ...[row.runtimeMs.toFixed(2), row.outputs],
    ]),
  ),
);
const json = argument('json');
if (json !== undefined)
  addToFile(json, { parts: rows }, commandOf('bench:backends', process.argv.slice(2).map(modelName)));
