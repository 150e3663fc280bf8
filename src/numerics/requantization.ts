/**
 * A requantization with known parameters, in one form for whatever operator says it: the evaluators, selection, the kernels and the
 * checker read it alike.
 *
 *   y = clamp(round(t·multiplier[c]) + zeroPoint, low, high),   t = fl(fl(fl(sum)·scale[c]) + offset[c])
 */
import { atChannel, type ITensor, tensorOfType } from '../tensors/index.ts';
import { afterFloatSteps, type Multiplier, type RequantizeMode, requantizer } from './requantize.ts';

/** Factors have one element, or one for each channel. */
export interface RequantizationFactors {
  readonly multiplier: ITensor<'f32' | 'f64' | 's32'>;
  /** The shift of a multiplier in fixed point. */
  readonly shift?: ITensor<'s32'> | undefined;
  /** Float steps in front; either may be absent. */
  readonly scale?: ITensor<'f32'> | undefined;
  readonly offset?: ITensor<'f32'> | undefined;
}

export interface Requantization extends RequantizationFactors {
  /** The arithmetic is that of the multiplier. */
  readonly mode: RequantizeMode;
  readonly zeroPoint: number;
  /** The range of the results, inside of their type. */
  readonly low: number;
  readonly high: number;
}

const arithmetics = { f32: 'f32', f64: 'f64', s32: 'fixed' } as const;

/** The arithmetic of a multiplier of that element type. */
export const arithmeticOf = ({ multiplier }: RequantizationFactors) => arithmetics[multiplier.dtype];

/** The operands `multiplier` and `second` of qnn.requantize: the first factor of two is a float step. */
export function factorsFor(
  arithmetic: RequantizeMode['arithmetic'],
  first: RequantizationFactors['multiplier'],
  second: ITensor<'f32' | 's32'> | undefined,
): RequantizationFactors {
  if (arithmetic === 'f32-two-step' && second)
    return { scale: tensorOfType(first, 'f32'), multiplier: tensorOfType(second, 'f32') };
  return arithmetic === 'fixed' && second
    ? { multiplier: first, shift: tensorOfType(second, 's32') }
    : { multiplier: first };
}

/** The mode of such factors. Fixed point has one way to round. */
export function modeOf(
  factors: RequantizationFactors,
  { rounding, zeroPointAt }: Omit<RequantizeMode, 'arithmetic'>,
): RequantizeMode {
  const arithmetic = arithmeticOf(factors);
  return arithmetic === 'fixed'
    ? { arithmetic, rounding: 'half-even', zeroPointAt: 'after' }
    : { arithmetic, rounding, zeroPointAt };
}

/** The step function of a channel: from its int32 sum to its result. */
export function stepOf(
  { mode, multiplier, shift, scale, offset, zeroPoint, low, high }: Requantization,
  channel: number,
): (sum: number) => number {
  const at = (t: ITensor<'f32' | 's32'> | undefined) => t && atChannel(t.data, channel);
  const factor = atChannel(multiplier.data, channel);
  const own: Multiplier =
    multiplier.dtype === 's32'
      ? { arithmetic: 'fixed', mantissa: factor, shift: at(shift) ?? 0 }
      : { arithmetic: multiplier.dtype, factor };
  return afterFloatSteps(requantizer(mode, own, zeroPoint, low, high), { scale: at(scale), offset: at(offset) });
}
