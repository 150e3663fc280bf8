/** Conversions between numbers and the bit patterns of 8-bit floats: https://onnx.ai/onnx/technical/float8.html */
import { dtypes, type Float8Type } from '../tensors/index.ts';
import { exponentOf, roundHalfEven } from './rounding.ts';

interface Format {
  /** Bits of the fraction. */
  readonly fraction: number;
  readonly bias: number;
  /** Patterns of NaN and of infinity; without infinity undefined. */
  readonly nan: number;
  readonly infinity?: number;
  /** True where 0x80, which would be −0, is NaN. */
  readonly isUnsignedZero: boolean;
}

const formats: Readonly<Record<Float8Type, Format>> = {
  f8e4m3fn: { fraction: 3, bias: 7, nan: 0x7f, isUnsignedZero: false },
  f8e4m3fnuz: { fraction: 3, bias: 8, nan: 0x80, isUnsignedZero: true },
  f8e5m2: { fraction: 2, bias: 15, nan: 0x7e, infinity: 0x7c, isUnsignedZero: false },
  f8e5m2fnuz: { fraction: 2, bias: 16, nan: 0x80, isUnsignedZero: true },
};

/** The number that a pattern stands for; exact. */
export function float8ToNumber(type: Float8Type, pattern: number): number {
  const { fraction, bias, nan, infinity, isUnsignedZero } = formats[type];
  const rest = pattern & 0x7f;
  if (isUnsignedZero ? pattern === nan : rest === nan) return Number.NaN;
  const sign = pattern & 0x80 ? -1 : 1;
  if (infinity !== undefined && rest >= infinity) return rest === infinity ? sign * Infinity : Number.NaN;
  const [exponent, part] = [rest >> fraction, rest & ((1 << fraction) - 1)];
  if (exponent === 0) return sign * part * 2 ** (1 - bias - fraction);
  return sign * ((1 << fraction) + part) * 2 ** (exponent - bias - fraction);
}

/** The nearest pattern, ties to even. Beyond the range it is the greatest number when it `saturates`, else infinity or NaN. */
export function numberToFloat8(type: Float8Type, x: number, saturates: boolean): number {
  const { fraction, bias, nan, infinity, isUnsignedZero } = formats[type];
  if (Number.isNaN(x)) return nan;
  const sign = x < 0 || Object.is(x, -0) ? 0x80 : 0;
  const magnitude = Math.abs(x);
  const exponent = Math.max(magnitude === Infinity ? 128 : exponentOf(magnitude), 1 - bias);
  const steps = magnitude === Infinity ? Infinity : roundHalfEven(magnitude * 2 ** (fraction - exponent));
  const { max } = dtypes[type];
  if (steps * 2 ** (exponent - fraction) > max) {
    if (saturates) return sign | numberToFloat8(type, max, true);
    return infinity === undefined && isUnsignedZero ? nan : sign | (infinity ?? nan);
  }
  // a pattern counts units of its binade, so that a carry runs into the exponent; below the least exponent there is no hidden bit
  const pattern = steps < 1 << fraction ? steps : ((exponent + bias - 1) << fraction) + steps;
  return pattern === 0 && isUnsignedZero ? 0 : sign | pattern;
}
