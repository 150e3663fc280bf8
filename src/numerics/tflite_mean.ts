/**
 * MEAN and SUM of n 8-bit integers q, Σ = Σq and Σ' = Σ(q − zx):
 *
 *   reference kernels   y = sat(R(Σ', M, shift) + zy)                    R in fixed point, rounded twice (multiplyFixed)
 *                       M·2^(shift − 31) ≈ sx/sy; a mean cuts M·2^k/n to an integer, k = min(⌊log2 n⌋, 32, 31 + shift), and
 *                       subtracts k from the shift
 *   XNNPACK             y = sat(rne(fl(fl(Σ·m) + b)))                    m = fl(sx/sy), of a mean fl(fl(sx/sy)·fl(1/n))
 *                                                                        b = fl(fl(−zx·n·m) + zy)
 *   optimized kernels   y = sat(rha(fl(fl(Σ·m) + b)) + zy), of a sum     m = fl(sx/sy), b = fl(fl(−zx·m)·n)
 *
 * By QuantizedMeanOrSum of TensorFlow Lite's reference_ops and optimized_ops. XNNPACK's order of operations was found among forty by
 * 5,000 means with many ties; it gives all of them.
 */
import type { PoolQuantization } from './qlinear_pool.ts';
import { type FixedMultiplier, fixedMultiplier, multiplyFixed, type Rounding } from './requantize.ts';
import { clampTo, roundHalfEven } from './rounding.ts';

/** The quantizations of the two ends, and the number of elements. */
export interface ReductionEnds {
  readonly sx: number;
  readonly zx: number;
  readonly sy: number;
  readonly zy: number;
  readonly count: number;
}

/** y = sat(round(fl(fl(Σ·factor) + offset)) + zeroPoint), Σ being the sum of the integers as they are. */
export interface FloatEnd {
  readonly factor: number;
  readonly offset: number;
  readonly rounding: Exclude<Rounding, 'half-up'>;
  readonly zeroPoint: number;
}

const step = Math.fround;

export function xnnpackReduction(kind: 'mean' | 'sum', { sx, zx, sy, zy, count }: ReductionEnds): FloatEnd {
  const ratio = step(sx / sy);
  const factor = kind === 'sum' ? ratio : step(ratio * step(1 / count));
  return { factor, offset: step(step(-zx * count * factor) + zy), rounding: 'half-even', zeroPoint: 0 };
}

export function optimizedSum({ sx, zx, sy, zy, count }: ReductionEnds): FloatEnd {
  const factor = step(sx / sy);
  return { factor, offset: step(step(-zx * factor) * count), rounding: 'half-away', zeroPoint: zy };
}

/** The multiplier of the reference kernels: of a sum, or over the number of elements. */
export function referenceReduction(kind: 'mean' | 'sum', { sx, sy, count }: ReductionEnds): FixedMultiplier {
  const whole = fixedMultiplier(sx / sy);
  const { mantissa, shift } = whole;
  if (kind === 'sum' || count <= 1) return whole;
  const bits = Math.min(Math.floor(Math.log2(count)), 32, 31 + shift);
  const cut = Number((BigInt(mantissa) << BigInt(bits)) / BigInt(count));
  return { arithmetic: 'fixed', mantissa: cut, shift: shift - bits };
}

/** Σ(q − zx) over `count` elements -> their mean, as the recipe has it. */
export function tfliteAverage(
  recipe: 'tflite' | 'xnnpack',
  { sx, sy, zy, low, high }: PoolQuantization,
  zx: number,
  count: number,
): (sum: number) => number {
  const ends = { sx, zx, sy, zy, count };
  if (recipe === 'tflite') {
    const { mantissa, shift } = referenceReduction('mean', ends);
    return (sum) => clampTo(low, high, multiplyFixed(sum, mantissa, shift) + zy);
  }
  const { factor, offset } = xnnpackReduction('mean', ends);
  return (sum) => clampTo(low, high, roundHalfEven(step(step(step(sum + zx * count) * factor) + offset)));
}
