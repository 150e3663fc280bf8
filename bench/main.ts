/**
 * The benchmark: `npm run bench [-- compile|networks|NETWORK|scaling [SHAPE…]] [--quick] [--json]`; `--limit=SECONDS`
 * ends the phases of one graph of `scaling` (600 unless told), and what is not timed by then is a dash. Every time stands beside its peer's from the
 * same run, and every network is compared with the interpreter and with ONNX Runtime, integer for integer, before it
 * is timed. What counts is `run`, which people call; `runSync` stands beside it. Both engines are timed in turns in one
 * process, and each alone in a process of its own (not with --quick).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPeer } from '../src/cli/onnxruntime.ts';
import { legalize } from '../src/codegen/legalize.ts';
import { importOnnx } from '../src/importers/onnx/import.ts';
import { interpret, tensor } from '../src/ir/index.ts';
import { compile } from '../src/runtime/compile.ts';
import { compileGraph } from '../src/runtime/compile_graph.ts';
import {
  feedOf,
  measureAlone,
  modelOf,
  type NetworkName,
  ourContenders,
  peerContender,
  type Subject,
} from './engines.ts';
import { compare, formatTable, measure, quantile, type Schedule, type Timing, usualSchedule } from './measure.ts';
import { type NetOptions, networks } from './models/index.ts';
import { type ShapeName, shapes } from './scaling/shapes.ts';
import { benchScaling, formatScaling, type ScalingRow } from './scaling/table.ts';

const options: NetOptions = {
  form: 'qlinear',
  zeroPoints: 'nonzero',
  activation: 'uint8',
  weights: 'int8',
  perChannel: true,
  seed: 1,
};

interface Variant {
  readonly network: NetworkName;
  readonly label: string;
  readonly options: NetOptions;
}

const variants: readonly Variant[] = (['resnet-50', 'mobilenet-v2'] as const).flatMap((network) => [
  { network, label: 'QLinear, every zero point ≠ 0', options },
  { network, label: 'QDQ, every zero point ≠ 0', options: { ...options, form: 'qdq' } },
  { network, label: 'QLinear, every zero point 0', options: { ...options, zeroPoints: 'zero' } },
  { network, label: 'QLinear, u8 weights', options: { ...options, weights: 'uint8' } },
]);

/** Medians in ms. */
interface Times {
  readonly runMs: number;
  readonly runSyncMs: number;
  readonly onnxruntimeMs: number;
}

interface NetworkRow extends Times {
  readonly network: string;
  readonly variant: string;
  readonly threads: number;
  /** Least time of `run` against that of `runSync`. */
  readonly runToRunSync: number;
  /** onnxruntime / `run`, with the 10th and 90th percentile over rounds. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly alone?: Times;
  readonly differsFromInterpreter: number;
  readonly differsFromOnnxRuntime: number;
}

async function benchNetwork(
  { network, label, options }: Variant,
  schedule: Schedule,
  alone: boolean,
): Promise<NetworkRow[]> {
  const bytes = networks[network](options);
  const graph = importOnnx(bytes, { file: network });
  const output = graph.outputs[0];
  const feeds = feedOf(graph.inputs[0]);
  // The meaning of the quantized graph: in QDQ form the graph as written computes floats that integers stand for.
  const { quantized } = legalize(graph, { target: 'onednn' });
  const tensors = Object.fromEntries(Object.entries(feeds).map(([id, t]) => [id, tensor('f32', t.data, t.dims)]));
  const expected = interpret(quantized, tensors)[output].data as Float32Array;
  const rows: NetworkRow[] = [];
  for (const threads of [1, 2]) {
    const model = modelOf(graph, threads);
    const peer = await createPeer(bytes, { threads });
    const ours = (await model.run(feeds))[output].data as Float32Array;
    const theirs = (await peer.run(feeds))[output].data as Float32Array;
    const [run, runSync, other] = await measure([...ourContenders(model, feeds), peerContender(peer, feeds)], schedule);
    model.dispose();
    await peer.dispose();
    const { ratio, low, high } = compare(run, other);
    rows.push({
      network,
      variant: label,
      threads,
      ...timesOf(run, runSync, other),
      runToRunSync: run.minimum / runSync.minimum,
      ratio,
      low,
      high,
      ...(alone && { alone: benchAlone({ network, options, threads }, schedule) }),
      differsFromInterpreter: differing(ours, expected),
      differsFromOnnxRuntime: differing(ours, theirs),
    });
  }
  return rows;
}

function benchAlone(subject: Subject, schedule: Schedule): Times {
  const [run, runSync] = measureAlone({ ...subject, engine: 'unskew', schedule });
  const [other] = measureAlone({ ...subject, engine: 'onnxruntime', schedule });
  return timesOf(run, runSync, other);
}

const timesOf = (run: Timing, runSync: Timing, other: Timing): Times => ({
  runMs: run.median,
  runSyncMs: runSync.median,
  onnxruntimeMs: other.median,
});

const differing = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++;
  return count;
};

interface CompileRow {
  readonly network: string;
  readonly form: string;
  /** Import, legalization and selection the first time, with cold code, as a user meets it: corrections are proved. */
  readonly firstMs: number;
  readonly importMs: number;
  readonly legalizeMs: number;
  /** From a path to a model that runs, without a proof; then the whole proof. */
  readonly compileMs: number;
  readonly proveMs: number;
}

/** The first time, then medians in ms of twelve more; `compile` and the proof of what it made in turn. */
async function benchCompile(network: NetworkName, form: NetOptions['form']): Promise<CompileRow> {
  const bytes = networks[network]({ ...options, form });
  const folder = mkdtempSync(join(tmpdir(), 'unskew-bench-'));
  const path = join(folder, 'model.onnx');
  writeFileSync(path, bytes);
  const rounds: number[][] = [];
  for (let round = 0; round < 13; round++) {
    const times = [performance.now()];
    const lap = () => times.push(performance.now());
    const graph = importOnnx(bytes, { file: network });
    lap();
    compileGraph(graph, { threads: 1, ...(round > 0 && { verify: false }) });
    lap();
    const model = await compile(path, { threads: 1, verify: false });
    lap();
    if (model.certificate.verdict !== 'bit-exact') throw new Error(`${network} is not proved`);
    lap();
    model.dispose();
    rounds.push(times.slice(1).map((t, i) => t - times[i]));
  }
  rmSync(folder, { recursive: true });
  const [importMs, legalizeMs, compileMs, proveMs] = [0, 1, 2, 3].map((i) =>
    quantile(
      rounds.slice(1).map((t) => t[i]),
      0.5,
    ),
  );
  return { network, form, firstMs: rounds[0][0] + rounds[0][1], importMs, legalizeMs, compileMs, proveMs };
}

const args = process.argv.slice(2);
const json = args.includes('--json');
const say = (text: string) => process.stderr.write(`${text}\n`);
const wanted = (part: string) => args.every((a) => a.startsWith('--')) || args.includes(part);
const result: { compile?: unknown; networks?: NetworkRow[]; scaling?: readonly ScalingRow[] } = {};

if (wanted('compile')) {
  const rows: CompileRow[] = [];
  for (const network of ['resnet-50', 'mobilenet-v2'] as const)
    for (const form of ['qlinear', 'qdq'] as const) rows.push(await benchCompile(network, form));
  result.compile = rows;
  const header = [
    'network',
    'form',
    'first ms',
    'import ms',
    'legalize + select ms',
    'compile ms',
    'prove ms',
    'ratio',
  ];
  const cells = rows.map((r) => [
    r.network,
    r.form,
    r.firstMs.toFixed(0),
    r.importMs.toFixed(0),
    r.legalizeMs.toFixed(0),
    r.compileMs.toFixed(0),
    r.proveMs.toFixed(1),
    (r.proveMs / r.compileMs).toFixed(3),
  ]);
  if (!json)
    console.log(
      `${formatTable(header, cells)}\n(first: import, legalize, prove corrections and select with cold code; the others are medians of twelve more, without proofs;\n compile: from a path to a model; prove: its whole certificate; ratio: prove / compile)\n`,
    );
}
const named = args.filter((arg) => arg in networks);
if (wanted('networks') || named.length > 0) {
  const quick = args.includes('--quick');
  const schedule = quick ? { ...usualSchedule, rounds: 4, burst: 4 } : usualSchedule;
  const rows: NetworkRow[] = [];
  for (const variant of variants.filter(({ network }) => named.length === 0 || named.includes(network))) {
    say(`${variant.network}, ${variant.label} …`);
    rows.push(...(await benchNetwork(variant, schedule, !quick)));
  }
  result.networks = rows;
  const header = [
    'network',
    'variant',
    'threads',
    'run ms',
    'runSync ms',
    'run / runSync',
    'ORT ms',
    'ORT / run',
    'p10-p90',
    'alone: run, runSync, ORT ms',
    'differ: interpreter',
    'ORT',
  ];
  const cells = rows.map((r) => [
    r.network,
    r.variant,
    String(r.threads),
    r.runMs.toFixed(2),
    r.runSyncMs.toFixed(2),
    r.runToRunSync.toFixed(2),
    r.onnxruntimeMs.toFixed(2),
    r.ratio.toFixed(2),
    `${r.low.toFixed(2)}-${r.high.toFixed(2)}`,
    r.alone ? [r.alone.runMs, r.alone.runSyncMs, r.alone.onnxruntimeMs].map((ms) => ms.toFixed(2)).join(' ') : '',
    String(r.differsFromInterpreter),
    String(r.differsFromOnnxRuntime),
  ]);
  if (!json) console.log(formatTable(header, cells));
}
// takes long: only where it is asked for, and of the shapes that are named if any is
if (args.includes('scaling')) {
  const sizes = args.includes('--quick') ? [1000, 10_000] : [1000, 10_000, 100_000];
  const all = Object.keys(shapes) as ShapeName[];
  const named = all.filter((name) => args.includes(name));
  const limitMs = 1000 * Number(args.find((a) => a.startsWith('--limit='))?.slice('--limit='.length) ?? 600);
  result.scaling = benchScaling({ sizes, names: named.length > 0 ? named : all, limitMs }, say);
  if (!json) console.log(formatScaling(sizes, result.scaling));
}
if (json) console.log(JSON.stringify(result, null, 2));
if (result.networks?.some((r) => r.differsFromInterpreter + r.differsFromOnnxRuntime > 0)) process.exitCode = 3;
