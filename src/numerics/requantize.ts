/**
 * Requantization: from an int32 accumulator to an 8- or 16-bit integer, as each system computes it.
 *
 *   'f32'           v = fl(fl(A)·m)                     m = fl(fl(sx·sw)/sy)
 *   'f32-two-step'  v = fl(fl(fl(A)·m1)·m2)             m1 = fl(sx·sw), m2 = fl(1/sy)
 *   'f64'           v = A·m in binary64                 m = sx·sw/sy
 *   'fixed'         v = RDivPOT(SRDHM(A·2^l, M), r)     M·2^(shift − 31) ≈ sx·sw/sy   (gemmlowp: two roundings)
 *
 *   zeroPointAt 'after':   y = sat(round(v) + zy)
 *   zeroPointAt 'before': y = sat(round(fl(v + zy)))
 *
 * Systems that keep the bias in floats put t = fl(fl(fl(A)·scale) + offset) in the place of A (`afterFloatSteps`).
 *
 * All of them are monotone in A (scales are positive), which makes equality of two of them decidable: see thresholds.ts.
 */
import { assert } from '../diagnostics/index.ts';
import { highProduct } from './fixed_point.ts';
import { clampTo, exponentOf, roundHalfAway, roundHalfEven, roundHalfUp } from './rounding.ts';

export type Rounding = 'half-even' | 'half-up' | 'half-away';

export interface RequantizeMode {
  readonly arithmetic: 'f32' | 'f32-two-step' | 'f64' | 'fixed';
  /** The rounding of the float forms; 'fixed' rounds its product half up and its shift half away. */
  readonly rounding: Rounding;
  /** The zero point is added before or after rounding. */
  readonly zeroPointAt: 'before' | 'after';
}

/**
 * Who computes how. ONNX leaves the precision of the product open: 'onnx-spec' takes binary64. 'torch-fbgemm' and
 * 'torch-qnnpack' share the integer part of ORT and differ from it in the bias (float, or rounded from float), which
 * is added before, and QNNPACK in the multiplier (`multiplierByReciprocal`); 'torch-onednn' is PyTorch's `onednn` engine.
 */
export const requantizeModes = {
  'onnx-spec': { arithmetic: 'f64', rounding: 'half-even', zeroPointAt: 'after' },
  ort: { arithmetic: 'f32', rounding: 'half-even', zeroPointAt: 'after' },
  'torch-fbgemm': { arithmetic: 'f32', rounding: 'half-even', zeroPointAt: 'after' },
  'torch-onednn': { arithmetic: 'f32-two-step', rounding: 'half-even', zeroPointAt: 'before' },
  'torch-qnnpack': { arithmetic: 'f32', rounding: 'half-even', zeroPointAt: 'after' },
  tflite: { arithmetic: 'fixed', rounding: 'half-away', zeroPointAt: 'after' },
  xnnpack: { arithmetic: 'f32', rounding: 'half-even', zeroPointAt: 'after' },
} as const satisfies Record<string, RequantizeMode>;

export type RequantizeProfile = keyof typeof requantizeModes;

export type Multiplier =
  | { readonly arithmetic: 'f32' | 'f64'; readonly factor: number }
  | { readonly arithmetic: 'f32-two-step'; readonly first: number; readonly second: number }
  | FixedMultiplier;

/** mantissa·2^(shift − 31), |mantissa| in [2^30, 2^31) or 0. */
export interface FixedMultiplier {
  readonly arithmetic: 'fixed';
  readonly mantissa: number;
  readonly shift: number;
}

/** fl(fl(sx·sw)/sy): the multiplier of ONNX Runtime (QLinearConv, QLinearMatMul). */
export const multiplier32 = (sx: number, sw: number, sy: number): number => Math.fround(Math.fround(sx * sw) / sy);

/** fl(fl(sx·sw)·fl(1/sy)): the multiplier of QNNPACK. */
export const multiplierByReciprocal = (sx: number, sw: number, sy: number): number =>
  Math.fround(Math.fround(sx * sw) * Math.fround(1 / sy));

const multiplier64 = (sx: number, sw: number, sy: number): number => (sx * sw) / sy;

/** The factor of the forms that multiply once. */
const factorBy = (profile: RequantizeProfile): typeof multiplier64 => {
  if (profile === 'torch-qnnpack') return multiplierByReciprocal;
  return requantizeModes[profile].arithmetic === 'f32' ? multiplier32 : multiplier64;
};

/** The factor sx·sw/sy as a system holds it. Scales are binary32 numbers. */
export function multiplier(sx: number, sw: number, sy: number, profile: RequantizeProfile = 'ort'): Multiplier {
  const { arithmetic } = requantizeModes[profile];
  if (arithmetic === 'f32-two-step') return { arithmetic, first: Math.fround(sx * sw), second: Math.fround(1 / sy) };
  const factor = factorBy(profile)(sx, sw, sy);
  return arithmetic === 'fixed' ? fixedMultiplier(factor) : { arithmetic, factor };
}

/**
 * Multipliers of channels as lists of numbers of one type, for the operands `multiplier` and `second` of
 * qnn.requantize.
 */
export interface RequantizeFactors {
  readonly dtype: 'f32' | 'f64' | 's32';
  readonly multiplier: readonly number[];
  readonly second?: readonly number[];
}

/** The factors sx·sw[c]/sy as a system holds them. */
export function requantizeFactors(
  profile: RequantizeProfile,
  sx: number,
  sw: ArrayLike<number>,
  sy: number,
): RequantizeFactors {
  const { arithmetic } = requantizeModes[profile];
  if (arithmetic === 'f32' || arithmetic === 'f64') {
    const factor = factorBy(profile); // networks have tens of thousands of channels: without an object for each
    return { dtype: arithmetic, multiplier: mapped(sw, (s) => factor(sx, s, sy)) };
  }
  return factorsOf(mapped(sw, (s) => multiplier(sx, s, sy, profile)));
}

/** As `Array.from`, which takes an iterator for typed arrays, and an object for each element. */
function mapped<T>(values: ArrayLike<number>, of: (value: number) => T): T[] {
  const all: T[] = [];
  for (let i = 0; i < values.length; i++) all.push(of(values[i]));
  return all;
}

/** Multipliers of one arithmetic as operands of qnn.requantize. */
export function factorsOf(multipliers: readonly Multiplier[]): RequantizeFactors {
  const list = (of: (m: Multiplier) => number): number[] => multipliers.map(of);
  switch (multipliers[0].arithmetic) {
    case 'fixed':
      return {
        dtype: 's32',
        multiplier: list((m) => ('mantissa' in m ? m.mantissa : 0)),
        second: list((m) => ('shift' in m ? m.shift : 0)),
      };
    case 'f32-two-step':
      return {
        dtype: 'f32',
        multiplier: list((m) => ('first' in m ? m.first : 0)),
        second: list((m) => ('second' in m ? m.second : 0)),
      };
    default:
      return {
        dtype: multipliers[0].arithmetic === 'f64' ? 'f64' : 'f32',
        multiplier: list((m) => ('factor' in m ? m.factor : 0)),
      };
  }
}

/** TFLite's QuantizeMultiplier: `factor` = m·2^shift with m in [1/2, 1), M = rha(m·2^31); below 2^-32 it is 0. */
export function fixedMultiplier(factor: number): FixedMultiplier {
  let shift = factor === 0 ? 0 : exponentOf(factor) + 1;
  let mantissa = roundHalfAway((factor / 2 ** shift) * 2 ** 31);
  if (mantissa === 2 ** 31) {
    mantissa = 2 ** 30;
    shift++;
  }
  return shift < -31 ? { arithmetic: 'fixed', mantissa: 0, shift: 0 } : { arithmetic: 'fixed', mantissa, shift };
}

/** The same of a factor of either sign. */
export function signedFixedMultiplier(factor: number): FixedMultiplier {
  const size = fixedMultiplier(Math.abs(factor));
  return factor < 0 ? { ...size, mantissa: -size.mantissa } : size;
}

const rounders = { 'half-even': roundHalfEven, 'half-up': roundHalfUp, 'half-away': roundHalfAway };

/** The step function A -> y, saturated to [low, high]. */
export function requantizer(
  mode: RequantizeMode,
  m: Multiplier,
  zeroPoint: number,
  low: number,
  high: number,
): (accumulator: number) => number {
  assert(mode.arithmetic === m.arithmetic, `a multiplier for ${m.arithmetic} does not fit ${mode.arithmetic}`);
  const round = rounders[mode.rounding];
  const before = mode.zeroPointAt === 'before';
  switch (m.arithmetic) {
    case 'f32': {
      const { factor } = m;
      if (before)
        return (a) => clampTo(low, high, round(Math.fround(Math.fround(Math.fround(a) * factor) + zeroPoint)));
      return (a) => clampTo(low, high, round(Math.fround(Math.fround(a) * factor)) + zeroPoint);
    }
    case 'f32-two-step': {
      const scaled = (a: number) => Math.fround(Math.fround(Math.fround(a) * m.first) * m.second);
      if (before) return (a) => clampTo(low, high, round(Math.fround(scaled(a) + zeroPoint)));
      return (a) => clampTo(low, high, round(scaled(a)) + zeroPoint);
    }
    case 'f64': {
      const { factor } = m;
      if (before) return (a) => clampTo(low, high, round(a * factor + zeroPoint));
      return (a) => clampTo(low, high, round(a * factor) + zeroPoint);
    }
    case 'fixed':
      return (a) => clampTo(low, high, multiplyFixed(a, m.mantissa, m.shift) + zeroPoint);
  }
}

/** Steps in binary32 on an accumulator before it is requantized; either may be absent. */
export interface FloatSteps {
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
}

/** A -> step(fl(fl(fl(A)·scale) + offset)); `step` itself without either. */
export function afterFloatSteps(
  step: (accumulator: number) => number,
  { scale, offset }: FloatSteps,
): (accumulator: number) => number {
  if (scale === undefined && offset === undefined) return step;
  const [factor, added] = [scale ?? 1, offset ?? 0];
  return (a) => step(Math.fround(Math.fround(Math.fround(a) * factor) + added));
}

/** The requantizer of a profile from scales. */
export const requantizerOf = (
  profile: RequantizeProfile,
  scales: { readonly sx: number; readonly sw: number; readonly sy: number },
  zeroPoint: number,
  low: number,
  high: number,
): ((accumulator: number) => number) =>
  requantizer(requantizeModes[profile], multiplier(scales.sx, scales.sw, scales.sy, profile), zeroPoint, low, high);

/** Shifts of a fixed multiplier: left before its product, right after it. Larger shifts give the same results. */
export const shiftsOf = (shift: number): { readonly left: number; readonly right: number } => ({
  left: Math.min(Math.max(shift, 0), 31),
  right: Math.min(Math.max(-shift, 0), 40),
});

/**
 * gemmlowp: RDivPOT(SRDHM(A·2^max(shift,0), M), max(−shift,0)), with A·2^l saturated to int32; RDivPOT rounds half away.
 */
export function multiplyFixed(accumulator: number, mantissa: number, shift: number): number {
  const { left, right } = shiftsOf(shift);
  const a = clampTo(-(2 ** 31), 2 ** 31 - 1, accumulator * 2 ** left);
  return roundHalfAway(highProduct(a, mantissa) / 2 ** right);
}
