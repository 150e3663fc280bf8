/** Obligation (c): requantizers are monotone step functions of one integer, so equality is decided by their thresholds. */
import { isDeepStrictEqual } from 'node:util';
import {
  constantOf,
  dtypes,
  findOp,
  type Graph,
  type ITensor,
  type Node,
  producersOf,
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
import type { Interval } from './range.ts';

export type Step = (accumulator: number) => number;

/** How a node rounds its accumulator, by result channel. */
export interface Recipe {
  readonly mode: RequantizeMode;
  /** One multiplier, or one for each channel. */
  readonly multipliers: readonly Multiplier[];
  /** Float steps in front, as many as multipliers; see numerics/requantize.ts. */
  readonly scale?: readonly number[] | undefined;
  readonly offset?: readonly number[] | undefined;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
}

/** The floats between an s32 sum and the node that rounds it; undefined for nodes that round nothing of the kind. */
export function tailOf(graph: Graph, node: Node): RoundingTail | undefined {
  if (node.op !== 'qnn.requantize') return undefined;
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

/** The first factor of two is a float step; fixed point has one way to round. */
function recipe(
  { arithmetic, rounding, zeroPoint }: RequantizeMode,
  first: ITensor,
  second: ITensor | undefined,
  { scale, offset }: { readonly scale?: ITensor | undefined; readonly offset?: ITensor | undefined },
  end: Pick<Recipe, 'zeroPoint' | 'low' | 'high'>,
): Recipe {
  const isTwoStep = arithmetic === 'f32-two-step';
  const [factors, before] = isTwoStep && second ? [second, first] : [first, scale];
  const count = Math.max(...[factors, before, offset].map((t) => t?.data.length ?? 1));
  const at = (t: ITensor, c: number) => Number(t.data[t.data.length === 1 ? 0 : c]);
  const list = (t: ITensor) => Array.from({ length: count }, (_, c) => at(t, c));
  return {
    mode:
      arithmetic === 'fixed'
        ? { arithmetic, rounding: 'half-even', zeroPoint: 'after' }
        : { arithmetic: isTwoStep ? 'f32' : arithmetic, rounding, zeroPoint },
    multipliers: list(factors).map(
      (factor, c): Multiplier =>
        arithmetic === 'fixed'
          ? { arithmetic, mantissa: factor, shift: second ? at(second, c) : 0 }
          : { arithmetic: arithmetic === 'f64' ? 'f64' : 'f32', factor },
    ),
    scale: before && list(before),
    offset: offset && list(offset),
    ...end,
  };
}

export function stepOf({ mode, multipliers, scale, offset, zeroPoint, low, high }: Recipe, channel: number): Step {
  const c = multipliers.length === 1 ? 0 : channel;
  return afterFloatSteps(requantizer(mode, multipliers[c], zeroPoint, low, high), {
    scale: scale?.[c],
    offset: offset?.[c],
  });
}

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
  const [s, t] = [a, b].map(({ multipliers, scale, offset }) => {
    const i = multipliers.length === 1 ? 0 : c;
    return { scale: scale?.[i], offset: offset?.[i] };
  });
  if (s.scale !== t.scale || s.offset !== t.offset) return false;
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
