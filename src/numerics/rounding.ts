/** Rounding to integers, saturation, and the fused multiply-add of binary32. Everything here is exact for any double. */
import { type DType, dtypes } from '../tensors/index.ts';

/** 1.5·2^52: adding it leaves no fraction bits, so that the hardware rounds to nearest even. */
const roundsToEven = 6755399441055744;

/** The nearest integer, ties to even. NaN and infinities pass. */
export function roundHalfEven(x: number): number {
  if (Math.abs(x) < 2 ** 51) return x + roundsToEven - roundsToEven;
  const floor = Math.floor(x);
  const fraction = x - floor;
  if (fraction === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return fraction > 0.5 ? floor + 1 : x === floor ? x : floor;
}

/** The nearest integer, ties towards +∞. (Math.round(x) does that; `floor(x + 0.5)` does not: 0.5 − 2^-54.) */
export const roundHalfUp: (x: number) => number = Math.round;

/** The nearest integer, ties away from zero. */
export const roundHalfAway = (x: number): number => (x < 0 ? -Math.round(-x) : Math.round(x));

/** `x` limited to [low, high]; NaN becomes `low`, as max(low, min(high, NaN)) does on x86. */
export const clampTo = (low: number, high: number, x: number): number => (x >= low ? Math.min(x, high) : low);

/** `x` limited to the range of an integer type. */
export const saturate = (dtype: DType, x: number): number => clampTo(dtypes[dtype].min, dtypes[dtype].max, x);

/** ⌊log2 x⌋ of a positive number, exact where Math.log2 is not; −∞ of 0. */
export function exponentOf(x: number): number {
  const near = Math.floor(Math.log2(x));
  if (x / 2 ** near < 1) return near - 1;
  return x / 2 ** near >= 2 ? near + 1 : near;
}

const bits = new DataView(new ArrayBuffer(4));

/** The binary32 number `steps` away from fl(x), x positive: neighbours are ±1. Below the least normal number 0. */
export function nextFloat32(x: number, steps: number): number {
  bits.setFloat32(0, x);
  const at = bits.getInt32(0) + steps;
  if (at < 0x00800000 || at >= 0x7f800000) return 0;
  bits.setInt32(0, at);
  return bits.getFloat32(0);
}
