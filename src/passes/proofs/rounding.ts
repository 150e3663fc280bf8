/** Obligation (c): requantizers are monotone step functions of one integer, so equality is decided by their thresholds. */
import { isDeepStrictEqual } from 'node:util';
import {
  constantOf,
  dnnlMatmul,
  dtypes,
  type Graph,
  type ITensor,
  isFused,
  isOp,
  type Node,
  opOf,
  producersOf,
  qnnRequantize,
  type ValueId,
} from '../../ir/index.ts';
import {
  afterFloatSteps,
  type Multiplier,
  type RequantizeMode,
  requantizer,
  requantizeThresholds,
} from '../../numerics/index.ts';
import { type RoundingTail, roundingTail } from '../rounding_tail.ts';
import type { Witness } from './obligation.ts';
import { highest, type Interval, lowest } from './range.ts';

export type Step = (accumulator: number) => number;

/** How a node rounds its accumulator. Its parameters have one element, or one for each result channel. */
export interface Recipe {
  readonly mode: RequantizeMode;
  readonly factor: ITensor;
  /** Of fixed-point multipliers. */
  readonly shift?: ITensor | undefined;
  /** Float steps in front; see numerics/requantize.ts. */
  readonly scale?: ITensor | undefined;
  readonly offset?: ITensor | undefined;
  /** The axis of result channels, counted from the last. */
  readonly axis: number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
  /** Whether it rises with the sum, as thresholds need: no factor is negative, and all are finite. */
  readonly rises: boolean;
}

const parametersOf = ({ factor, shift, scale, offset }: Recipe) => [factor, shift, scale, offset];
const at = (t: ITensor | undefined, channel: number): number | undefined =>
  t && Number(t.data[t.data.length === 1 ? 0 : channel]);
/** Whether parameters that differ by channel do so along one axis. */
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

/** The recipe of a node that rounds, from the s32 sum on; undefined where its parameters are computed or vary along several axes. */
export function recipeOf(graph: Graph, node: Node): Recipe | undefined {
  const names = Object.keys(opOf(node).operands);
  const operand = (name: string): ITensor | undefined => constantOf(graph, node.operands[names.indexOf(name)]);
  const factors = operand('multiplier');
  const { dtype, shape } = graph.values[node.id].type;
  if (factors === undefined || factors.shape.length > 1 || (dtype !== 'u8' && dtype !== 's8')) return undefined;
  const rank = shape.length;
  const axis = isOp(node, dnnlMatmul) ? rank - 1 : (Number(node.attrs.axis ?? 1) + rank) % Math.max(rank, 1);
  const limits = {
    axis: rank - 1 - axis,
    low: Math.max(Number(node.attrs.low), dtypes[dtype].min),
    high: Math.min(Number(node.attrs.high), dtypes[dtype].max),
  };
  if (isFused(node)) {
    const { rounding = 'half-even', zeroPointAt } = node.attrs as { rounding?: RequantizeMode['rounding'] } & {
      zeroPointAt: RequantizeMode['zeroPoint'];
    };
    const arithmetic = factors.dtype === 'f64' ? 'f64' : factors.dtype === 's32' ? 'fixed' : 'f32';
    const steps = { scale: operand('scale'), offset: operand('offset') };
    const mode = { arithmetic, rounding, zeroPoint: zeroPointAt } as const;
    return recipe(mode, factors, operand('shift'), steps, { zeroPoint: Number(node.attrs.zeroPoint), ...limits });
  }
  const mode = node.attrs as unknown as RequantizeMode;
  const [zero, second, tail] = [operand('zy'), operand('second'), tailOf(graph, node)];
  const isComputed = second === undefined && node.operands[names.indexOf('second')];
  if (zero === undefined || isComputed || tail === undefined) return undefined;
  return recipe(mode, factors, second, tail, { zeroPoint: Number(zero.data[0]), ...limits });
}

/** The first factor of two is a float step, and leaves no place for others; fixed point has one way to round. */
function recipe(
  { arithmetic, rounding, zeroPoint }: RequantizeMode,
  first: ITensor,
  second: ITensor | undefined,
  { scale, offset }: { readonly scale?: ITensor | undefined; readonly offset?: ITensor | undefined },
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

const every = (t: ITensor | undefined, is: (v: number) => boolean): boolean =>
  t === undefined || (t.data as Float32Array).every(is);

export function stepOf(recipe: Recipe, channel: number): Step {
  const { mode, shift, scale, offset, zeroPoint, low, high } = recipe;
  const factor = at(recipe.factor, channel) as number;
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

/** Of sums between the bounds that no input is known to lead to. */
export function unreached({ channel, before, after, at }: Differing): string {
  const [[first]] = at;
  const sums = at.slice(0, 8).map(([from, to]) => (from === to ? from : `${from} … ${to}`));
  return `channel ${channel} differs at the sums ${sums.join(', ')}${at.length > 8 ? ', …' : ''} (${before(first)} and ${after(first)} at the first); no input was found that leads to one`;
}

function sameElements(a: ITensor | undefined, b: ITensor | undefined): boolean {
  if (a === b || a === undefined || b === undefined) return a === b;
  const [p, q] = [a.data as ArrayLike<number>, b.data as ArrayLike<number>];
  if (p.length !== q.length) return false;
  for (let i = 0; i < p.length; i++) if (p[i] !== q[i]) return false;
  return true;
}

/** Whether two recipes give the same on all accumulators within `reach`. */
export function compareRecipes(before: Recipe, after: Recipe, reach: Interval): RoundingReport {
  const channels = Math.max(channelsOf(before), channelsOf(after));
  const parameters = ({ mode, zeroPoint, low, high }: Recipe) => ({ mode, zeroPoint, low, high });
  const alike = isDeepStrictEqual(parameters(before), parameters(after));
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
