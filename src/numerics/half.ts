/** Conversions between numbers and the bit patterns of binary16 and bfloat16. Rounding is to nearest, ties to even. */
import { roundHalfEven } from './rounding.ts';

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The number a binary16 pattern stands for; exact. */
export function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The nearest binary16 pattern, rounded once from any precision of `x`; 65520 and more is infinity. */
export function numberToHalf(x: number): number {
  if (Number.isNaN(x)) return 0x7e00;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  if (magnitude >= 65520) return sign | 0x7c00;
  // A pattern counts units of its binade, so that a carry runs into the exponent as it should.
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24);
  float[0] = magnitude;
  let exponent = (bits[0] >> 23) - 127;
  if (magnitude < 2 ** exponent) exponent--; // the conversion to binary32 above may round up to a power of two
  return sign | (((exponent + 14) << 10) + roundHalfEven(magnitude * 2 ** (10 - exponent)));
}

/** The number a bfloat16 pattern stands for; exact. */
export function bfloat16ToNumber(pattern: number): number {
  bits[0] = pattern << 16;
  return float[0];
}

/** The nearest bfloat16 pattern of a binary32 number. */
export function numberToBfloat16(x: number): number {
  if (Number.isNaN(x)) return 0x7fc0;
  float[0] = x;
  return (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) >>> 16;
}
