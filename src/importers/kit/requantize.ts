/** From the sum of a product to its result where all scales are known: the factors that each system works out of them. */
import { type AttrArguments, qnnRequantize, type Value } from '../../ir/index.ts';
import { type RequantizeProfile, requantizeFactors, requantizeModes } from '../../numerics/index.ts';
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
  shape = weights.length === 1 ? [] : [weights.length],
): Value {
  const { dtype, multiplier, second } = requantizeFactors(profile, source, weights, result);
  const constant = (values: readonly number[], name: string) => ctx.constant(tensor(dtype, values, shape), name);
  const factors = { multiplier: constant(multiplier, 'multiplier'), second: second && constant(second, 'second') };
  return ctx.emit(qnnRequantize, { x: sum, ...factors, zy: zeroPoint }, { ...attrs, ...requantizeModes[profile] });
}
