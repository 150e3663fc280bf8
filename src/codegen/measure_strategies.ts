/** Measures, on this machine, every legal way of every distinct layer against the same layer without a zero point. */
import { assert } from '../diagnostics/index.ts';
import type { Graph } from '../ir/index.ts';
import {
  type CostModel,
  type CostRow,
  isStrategyName,
  type Layer,
  type LayerClass,
  layersOf,
  legalizeFor,
  runPipeline,
  symmetricOf,
  type Target,
} from '../passes/index.ts';
import type { Backend } from './backend.ts';
import { select } from './select.ts';
import { type Timing, type TimingOptions, usualTiming } from './timing.ts';

export interface MeasuredWay {
  readonly name: string;
  readonly legal: boolean;
  /** Why it is not legal, or why it could not be measured. */
  readonly reason?: string;
  /** Relative to the symmetric layer, as the model has it. */
  readonly predicted: number;
  /** The same, measured; absent where it is not legal or is not computed as a whole. */
  readonly measured?: number;
}

/** Layers of one kind: same shapes, types and attributes, and the same ways legal. */
export interface MeasuredLayer {
  /** The names of the layers, in the order of the graph. */
  readonly layers: readonly string[];
  readonly op: string;
  readonly class: LayerClass;
  /** The time of the layer without a zero point. */
  readonly symmetricMicroseconds: number;
  readonly ways: readonly MeasuredWay[];
  readonly chosen: string;
  /** The way that took the least time. */
  readonly best: string;
  /** The measured time of the chosen way divided by that of the best one: 1 and more; infinite on the interpreter. */
  readonly overBest: number;
}

/** A back end that can time graphs. */
export type Measured = Backend & { readonly timing: Timing };

export function measurable(backend: Backend): Measured {
  const { timing } = backend;
  assert(timing, `the ${backend.name} backend times nothing`);
  return { ...backend, timing };
}

export interface MeasureOptions extends Partial<TimingOptions> {
  readonly target: Target;
  readonly costs?: CostModel;
  readonly onProgress?: (done: number, total: number, layer: string) => void;
}

/**
 * Layers whose symmetric form the back end does not compute as a whole are left out.
 *
 * @param graph quantized operators, as `legalize(graph).quantized` has them, all sizes known
 */
export function measureStrategies(graph: Graph, backend: Measured, options: MeasureOptions): MeasuredLayer[] {
  const { target, costs } = options;
  const distinct = new Map<string, { layer: Layer; names: string[] }>();
  for (const layer of layersOf(graph, { target, note: () => {} })) {
    const name = layer.node.loc.node ?? layer.node.id;
    const { ways } = legalizeFor(layer.graph, target, costs && { costs }).strategies[0];
    const key = `${layer.key} ${ways.map(({ legal }) => Number(legal)).join('')}`;
    const known = distinct.get(key);
    if (known) known.names.push(name);
    else distinct.set(key, { layer, names: [name] });
  }
  const all = [...distinct.values()];
  return all.flatMap(({ layer, names }, i) => {
    options.onProgress?.(i, all.length, names[0]);
    return measureLayer(layer, names, backend, options) ?? [];
  });
}

function measureLayer(
  layer: Layer,
  names: readonly string[],
  backend: Measured,
  { target, costs, rounds = usualTiming.rounds, turn = usualTiming.turn }: MeasureOptions,
): MeasuredLayer | undefined {
  const options = costs && { costs };
  const [{ ways: judged, chosen }] = legalizeFor(layer.graph, target, options).strategies;
  const planned = new Map<string, { graph: Graph; at: number }>();
  /** Equal graphs, numbers aside, are measured once. */
  const planOf = (graph: Graph): number => {
    const selected = runPipeline(graph, [select(backend)], { target }).graph;
    const key = backend.timing.keyOf(selected);
    const known = planned.get(key);
    if (known) return known.at;
    const at = planned.size;
    planned.set(key, { graph: selected, at });
    return at;
  };
  const symmetric = planOf(legalizeFor(symmetricOf(layer), target, options).graph);
  const plans = judged.map(({ name, legal }) => {
    if (!legal) return undefined;
    assert(isStrategyName(name), `${name} is not a way`);
    return planOf(legalizeFor(layer.graph, target, { ...options, strategy: name }).graph);
  });
  const graphs = [...planned.values()].map((entry) => entry.graph);
  const times = backend.timing.time(graphs, { rounds, turn });
  const base = times[symmetric];
  if (base === undefined) return undefined;
  const ways = judged.map(({ name, legal, reason, cost }, i): MeasuredWay => {
    const at = plans[i];
    const took = at === undefined ? undefined : times[at];
    const why = reason ?? (took === undefined ? 'it runs on the interpreter' : undefined);
    return {
      name,
      legal,
      predicted: cost,
      ...(why && { reason: why }),
      ...(took !== undefined && { measured: took / base }),
    };
  });
  const least = Math.min(...ways.map(({ measured }) => measured ?? Number.POSITIVE_INFINITY));
  const taken = ways.find(({ name }) => name === chosen)?.measured ?? Number.POSITIVE_INFINITY;
  return {
    layers: names,
    op: layer.node.op,
    class: layer.layer,
    symmetricMicroseconds: base,
    ways,
    chosen,
    best: taken === least ? chosen : ways.find(({ measured }) => measured === least)!.name,
    overBest: taken / least,
  };
}

/** Measurements as a cost model reads them. */
export const costRowsOf = (layers: readonly MeasuredLayer[]): CostRow[] =>
  layers.map(({ class: layer, ways }) => ({
    layer,
    costs: Object.fromEntries(
      ways.flatMap(({ name, measured }) => (measured !== undefined && measured > 0 ? [[name, measured]] : [])),
    ),
  }));
