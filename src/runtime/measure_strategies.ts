/** Measures, on this machine, every legal way of every distinct layer against the same layer without a zero point. */
import type { OneDnnBinding } from '../codegen/onednn/binding.ts';
import { buildPlan, type Plan } from '../codegen/onednn/plan.ts';
import { select } from '../codegen/onednn/select/index.ts';
import { assert } from '../diagnostics/index.ts';
import { type Graph, type Node, topologicalOrder } from '../ir/index.ts';
import type { LayerClass } from '../passes/cost/layer_class.ts';
import { keyOf, type Layer, layersOf, symmetricOf } from '../passes/cost/layers.ts';
import type { CostModel } from '../passes/cost/model.ts';
import { isOurs } from '../passes/cost/our_kernel.ts';
import type { CostRow } from '../passes/cost/table.ts';
import { legalize } from '../passes/legalize.ts';
import { runPipeline } from '../passes/manager.ts';
import { isStrategyName } from '../passes/strategies.ts';
import type { Target } from '../passes/target.ts';
import { type TimingOptions, timePlans, usualTiming, withNeighbours } from './time_plans.ts';

export interface MeasuredWay {
  readonly name: string;
  readonly legal: boolean;
  /** Why it is not legal, or why it could not be measured. */
  readonly reason?: string;
  /** Relative to the symmetric layer, as the model has it. */
  readonly predicted: number;
  /** The same, measured; absent where it is not legal or does not run on the addon. */
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

export interface MeasureOptions extends Partial<TimingOptions> {
  readonly target: Target;
  readonly costs?: CostModel;
  readonly onProgress?: (done: number, total: number, layer: string) => void;
}

/**
 * Layers whose symmetric form does not run on the addon are left out.
 *
 * @param graph quantized operators, as `legalize(graph).quantized` has them, all sizes known
 */
export function measureStrategies(graph: Graph, binding: OneDnnBinding, options: MeasureOptions): MeasuredLayer[] {
  const { target, costs } = options;
  const distinct = new Map<string, { layer: Layer; names: string[] }>();
  for (const layer of layersOf(graph, { target, note: () => {} })) {
    const name = layer.node.loc.node ?? layer.node.id;
    const { ways } = legalize(layer.graph, { target, ...(costs && { costs }) }).strategies[0];
    const key = `${layer.key} ${ways.map(({ legal }) => Number(legal)).join('')}`;
    const known = distinct.get(key);
    if (known) known.names.push(name);
    else distinct.set(key, { layer, names: [name] });
  }
  const all = [...distinct.values()];
  return all.flatMap(({ layer, names }, i) => {
    options.onProgress?.(i, all.length, names[0]);
    return measureLayer(layer, names, binding, options) ?? [];
  });
}

function measureLayer(
  layer: Layer,
  names: readonly string[],
  binding: OneDnnBinding,
  { target, costs, rounds = usualTiming.rounds, turn = usualTiming.turn }: MeasureOptions,
): MeasuredLayer | undefined {
  const options = { target, ...(costs && { costs }) };
  const [{ ways: judged, chosen }] = legalize(layer.graph, options).strategies;
  const planned = new Map<string, { plan: Plan; at: number }>();
  /** Equal plans, numbers aside, are measured once. */
  const planOf = (graph: Graph): number => {
    const selected = runPipeline(graph, [select], { target }).graph;
    const key = keyOf(
      selected,
      topologicalOrder(selected).order.map((node) => withoutNumbers(selected, node, target)),
    );
    const known = planned.get(key);
    if (known) return known.at;
    const at = planned.size;
    planned.set(key, { plan: buildPlan(withNeighbours(selected), binding, target.threads), at });
    return at;
  };
  const symmetric = planOf(legalize(symmetricOf(layer), options).graph);
  const plans = judged.map(({ name, legal }) => {
    if (!legal) return undefined;
    assert(isStrategyName(name), `there is no way ${name}`);
    return planOf(legalize(layer.graph, { ...options, strategy: name }).graph);
  });
  const times = timePlans(
    [...planned.values()].map(({ plan }) => plan),
    binding,
    { rounds, turn },
  );
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

/** Our kernels take zero point and bias as numbers that sums begin with: nothing depends on whether there are any. */
const withoutNumbers = (graph: Graph, node: Node, { isa }: Target): Node =>
  isOurs(graph, node, isa)
    ? {
        ...node,
        attrs: { ...node.attrs, sourceZeroPoint: 0 },
        operands: node.operands.map((id, i) => (i === 2 ? null : id)),
      }
    : node;

/** Measurements as a cost model reads them. */
export const costRowsOf = (layers: readonly MeasuredLayer[]): CostRow[] =>
  layers.map(({ class: layer, ways }) => ({
    layer,
    costs: Object.fromEntries(
      ways.flatMap(({ name, measured }) => (measured !== undefined && measured > 0 ? [[name, measured]] : [])),
    ),
  }));
