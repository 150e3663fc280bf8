/** Obligation (c): requantizers are monotone step functions of one integer, so equality is decided by their thresholds. */

import {
  type Graph,
  isOp,
  type Node,
  qnnRequantize,
  type RoundingTail,
  readerOf,
  requantizationOf,
  roundingTail,
  type ValueId,
  view,
} from '../ir/index.ts';
import { type Requantization, requantizeThresholds, stepOf } from '../numerics/index.ts';
import { atChannel, sameData } from '../tensors/index.ts';
import type { Witness } from './obligation.ts';
import { highest, type Interval, lowest } from './range.ts';

export type Step = (accumulator: number) => number;

/** The rounding of an accumulator by a node. */
export interface Recipe extends Requantization {
  /** The axis of result channels, counted from the last. */
  readonly axis: number;
  /** True when it rises with the sum, as thresholds need: every factor is finite and not negative. */
  readonly rises: boolean;
}

const parametersOf = ({ multiplier, shift, scale, offset }: Recipe) => [multiplier, shift, scale, offset];
type Parameter = Requantization['multiplier'];
const at = (t: Parameter | undefined, channel: number): number | undefined => t && atChannel(t.data, channel);
/** True when parameters that differ by channel do so along one axis. */
export function sameChannels(a: Recipe, b: Recipe): boolean {
  return channelsOf(a) === 1 || channelsOf(b) === 1 || a.axis === b.axis;
}
const channelsOf = (recipe: Recipe): number => Math.max(...parametersOf(recipe).map((t) => t?.data.length ?? 1));

/** The floats between an s32 sum and the node that rounds it; undefined for nodes that round nothing of the kind. */
export const tailOf = (graph: Graph, node: Node): RoundingTail | undefined =>
  isOp(node, qnnRequantize) ? roundingTail(readerOf(graph), node) : undefined;

/** The sum that a requantize rounds. */
export function roundedSum(graph: Graph, node: Node | undefined): ValueId | undefined {
  const requantize = view(qnnRequantize, node);
  return requantize && (tailOf(graph, requantize.node)?.sum ?? requantize.x);
}

/** The recipe of a node that rounds, from the s32 sum on; undefined where its parameters are computed or vary along several axes. */
export function recipeOf(graph: Graph, node: Node): Recipe | undefined {
  const found = requantizationOf(readerOf(graph), node);
  if (found === undefined) return undefined;
  const { multiplier, scale, offset, axis } = found;
  const isFactor = (v: number): boolean => v >= 0 && v < Infinity;
  const rises = every(multiplier, isFactor) && every(scale, isFactor) && every(offset, Number.isFinite);
  return { ...found, axis: graph.values[node.id].type.shape.length - 1 - axis, rises };
}

const every = (t: Parameter | undefined, is: (v: number) => boolean): boolean => t === undefined || t.data.every(is);

export interface RoundingReport {
  /** Channels whose functions are not the same by their parameters: their thresholds were compared. */
  readonly compared: number;
  /** Not decided: a function that does not rise has no thresholds. */
  readonly falls?: true;
  /** The first channel in which they differ, and at which accumulators. */
  readonly differs?: Differing;
}

/** A channel in which two functions differ, and all accumulators at which they do. */
export interface Differing {
  readonly channel: number;
  readonly before: Step;
  readonly after: Step;
  readonly at: Differences;
}

type Differences = NonNullable<Witness['accumulators']>;

/** Describes sums within the bounds at which the sides differ, without an input that leads to them. */
export function unreached({ channel, before, after, at }: Differing): string {
  const [[first]] = at;
  const sums = at.slice(0, 8).map(([from, to]) => (from === to ? from : `${from} … ${to}`));
  return `channel ${channel} differs at the sums ${sums.join(', ')}${at.length > 8 ? ', …' : ''} (${before(first)} and ${after(first)} at the first); no input was found that leads to one`;
}

function sameElements(a: Parameter | undefined, b: Parameter | undefined): boolean {
  if (a === b || a === undefined || b === undefined) return a === b;
  const [p, q] = [a.data, b.data];
  if (p.length !== q.length) return false;
  for (let i = 0; i < p.length; i++) if (p[i] !== q[i]) return false;
  return true;
}

/** Compares two recipes on all accumulators within `reach`. */
export function compareRecipes(before: Recipe, after: Recipe, reach: Interval): RoundingReport {
  const channels = Math.max(channelsOf(before), channelsOf(after));
  const parameters = ({ mode, zeroPoint, low, high }: Recipe) => ({ mode, zeroPoint, low, high });
  const alike = sameData(parameters(before), parameters(after));
  const [left, right] = [parametersOf(before), parametersOf(after)];
  const pairs = left.map((t, i) => [t, right[i]] as const).filter(([t, u]) => !sameElements(t, u));
  if (alike && pairs.length === 0) return { compared: 0 };
  if (!before.rises || !after.rises) return { compared: 0, falls: true };
  let compared = 0;
  for (let c = 0; c < channels; c++) {
    if (alike && pairs.every(([p, q]) => at(p, c) === at(q, c))) continue;
    compared++;
    const [f, g] = [stepOf(before, c), stepOf(after, c)];
    const found = differences(
      f,
      g,
      ...bounds(reach, c, before.axis === after.axis && channels > 1 ? after.axis : undefined),
    );
    if (found.length > 0) return { compared, differs: { channel: c, before: f, after: g, at: found } };
  }
  return { compared };
}

/** The accumulators that a channel on `axis` can reach, or all channels: all of int32 where they may have wrapped. */
export function bounds(reach: Interval, channel: number, axis: number | undefined): readonly [number, number] {
  const isOwn = reach.low.length > 1 && reach.axis === axis;
  const [low, high] = isOwn ? [reach.low[channel], reach.high[channel]] : [lowest(reach), highest(reach)];
  return low < -(2 ** 31) || high > 2 ** 31 - 1 ? [-(2 ** 31), 2 ** 31 - 1] : [low, high];
}

/** All integers of [min, max] at which monotone f and g differ, as closed intervals in order. */
export function differences(f: Step, g: Step, min: number, max: number): Differences {
  const low = Math.min(f(min), g(min));
  const high = Math.max(f(max), g(max));
  const [byF, byG] = [f, g].map((step) => requantizeThresholds(step, low, high, min, max));
  const found: [number, number][] = [];
  byF.forEach((t, i) => {
    const [from, to] = [Math.min(t, byG[i]), Math.max(t, byG[i]) - 1];
    const last = found[found.length - 1];
    if (from > to) return;
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else found.push([from, to]);
  });
  return found;
}
