/**
 * Conversions between numbers and the bit patterns of floats of 8 and 4 bits: https://onnx.ai/onnx/operators/onnx__Cast.html,
 * https://onnx.ai/onnx/technical/float4.html
 */
import { isFloat8, type SmallFloat } from '../tensors/index.ts';
import { float8ToNumber, numberToFloat8 } from './float8.ts';
import { exponentOf } from './rounding.ts';

/** Powers of two between two others: the greater one, the lesser one, or the nearer one, the greater of both if none is. */
export const powerRoundings = ['up', 'down', 'nearest'] as const;
export type PowerRounding = (typeof powerRoundings)[number];

/** The positive floats of 4 bits, by their patterns. */
const quarters = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
const POWER_NAN = 0xff;
const POWER_BIAS = 127;

/** The number that a pattern stands for; exact. */
export function smallFloatToNumber(type: SmallFloat, pattern: number): number {
  if (isFloat8(type)) return float8ToNumber(type, pattern);
  if (type === 'f8e8m0') return pattern === POWER_NAN ? Number.NaN : 2 ** (pattern - POWER_BIAS);
  const magnitude = quarters[pattern & 7];
  return pattern & 8 ? -magnitude : magnitude;
}

/** The pattern of a number, as `nn.cast` says it. */
export function numberToSmallFloat(type: SmallFloat, x: number, saturates: boolean, rounding: PowerRounding): number {
  if (isFloat8(type)) return numberToFloat8(type, x, saturates);
  return type === 'f8e8m0' ? numberToPower(Math.abs(x), saturates, rounding) : numberToFloat4(x);
}

/** The nearest one, ties to even patterns, beyond all the greatest; NaN, of which there is none, is −0. */
function numberToFloat4(x: number): number {
  if (Number.isNaN(x)) return 8;
  const sign = x < 0 || Object.is(x, -0) ? 8 : 0;
  const magnitude = Math.abs(x);
  const above = quarters.findIndex((value) => value >= magnitude);
  if (above <= 0) return sign | (above === 0 ? 0 : 7);
  const middle = (quarters[above - 1] + quarters[above]) / 2;
  const isUpper = magnitude > middle || (magnitude === middle && above % 2 === 0);
  return sign | (isUpper ? above : above - 1);
}

/** A power of two; there is neither 0 nor a sign. Outside of the range the nearest power when it `saturates`, else NaN. */
function numberToPower(x: number, saturates: boolean, rounding: PowerRounding): number {
  if (Number.isNaN(x)) return POWER_NAN;
  if (x < 2 ** -POWER_BIAS) return saturates ? 0 : POWER_NAN;
  const exponent = x === Infinity ? Infinity : exponentOf(x);
  const part = x / 2 ** exponent;
  const isUp = rounding === 'up' ? part > 1 : rounding === 'nearest' && part >= 1.5;
  const pattern = exponent + Number(isUp) + POWER_BIAS;
  return pattern < POWER_NAN ? pattern : saturates ? POWER_NAN - 1 : POWER_NAN;
}
