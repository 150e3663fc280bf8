/** `unskew strategies --measure`: the ways of a whole model, timed here and now. */

import { type Backend, costRowsOf, type MeasuredLayer, measurable, measureStrategies } from '../codegen/index.ts';
import { assert, fail } from '../diagnostics/index.ts';
import { type Graph, isStatic } from '../ir/index.ts';
import type { Target } from '../passes/index.ts';
import { backends, machineOf, usualBackend, writeCosts } from '../runtime/index.ts';
import { count, formatTable, named, right } from './table.ts';
import type { Terminal } from './terminal.ts';

/** A choice counts as right when its cost is at most this many times the best one. */
const NEAR = 1.05;

/** The corrected layers of a model together; costs relative to all of them without zero points. */
export interface MeasuredTotals {
  readonly symmetricMicroseconds: number;
  /** With the chosen ways, and with the best way of every layer. */
  readonly chosen: number;
  readonly best: number;
  /** With one way wherever it is legal and measured, and the chosen way elsewhere. */
  readonly ways: Readonly<Record<string, number>>;
}

export interface MeasuredModel {
  readonly rounds: number;
  /** The file that keeps the measurements; absent when none does. */
  readonly kept?: string;
  readonly layers: readonly (MeasuredLayer & { readonly isNearBest: boolean })[];
  readonly nearBest: number;
  readonly total: MeasuredTotals;
}

export interface MeasureRequest {
  readonly target: Target;
  readonly backend: Backend;
  readonly threads: number;
  readonly rounds: number;
  readonly keep: boolean;
}

export function measureModel(quantized: Graph, request: MeasureRequest, terminal: Terminal): MeasuredModel {
  const { target, backend, threads, rounds, keep } = request;
  for (const id of quantized.inputs) {
    if (isStatic(quantized.values[id].type.shape)) continue;
    fail('U4002', 'ways are timed for known sizes', { input: id }, `give them with --shape ${id}=SIZES`);
  }
  const { library } = backends[usualBackend];
  assert(library, `${usualBackend} says nothing of its library`);
  const onProgress = (done: number, total: number, layer: string): void =>
    terminal.progress(`measuring layer ${done + 1} of ${total}: ${layer}`);
  const layers = measureStrategies(quantized, measurable(backend), { target, rounds, onProgress });
  terminal.clearProgress();
  const kept = keep ? writeCosts(machineOf(library(), threads), costRowsOf(layers)) : undefined;
  if (keep && kept === undefined) terminal.note('note: the measurements cannot be kept: the cache cannot be written');
  const judged = layers.map((layer) => ({ ...layer, isNearBest: layer.overBest <= NEAR }));
  return {
    rounds,
    ...(kept && { kept }),
    layers: judged,
    nearBest: judged.filter(({ isNearBest }) => isNearBest).length,
    total: totalsOf(layers),
  };
}

function totalsOf(layers: readonly MeasuredLayer[]): MeasuredTotals {
  const times = layers.filter(({ overBest }) => Number.isFinite(overBest));
  const costOf = (layer: MeasuredLayer, name: string): number | undefined =>
    layer.ways.find((way) => way.name === name)?.measured;
  const symmetric = sum(times, (l) => l.layers.length * l.symmetricMicroseconds);
  const relative = (cost: (layer: MeasuredLayer) => number): number =>
    sum(times, (l) => l.layers.length * l.symmetricMicroseconds * cost(l)) / symmetric;
  const chosen = (layer: MeasuredLayer): number => costOf(layer, layer.chosen)!;
  const names = namesOf(times).filter((name) => times.some((layer) => costOf(layer, name) !== undefined));
  return {
    symmetricMicroseconds: symmetric,
    chosen: relative(chosen),
    best: relative((layer) => costOf(layer, layer.best)!),
    ways: Object.fromEntries(
      names.map((name) => [name, relative((layer) => costOf(layer, name) ?? chosen(layer))] as const),
    ),
  };
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number => items.reduce((t, item) => t + of(item), 0);

const namesOf = (layers: readonly MeasuredLayer[]): string[] => [
  ...new Set(layers.flatMap(({ ways }) => ways.map(({ name }) => name))),
];

export function formatMeasured(found: MeasuredModel, { paint }: Terminal): string {
  const { layers, total, nearBest, rounds, kept } = found;
  const names = namesOf(layers).filter((name) => layers.some((l) => l.ways.some((w) => w.name === name && w.measured)));
  const cell = (layer: MeasuredLayer, name: string): string => {
    const way = layer.ways.find((w) => w.name === name);
    if (!way?.legal) return '';
    return way.measured === undefined ? 'interp.' : `${way.predicted.toFixed(2)}/${way.measured.toFixed(2)}`;
  };
  const rows = layers.map((layer) => [
    layer.layers[0],
    layer.layers.length,
    layer.symmetricMicroseconds.toFixed(1),
    ...names.map((name) => cell(layer, name)),
    layer.chosen,
    layer.best,
    layer.isNearBest ? 'yes' : layer.overBest.toFixed(2),
  ]);
  const totals = Object.entries({ chosen: total.chosen, 'best of each': total.best, ...total.ways });
  return [
    `${paint('bold', 'Measured')} in ${count(rounds, 'round')}, predicted/measured, per distinct layer; symmetric: the layer without a zero point`,
    formatTable(
      [named('layer'), right('times'), right('symmetric us'), ...names.map(right), 'chosen', 'best', 'within 5 %'],
      rows,
    ),
    '',
    `${paint('bold', 'All layers together')}, without zero points = 1.00 (${(total.symmetricMicroseconds / 1000).toFixed(2)} ms); a way stands aside where it is not legal`,
    formatTable(
      ['way', right('cost')],
      totals.map(([name, cost]) => [name, cost.toFixed(3)]),
    ),
    '',
    `The choice is within 5 % of the best way on ${nearBest} of ${count(layers.length, 'distinct layer')}.`,
    ...(kept ? [`Kept in ${kept}`] : []),
  ].join('\n');
}
