/** Obligation (c): requantizers are monotone step functions of one integer, so equality is decided by their thresholds. */
import { isDeepStrictEqual } from 'node:util';
import { constantOf, dtypes, findOp, type Graph, type ITensor, type Node, numbersOf } from '../../ir/index.ts';
import {
  type Multiplier,
  type RequantizeMode,
  requantizeModes,
  requantizer,
  requantizeThresholds,
} from '../../numerics/index.ts';
import type { Witness } from './obligation.ts';
import type { Interval } from './range.ts';

export type Step = (accumulator: number) => number;

/** How a node rounds its accumulator, by result channel. */
export interface Recipe {
  readonly mode: RequantizeMode;
  /** One multiplier, or one for each channel. */
  readonly multipliers: readonly Multiplier[];
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
}

/** The recipe of a node that rounds; undefined where its parameters are computed or vary along several axes. */
export function recipeOf(graph: Graph, node: Node): Recipe | undefined {
  const names = Object.keys(findOp(node.op)?.operands ?? {});
  const operand = (name: string): ITensor | undefined => constantOf(graph, node.operands[names.indexOf(name)]);
  const factors = operand('multiplier');
  const { dtype } = graph.values[node.id].type;
  if (factors === undefined || factors.shape.length > 1 || (dtype !== 'u8' && dtype !== 's8')) return undefined;
  const limits = {
    low: Math.max(Number(node.attrs.low), dtypes[dtype].min),
    high: Math.min(Number(node.attrs.high), dtypes[dtype].max),
  };
  if (node.op.startsWith('dnnl.')) {
    const multipliers = numbersOf(factors).map((factor) => ({ arithmetic: 'f32', factor }) as const);
    return { mode: requantizeModes.ort, multipliers, zeroPoint: Number(node.attrs.zeroPoint), ...limits };
  }
  const { arithmetic, rounding, zeroPoint } = node.attrs as unknown as RequantizeMode;
  const [zero, second] = [operand('zy'), operand('second')];
  if (zero === undefined || (second === undefined && node.operands[names.indexOf('second')])) return undefined;
  const seconds = second && numbersOf(second);
  const multipliers = numbersOf(factors).map((first, i): Multiplier => {
    const other = seconds?.[i] ?? 0;
    if (arithmetic === 'fixed') return { arithmetic, mantissa: first, shift: other };
    return arithmetic === 'f32-two-step' ? { arithmetic, first, second: other } : { arithmetic, factor: first };
  });
  return { mode: { arithmetic, rounding, zeroPoint }, multipliers, zeroPoint: Number(zero.data[0]), ...limits };
}

export const stepOf = ({ mode, multipliers, zeroPoint, low, high }: Recipe, channel: number): Step =>
  requantizer(mode, multipliers[multipliers.length === 1 ? 0 : channel], zeroPoint, low, high);

export interface RoundingReport {
  /** Channels whose functions are not the same by their parameters: their thresholds were compared. */
  readonly compared: number;
  /** The first channel in which they differ, and at which accumulators. */
  readonly differs?: {
    readonly channel: number;
    readonly before: Step;
    readonly after: Step;
    readonly at: Differences;
  };
}

type Differences = NonNullable<Witness['accumulators']>;

/** Whether two recipes give the same on all accumulators within `reach`. */
export function compareRecipes(before: Recipe, after: Recipe, reach: Interval): RoundingReport {
  const channels = Math.max(before.multipliers.length, after.multipliers.length);
  const parameters = ({ mode, zeroPoint, low, high }: Recipe) => ({ mode, zeroPoint, low, high });
  const alike = isDeepStrictEqual(parameters(before), parameters(after));
  let compared = 0;
  for (let c = 0; c < channels; c++) {
    if (alike && sameParameters(before, after, c)) continue;
    compared++;
    const [f, g] = [stepOf(before, c), stepOf(after, c)];
    const at = differences(f, g, ...bounds(reach, c, channels));
    if (at.length > 0) return { compared, differs: { channel: c, before: f, after: g, at } };
  }
  return { compared };
}

const sameParameters = (a: Recipe, b: Recipe, c: number): boolean => {
  const [p, q] = [a, b].map(({ multipliers }) => multipliers[multipliers.length === 1 ? 0 : c]);
  return (
    p === q || (p.arithmetic === 'f32' && q.arithmetic === 'f32' ? p.factor === q.factor : isDeepStrictEqual(p, q))
  );
};

/** The accumulators a channel can reach: all of int32 where they may have wrapped. */
export function bounds(reach: Interval, channel: number, channels: number): readonly [number, number] {
  const many = reach.low.length > 1;
  const i = many && reach.low.length === channels ? channel : 0;
  const low = many && reach.low.length !== channels ? Math.min(...reach.low) : reach.low[i];
  const high = many && reach.high.length !== channels ? Math.max(...reach.high) : reach.high[i];
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
