/**
 * Measures the ways to correct a zero point on the layers of ResNet-50, MobileNetV2 and some more, and writes the table
 * that is shipped, src/codegen/onednn/costs/measured_<isa>.ts, for the ISA that oneDNN dispatches to here (DNNL_MAX_CPU_ISA
 * restricts it):
 *
 *   node --import tsx bench/strategies.ts [--passes=N] [--threads=1,2] [--raw=FILE]
 *
 * Least times count. With --raw they are kept in FILE, and those of earlier runs count as well: a machine that is busy
 * can be measured a little at a time. See docs/strategies.md.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { measurable, measureStrategies } from '../src/codegen/measure_strategies.ts';
import { importOnnx } from '../src/importers/onnx/import.ts';
import type { LayerClass } from '../src/passes/cost/layer_class.ts';
import { legalizeFor } from '../src/passes/legalize.ts';
import { ways } from '../src/passes/strategies.ts';
import { backends } from '../src/runtime/backends.ts';
import { machineOf } from '../src/runtime/cost_cache.ts';
import { argument } from './argument.ts';
import { type NetOptions, networks } from './models/index.ts';
import { layerZoo } from './models/layer_zoo.ts';

const options: NetOptions = {
  form: 'qlinear',
  zeroPoints: 'nonzero',
  activation: 'uint8',
  weights: 'int8',
  perChannel: true,
  seed: 1,
};
const passes = Number(argument('passes') ?? 3);
const wanted = (argument('threads') ?? '1,2').split(',').map(Number);
const raw = argument('raw');
const threadCounts = [1, 2];
const { here, open, library } = backends.onednn;
const names = ways.map(({ name }) => name).filter((name) => name !== 's32-shift');

/** Least microseconds by way, `symmetric` among them, at each number of threads. */
interface Times {
  readonly layer: LayerClass;
  readonly least: Record<string, number>[];
}

const known: readonly Times[] = raw && existsSync(raw) ? JSON.parse(readFileSync(raw, 'utf8')) : [];
const all = new Map(known.map((times) => [JSON.stringify(times.layer), times]));
const graphs = [...Object.values(networks).map((build) => build(options)), ...layerZoo(options)].map((bytes, i) =>
  importOnnx(bytes, { file: `model ${i}` }),
);
for (let pass = 0; pass < passes; pass++) {
  for (const threads of wanted) {
    const t = threadCounts.indexOf(threads);
    const backend = open(here(threads));
    for (const [g, graph] of graphs.entries()) {
      process.stderr.write(`pass ${pass + 1} of ${passes}, ${threads} threads, model ${g + 1} of ${graphs.length}\n`);
      const { quantized } = legalizeFor(graph, backend);
      for (const measured of measureStrategies(quantized, measurable(backend), { target: backend })) {
        if (g >= Object.keys(networks).length && !measured.layers.includes('layer')) continue;
        const key = JSON.stringify(measured.class);
        const times: Times = all.get(key) ?? { layer: measured.class, least: threadCounts.map(() => ({})) };
        all.set(key, times);
        const least = times.least[t];
        const note = (name: string, time: number): void => {
          least[name] = Math.min(least[name] ?? Number.POSITIVE_INFINITY, time);
        };
        note('symmetric', measured.symmetricMicroseconds);
        for (const way of measured.ways) {
          if (way.measured !== undefined) note(way.name, way.measured * measured.symmetricMicroseconds);
        }
      }
    }
  }
}

if (raw) writeFileSync(raw, JSON.stringify([...all.values()]));

if (library === undefined) throw new Error('the back end has no library');
const { processor, version, isa } = machineOf(library(), 1);
const rows = [...all.values()].map(({ layer, least }) => {
  const costs = least.map((times) =>
    names.map((name) => {
      const time = times[name];
      return time === undefined ? 0 : Number((time / times.symmetric!).toPrecision(3));
    }),
  );
  const { kind, depthwise, padded, groups, taps, stride, inputChannels, outputChannels, positions } = layer;
  return JSON.stringify([
    kind,
    Number(depthwise),
    Number(padded),
    ...[groups, taps, stride, inputChannels, outputChannels, positions],
    ...costs,
  ]).replaceAll('"', "'");
});
const text = `/** Written by bench/strategies.ts: ${processor}, oneDNN ${version}. */
import { type MeasuredRow, tablesOf } from './measured_rows.ts';

// kind, depthwise, padded, groups, taps, stride, input channels, output channels, positions, costs at 1 and 2 threads
// biome-ignore format: a line for every layer
const rows: readonly MeasuredRow[] = [
${rows.map((row) => `  ${row.replaceAll(',', ', ')},`).join('\n')}
];

export const ${isa} = tablesOf(
  '${isa}',
  ${version.split('.')[0]},
  [${threadCounts.join(', ')}],
  [${names.map((n) => `'${n}'`).join(', ')}],
  rows,
);
`;
const path = fileURLToPath(new URL(`../src/codegen/onednn/costs/measured_${isa}.ts`, import.meta.url));
writeFileSync(path, text);
process.stderr.write(`${rows.length} layers written to ${path}\n`);
