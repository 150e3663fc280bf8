/**
 * Measured costs: per class of layers, the time of each way relative to the same layer without a zero point. A layer
 * without a measurement is judged by its nearest measured neighbours.
 */
import type { LayerClass } from './layer_class.ts';

export interface CostRow {
  readonly layer: LayerClass;
  /** Relative to the symmetric layer, by name of the way. */
  readonly costs: Readonly<Record<string, number>>;
}

/** Neighbours that have a say. */
const NEIGHBOURS = 3;

/**
 * The cost of a way for a layer: the mean of its nearest neighbours in the table, geometric, weighted by 1 / distance²;
 * a measured layer has its own cost. Undefined when nothing within `reach` was measured with this way.
 */
export function costIn(
  rows: readonly CostRow[],
  way: string,
  layer: LayerClass,
  reach = Number.POSITIVE_INFINITY,
): number | undefined {
  const near: { readonly cost: number; readonly distance: number }[] = [];
  for (const { row, distance } of nearest(rows, layer)) {
    if (near.length === NEIGHBOURS || distance > reach) break;
    const cost = row.costs[way];
    if (cost !== undefined) near.push({ cost, distance });
  }
  if (near.length === 0) return undefined;
  if (near[0].distance === 0) return near[0].cost;
  const weights = near.map(({ distance }) => 1 / distance ** 2);
  const sum = near.reduce((total, { cost }, i) => total + weights[i] * Math.log(cost), 0);
  return Math.exp(sum / weights.reduce((a, b) => a + b));
}

interface Neighbour {
  readonly row: CostRow;
  readonly distance: number;
}

/** The number of layers to remember: enough for one network. */
const MOST_KNOWN = 500;
const known = new WeakMap<readonly CostRow[], Map<string, readonly Neighbour[]>>();

const keys = new WeakMap<LayerClass, string>();

function keyOf(layer: LayerClass): string {
  let key = keys.get(layer);
  if (key === undefined) {
    key = JSON.stringify(layer);
    keys.set(layer, key);
  }
  return key;
}

/** The comparable rows, nearest first: once for all ways of a layer. */
function nearest(rows: readonly CostRow[], layer: LayerClass): readonly Neighbour[] {
  const byLayer = known.get(rows) ?? new Map<string, readonly Neighbour[]>();
  known.set(rows, byLayer);
  const key = keyOf(layer);
  const sorted =
    byLayer.get(key) ??
    rows
      .map((row) => ({ row, distance: distanceOf(layer, row.layer) }))
      .filter(({ distance }) => Number.isFinite(distance))
      .sort((a, b) => a.distance - b.distance);
  if (byLayer.size >= MOST_KNOWN) byLayer.clear();
  byLayer.set(key, sorted);
  return sorted;
}

/**
 * In doublings: how often sizes have to be doubled or halved to get from one layer to the other. Layers that differ in
 * kind, depthwise, padding or being grouped have nothing to say about each other.
 */
export function distanceOf(a: LayerClass, b: LayerClass): number {
  const isComparable =
    a.kind === b.kind && a.depthwise === b.depthwise && a.padded === b.padded && a.groups > 1 === b.groups > 1;
  if (!isComparable) return Number.POSITIVE_INFINITY;
  // The kernel and the stride decide which code computes a layer, sizes only how long it runs.
  return (
    3 * doublings(a.taps, b.taps) +
    2 * doublings(a.stride, b.stride) +
    doublings(a.positions, b.positions) +
    doublings(a.inputChannels, b.inputChannels) +
    doublings(a.outputChannels, b.outputChannels) +
    (a.depthwise ? 0 : doublings(a.groups, b.groups))
  );
}

/** A symbolic size is one doubling away from any other. */
const doublings = (a: number | undefined, b: number | undefined): number =>
  a === b ? 0 : a === undefined || b === undefined ? 1 : Math.abs(Math.log2(Math.max(a, 1) / Math.max(b, 1)));
