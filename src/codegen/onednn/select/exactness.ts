/**
 * When oneDNN's epilogue computes the same bytes as the int32 recipe.
 *
 * A primitive converts the accumulator to f32 before it adds bias and map, which is exact while all of them stay within
 * 2^24. Beyond that both sides are monotone in the accumulator, so nothing is lost where both have saturated already:
 *
 *   multiplier[c]·(2^24 − |bias[c] + map[c, p]|) ≥ the distance from the zero point to either end, plus one
 *
 * Then |v| ≤ 2^24 − |added| implies exact sums, and any larger |v| is clamped on both sides.
 */
const EXACT = 2 ** 24;

export interface EpilogueShape {
  readonly channels: number;
  /** Largest |bias + map| per channel. */
  readonly added: (channel: number) => number;
  readonly multiplier: (channel: number) => number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
}

/** True when bias and map may be left to the primitive. */
export function floatEpilogueIsExact({ channels, added, multiplier, zeroPoint, low, high }: EpilogueShape): boolean {
  const reach = Math.max(high - zeroPoint, zeroPoint - low) + 1;
  for (let c = 0; c < channels; c++) {
    const room = EXACT - added(c);
    if (room <= 0 || !(multiplier(c) * room >= reach)) return false;
  }
  return true;
}
