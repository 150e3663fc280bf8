/**
 * The benchmark: `npm run bench [-- networks|compile] [--quick] [--json]`. Every time stands beside its peer's from the
 * same run, and every network is compared with the interpreter and with ONNX Runtime, integer for integer, before it
 * is timed.
 */
import { importOnnx } from '../src/importers/onnx/import.ts';
import { interpret, tensor } from '../src/ir/index.ts';
import { legalize } from '../src/passes/legalize.ts';
import { compileGraph, Model } from '../src/runtime/compile.ts';
import { compare, formatTable, measure, quantile, type Schedule, usualSchedule } from './measure.ts';
import { type NetOptions, networks, noiseImage } from './models/index.ts';
import { createPeer } from './peers/onnxruntime.ts';

type NetworkName = keyof typeof networks;

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

interface NetworkRow {
  readonly network: string;
  readonly variant: string;
  readonly threads: number;
  readonly unskewMs: number;
  readonly onnxruntimeMs: number;
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly differsFromInterpreter: number;
  readonly differsFromOnnxRuntime: number;
}

async function benchNetwork({ network, label, options }: Variant, schedule: Schedule): Promise<NetworkRow[]> {
  const bytes = networks[network](options);
  const graph = importOnnx(bytes, { file: network });
  const [input, output] = [graph.inputs[0], graph.outputs[0]];
  const feed = { type: 'float32', data: noiseImage(7), dims: [1, 3, 224, 224] };
  // The meaning of the quantized graph: in QDQ form the graph as written computes floats that integers stand for.
  const { quantized } = legalize(graph, { target: 'onednn' });
  const expected = interpret(quantized, { [input]: tensor('f32', feed.data, feed.dims) })[output].data as Float32Array;
  const rows: NetworkRow[] = [];
  for (const threads of [1, 2]) {
    const model = new Model(compileGraph(graph, { threads }), { threads });
    const peer = await createPeer(bytes, { threads });
    const ours = model.runSync({ [input]: feed })[output].data as Float32Array;
    const theirs = (await peer.run({ [input]: feed }))[output].data as Float32Array;
    const [mine, other] = await measure(
      [
        { name: 'unskew', run: () => model.runSync({ [input]: feed }) },
        { name: 'onnxruntime', run: () => peer.run({ [input]: feed }) },
      ],
      schedule,
    );
    const { ratio, low, high } = compare(mine, other);
    rows.push({
      network,
      variant: label,
      threads,
      unskewMs: mine.median,
      onnxruntimeMs: other.median,
      ratio,
      low,
      high,
      differsFromInterpreter: differing(ours, expected),
      differsFromOnnxRuntime: differing(ours, theirs),
    });
    model.dispose();
    await peer.dispose();
  }
  return rows;
}

const differing = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++;
  return count;
};

/** Import, legalization and selection of a network, after one warm-up: medians in ms. */
function benchCompile(
  network: NetworkName,
  form: NetOptions['form'],
): { network: string; form: string; importMs: number; legalizeMs: number; totalMs: number } {
  const bytes = networks[network]({ ...options, form });
  const times = Array.from({ length: 7 }, () => {
    const start = performance.now();
    const graph = importOnnx(bytes, { file: network });
    const imported = performance.now();
    compileGraph(graph, { threads: 1 });
    return [imported - start, performance.now() - imported];
  });
  const first = times[0][0] + times[0][1];
  const at = (i: number) =>
    quantile(
      times.slice(1).map((t) => t[i]),
      0.5,
    );
  return { network, form, importMs: at(0), legalizeMs: at(1), totalMs: first };
}

const args = process.argv.slice(2);
const json = args.includes('--json');
const say = (text: string) => process.stderr.write(`${text}\n`);
const wanted = (part: string) => args.every((a) => a.startsWith('--')) || args.includes(part);
const result: { compile?: unknown; networks?: NetworkRow[] } = {};

if (wanted('compile')) {
  const rows = (['resnet-50', 'mobilenet-v2'] as const).flatMap((n) =>
    (['qlinear', 'qdq'] as const).map((form) => benchCompile(n, form)),
  );
  result.compile = rows;
  const header = ['import + legalize + select', 'form', 'first ms', 'import ms', 'legalize + select ms'];
  const cells = rows.map((r) => [
    r.network,
    r.form,
    r.totalMs.toFixed(0),
    r.importMs.toFixed(0),
    r.legalizeMs.toFixed(0),
  ]);
  if (!json)
    console.log(
      `${formatTable(header, cells)}\n(first: cold, as a user meets it; the others are medians of six more)\n`,
    );
}
if (wanted('networks')) {
  const schedule = args.includes('--quick') ? { ...usualSchedule, rounds: 4, burst: 4 } : usualSchedule;
  const rows: NetworkRow[] = [];
  for (const variant of variants) {
    say(`${variant.network}, ${variant.label} …`);
    rows.push(...(await benchNetwork(variant, schedule)));
  }
  result.networks = rows;
  const header = [
    'network',
    'variant',
    'threads',
    'unskew ms',
    'ORT ms',
    'ORT / unskew',
    'p10-p90',
    'differ: interpreter',
    'ORT',
  ];
  const cells = rows.map((r) => [
    r.network,
    r.variant,
    String(r.threads),
    r.unskewMs.toFixed(2),
    r.onnxruntimeMs.toFixed(2),
    r.ratio.toFixed(2),
    `${r.low.toFixed(2)}-${r.high.toFixed(2)}`,
    String(r.differsFromInterpreter),
    String(r.differsFromOnnxRuntime),
  ]);
  if (!json) console.log(formatTable(header, cells));
}
if (json) console.log(JSON.stringify(result, null, 2));
if (result.networks?.some((r) => r.differsFromInterpreter + r.differsFromOnnxRuntime > 0)) process.exitCode = 3;
