/** Obligation (c): requantizers are monotone step functions of one integer, so equality is decided by their thresholds. */

import {
  constantOf,
  dtypes,
  type Graph,
  type ITensor,
  isOp,
  type Node,
  producersOf,
  qnnRequantize,
  type RoundingTail,
  roundingTail,
  tensorOfType,
  type ValueId,
  type View,
  view,
} from '../ir/index.ts';
import {
  afterFloatSteps,
  type Multiplier,
  type RequantizeMode,
  requantizer,
  requantizeThresholds,
} from '../numerics/index.ts';
import { sameData } from '../tensors/index.ts';
import { channelAxis, type Fused, fusedOf } from './fused.ts';
import type { Witness } from './obligation.ts';
import { highest, type Interval, lowest } from './range.ts';

export type Step = (accumulator: number) => number;

/** A parameter of a recipe. */
type Parameter = ITensor<'f32' | 'f64' | 's32'>;

/** The rounding of an accumulator by a node. Its parameters have one element, or one for each result channel. */
export interface Recipe {
  readonly mode: RequantizeMode;
  readonly factor: Parameter;
  /** The shift of a fixed-point multiplier. */
  readonly shift?: Parameter | undefined;
  /** Float steps in front; see numerics/requantize.ts. */
  readonly scale?: Parameter | undefined;
  readonly offset?: Parameter | undefined;
  /** The axis of result channels, counted from the last. */
  readonly axis: number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
  /** True when it rises with the sum, as thresholds need: every factor is finite and not negative. */
  readonly rises: boolean;
}

const parametersOf = ({ factor, shift, scale, offset }: Recipe) => [factor, shift, scale, offset];
const elementOf = ({ data }: Parameter, channel: number): number => data[data.length === 1 ? 0 : channel];
const at = (t: Parameter | undefined, channel: number): number | undefined => t && elementOf(t, channel);
/** True when parameters that differ by channel do so along one axis. */
export function sameChannels(a: Recipe, b: Recipe): boolean {
  return channelsOf(a) === 1 || channelsOf(b) === 1 || a.axis === b.axis;
}
const channelsOf = (recipe: Recipe): number => Math.max(...parametersOf(recipe).map((t) => t?.data.length ?? 1));

/** The floats between an s32 sum and the node that rounds it; undefined for nodes that round nothing of the kind. */
export function tailOf(graph: Graph, node: Node): RoundingTail | undefined {
  if (!isOp(node, qnnRequantize)) return undefined;
  let producers: ReadonlyMap<ValueId, Node> | undefined;
  return roundingTail(
    {
      producer: (id) => (producers ??= producersOf(graph)).get(id),
      constant: (id) => constantOf(graph, id),
      type: (id) => graph.values[id].type,
    },
    node,
  );
}

/** The sum that a requantize rounds. */
export function roundedSum(graph: Graph, node: Node | undefined): ValueId | undefined {
  const requantize = view(qnnRequantize, node);
  return requantize && (tailOf(graph, requantize.node)?.sum ?? requantize.x);
}

/** The recipe of a node that rounds, from the s32 sum on; undefined where its parameters are computed or vary along several axes. */
export function recipeOf(graph: Graph, node: Node): Recipe | undefined {
  const requantize = view(qnnRequantize, node);
  if (requantize) return recipeOfRequantize(graph, requantize);
  const fused = fusedOf(node);
  return fused && recipeOfFused(graph, fused);
}

function parameter(graph: Graph, id: ValueId | undefined): Parameter | undefined {
  const t = constantOf(graph, id);
  return t && tensorOfType(t, 'f32', 'f64', 's32');
}

/**
 * The limits of a byte result, and the axis of its channels; undefined for other results, and for factors along several
 * axes.
 */
function limitsOf(
  graph: Graph,
  { id, attrs }: Node,
  factors: Parameter | undefined,
  channels: (rank: number) => number,
) {
  const { dtype, shape } = graph.values[id].type;
  if (factors === undefined || factors.shape.length > 1 || (dtype !== 'u8' && dtype !== 's8')) return undefined;
  return {
    axis: shape.length - 1 - channels(shape.length),
    low: Math.max(Number(attrs.low), dtypes[dtype].min),
    high: Math.min(Number(attrs.high), dtypes[dtype].max),
  };
}

function recipeOfFused(graph: Graph, fused: Fused<ValueId>): Recipe | undefined {
  const factors = parameter(graph, fused.multiplier);
  const limits = limitsOf(graph, fused.node, factors, (rank) => channelAxis(fused, rank));
  if (factors === undefined || limits === undefined) return undefined;
  const { rounding = 'half-even', zeroPointAt, zeroPoint } = fused.attrs;
  const arithmetic = factors.dtype === 'f64' ? 'f64' : factors.dtype === 's32' ? 'fixed' : 'f32';
  const steps = { scale: parameter(graph, fused.scale), offset: parameter(graph, fused.offset) };
  const mode = { arithmetic, rounding, zeroPoint: zeroPointAt } as const;
  return recipe(mode, factors, parameter(graph, fused.shift), steps, { zeroPoint, ...limits });
}

function recipeOfRequantize(graph: Graph, requantize: View<typeof qnnRequantize>): Recipe | undefined {
  const { attrs, node, zy } = requantize;
  const factors = parameter(graph, requantize.multiplier);
  const limits = limitsOf(graph, node, factors, (rank) => (attrs.axis + rank) % Math.max(rank, 1));
  if (factors === undefined || limits === undefined) return undefined;
  const [zero, second, tail] = [constantOf(graph, zy), parameter(graph, requantize.second), tailOf(graph, node)];
  const isComputed = second === undefined && requantize.second;
  if (zero === undefined || isComputed || tail === undefined) return undefined;
  return recipe(attrs, factors, second, tail, { zeroPoint: Number(zero.data[0]), ...limits });
}

/** The first factor of two is a float step, and leaves no place for others; fixed point has one way to round. */
function recipe(
  { arithmetic, rounding, zeroPoint }: RequantizeMode,
  first: Parameter,
  second: Parameter | undefined,
  { scale, offset }: Pick<Recipe, 'scale' | 'offset'>,
  end: Pick<Recipe, 'axis' | 'zeroPoint' | 'low' | 'high'>,
): Recipe | undefined {
  const isTwoStep = arithmetic === 'f32-two-step';
  if (isTwoStep && (scale || offset)) return undefined;
  const factors = [first, isTwoStep ? second : undefined, scale];
  const rises = factors.every((t) => every(t, (v) => v >= 0 && v < Infinity)) && every(offset, Number.isFinite);
  const [factor, before] = isTwoStep && second ? [second, first] : [first, scale];
  return {
    mode:
      arithmetic === 'fixed'
        ? { arithmetic, rounding: 'half-even', zeroPoint: 'after' }
        : { arithmetic: isTwoStep ? 'f32' : arithmetic, rounding, zeroPoint },
    factor,
    ...(arithmetic === 'fixed' && { shift: second }),
    scale: before,
    offset,
    rises,
    ...end,
  };
}

const every = (t: Parameter | undefined, is: (v: number) => boolean): boolean => t === undefined || t.data.every(is);

export function stepOf(recipe: Recipe, channel: number): Step {
  const { mode, shift, scale, offset, zeroPoint, low, high } = recipe;
  const factor = elementOf(recipe.factor, channel);
  const multiplier: Multiplier =
    mode.arithmetic === 'fixed'
      ? { arithmetic: 'fixed', mantissa: factor, shift: at(shift, channel) ?? 0 }
      : { arithmetic: mode.arithmetic === 'f64' ? 'f64' : 'f32', factor };
  return afterFloatSteps(requantizer(mode, multiplier, zeroPoint, low, high), {
    scale: at(scale, channel),
    offset: at(offset, channel),
  });
}

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
