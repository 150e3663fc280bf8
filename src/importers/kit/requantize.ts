/** From the sum of a product to its result where all scales are known: the factors that each system works out of them. */
import { type AttrArguments, qnnRequantize, type Value } from '../../ir/index.ts';
import {
  factorsOf,
  type Multiplier,
  multiplier,
  type RequantizeMode,
  type RequantizeProfile,
  requantizeModes,
} from '../../numerics/index.ts';
import { tensor } from '../../tensors/index.ts';
import type { ImportEmitter } from './import_emitter.ts';

/** The scales of a product, binary32 numbers. */
export interface KnownScales {
  readonly source: number;
  /** One, or one for each output channel. */
  readonly weights: readonly number[];
  readonly result: number;
}

/** The axis of the channels, and bounds of the result. */
type Attrs = Pick<AttrArguments<typeof qnnRequantize.attrs>, 'axis' | 'low' | 'high'>;

/**
 * round(sum·source·weights/result) + zeroPoint as the profile computes it; `shape` is the shape of the weights' scales.
 */
export function requantized(
  ctx: ImportEmitter,
  profile: RequantizeProfile,
  sum: Value,
  { source, weights, result }: KnownScales,
  zeroPoint: Value,
  attrs: Attrs,
  shape?: readonly number[],
): Value {
  const multipliers = weights.map((scale) => multiplier(source, scale, result, profile));
  return requantizedBy(ctx, { multipliers, mode: requantizeModes[profile] }, sum, zeroPoint, attrs, shape);
}

/** Multipliers, one or one for each output channel, and how their products are rounded. */
export interface Requantize {
  readonly multipliers: readonly Multiplier[];
  readonly mode: RequantizeMode;
}

/** round(sum·multiplier) + zeroPoint. */
export function requantizedBy(
  ctx: ImportEmitter,
  { multipliers, mode }: Requantize,
  sum: Value,
  zeroPoint: Value,
  attrs: Attrs,
  shape: readonly number[] = multipliers.length === 1 ? [] : [multipliers.length],
): Value {
  const { dtype, multiplier: factor, second } = factorsOf(multipliers);
  const constant = (values: readonly number[], name: string) => ctx.constant(tensor(dtype, values, shape), name);
  const factors = { multiplier: constant(factor, 'multiplier'), second: second && constant(second, 'second') };
  return ctx.emit(qnnRequantize, { x: sum, ...factors, zy: zeroPoint }, { ...attrs, ...mode });
}
