/**
 * The table of oneDNN issue #665 (https://github.com/oneapi-src/oneDNN/issues/665): what each way to run a convolution
 * with a zero point costs, beside the same convolution without one. All ways of a layer are timed in one run, in turns,
 * on the addon; a network is the sum of its layers.
 *
 *   npm run example:665 [-- --rounds=N] [--json]
 */
import { networks } from '../../bench/models/index.ts';
import { type Measured, measurable } from '../../src/codegen/measure_strategies.ts';
import { select } from '../../src/codegen/select.ts';
import { usualTiming } from '../../src/codegen/timing.ts';
import { importOnnx } from '../../src/importers/onnx/import.ts';
import type { Graph } from '../../src/ir/index.ts';
import { type Layer, layersOf, symmetricOf } from '../../src/passes/cost/layers.ts';
import { legalizeFor } from '../../src/passes/legalize.ts';
import { runPipeline } from '../../src/passes/manager.ts';
import { applyRules } from '../../src/passes/rewrite/driver.ts';
import type { StrategyName } from '../../src/passes/strategy_names.ts';
import { backends } from '../../src/runtime/backends.ts';
import { machineOf } from '../../src/runtime/cost_cache.ts';

interface Contender {
  readonly name: string;
  readonly what: string;
  readonly strategy: StrategyName | 'auto';
  /** Every term an operator of its own, as TVM and gemmlowp have it; else all is fused that can be. */
  readonly isLiteral?: boolean;
}

const contenders: readonly Contender[] = [
  { name: 'f32', what: 'subtract in f32, f32 convolution', strategy: 'f32-shift' },
  { name: 'two-conv', what: 'conv(x, w) - conv(broadcast zx, w), the answer in the issue', strategy: 'two-conv' },
  { name: 'four-term', what: 'gemmlowp and TVM, operator by operator', strategy: 'four-term', isLiteral: true },
  { name: 'native', what: 'the zero point as an attribute of the primitive', strategy: 'native' },
  { name: 'ours (auto)', what: 'per layer the way that the cost model picks', strategy: 'auto' },
];

interface Row {
  readonly name: string;
  readonly what: string;
  /** Relative to the symmetric network, over the layers where the way is legal. */
  readonly cost: number;
  readonly worst: number;
  readonly worstLayer: string;
  readonly layers: number;
}

interface Table {
  readonly network: string;
  readonly threads: number;
  readonly symmetricMs: number;
  readonly layers: number;
  readonly rows: readonly Row[];
}

const { here, open, library } = backends.onednn;
const rounds = Number(
  process.argv.find((a) => a.startsWith('--rounds='))?.slice('--rounds='.length) ?? usualTiming.rounds,
);
const isJson = process.argv.includes('--json');

/** The layer in one way, ready to be timed; undefined where the way is not legal. */
function selectedFor(graph: Graph, target: Measured, { strategy, isLiteral }: Omit<Contender, 'name' | 'what'>) {
  const { graph: corrected, strategies } = legalizeFor(graph, target, { strategy });
  if (strategy !== 'auto' && strategies.some(({ chosen }) => chosen !== strategy)) return undefined;
  return isLiteral
    ? applyRules(corrected, target.selection()[2]!).graph
    : runPipeline(corrected, [select(target)], { target }).graph;
}

/** Microseconds of a layer: without a zero point, then by contender; undefined for what the addon does not run as a whole. */
function timesOf(layer: Layer, target: Measured): (number | undefined)[] {
  const selected = [
    selectedFor(symmetricOf(layer), target, { strategy: 'auto' }),
    ...contenders.map((c) => selectedFor(layer.graph, target, c)),
  ];
  const legal = selected.filter((graph) => graph !== undefined);
  const times = target.timing.time(legal, { ...usualTiming, rounds });
  return selected.map((graph) => graph && times[legal.indexOf(graph)]);
}

function tableOf(network: keyof typeof networks, threads: number): Table {
  const bytes = networks[network]({
    form: 'qlinear',
    zeroPoints: 'nonzero',
    activation: 'uint8',
    weights: 'int8',
    perChannel: true,
    seed: 1,
  });
  const target = measurable(open(here(threads)));
  const { quantized } = legalizeFor(importOnnx(bytes, { file: network }), target);
  const convolutions = layersOf(quantized, { target, note: () => {} }).filter(({ layer }) => layer.kind === 'conv');
  const distinct = new Map<string, { layer: Layer; count: number }>();
  for (const layer of convolutions) {
    const known = distinct.get(layer.key);
    distinct.set(layer.key, { layer, count: (known?.count ?? 0) + 1 });
  }
  const timed = [...distinct.values()].map(({ layer, count }, i) => {
    if (process.stderr.isTTY)
      process.stderr.write(`\r${network}, ${threads} threads: layer ${i + 1} of ${distinct.size} `);
    return { name: layer.node.loc.node ?? layer.node.id, count, times: timesOf(layer, target) };
  });
  const rows = contenders.map(({ name, what }, c): Row => {
    const legal = timed.filter(({ times }) => times[c + 1] !== undefined);
    const total = (at: number) => legal.reduce((sum, { count, times }) => sum + count * times[at]!, 0);
    const worst = legal.toSorted((a, b) => b.times[c + 1]! / b.times[0]! - a.times[c + 1]! / a.times[0]!)[0]!;
    return {
      name,
      what,
      cost: total(c + 1) / total(0),
      worst: worst.times[c + 1]! / worst.times[0]!,
      worstLayer: worst.name,
      layers: legal.reduce((sum, { count }) => sum + count, 0),
    };
  });
  const symmetricMs = timed.reduce((sum, { count, times }) => sum + (count * times[0]!) / 1000, 0);
  return { network, threads, symmetricMs, layers: convolutions.length, rows };
}

/** A block for every 0.1; what is longer than the line ends in an arrow. */
function bar(cost: number): string {
  const length = Math.round(cost * 10);
  return length > 48 ? `${'█'.repeat(47)}▶` : '█'.repeat(length);
}

function print({ network, threads, symmetricMs, layers, rows }: Table): void {
  console.log(
    `${network}, ${threads} thread${threads === 1 ? '' : 's'}: ${layers} convolutions, ${symmetricMs.toFixed(2)} ms without zero points\n`,
  );
  for (const { name, cost, layers: legal } of [...rows, { name: 'symmetric', cost: 1, layers }])
    console.log(
      `  ${name.padEnd(12)} ${cost.toFixed(2).padStart(6)}  ${bar(cost)}${legal < layers ? `  (legal on ${legal} layers)` : ''}`,
    );
  const { worst, worstLayer } = rows.at(-1)!;
  console.log(`\n  ours, worst layer: ${worst.toFixed(2)} (${worstLayer})\n`);
}

const tables: Table[] = [];
for (const network of ['resnet-50', 'mobilenet-v2'] as const)
  for (const threads of [1, 2]) {
    tables.push(tableOf(network, threads));
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    if (!isJson) print(tables.at(-1)!);
  }
if (library === undefined) throw new Error('the library is missing');
const { processor, version, isa } = machineOf(library(), 1);
if (isJson) console.log(JSON.stringify({ processor, onednn: version, isa, rounds, tables }, undefined, 2));
else {
  for (const { name, what } of contenders) console.log(`  ${name.padEnd(12)} ${what}`);
  console.log(
    `\n${processor}, oneDNN ${version} (${isa}); time of all convolutions of the network, least of ${rounds} rounds, symmetric = 1.00`,
  );
}
