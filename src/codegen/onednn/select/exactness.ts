/**
 * When oneDNN's epilogue computes the same bytes as the int32 recipe.
 *
 * A primitive converts the accumulator to f32 before it adds bias and map, which is exact while all of them stay within
 * 2^24. Beyond that both sides are monotone in the accumulator, so nothing is lost where both have saturated already: with
 * room[c] = 2^24 − |bias[c] + map[c, p]| and step[c] the rounding of the int32 sum
 *
 *   step[c](room[c]) = high   and   step[c](−room[c]) = low
 *
 * Then |v| ≤ room implies exact sums, and any larger |v| is clamped on both sides.
 */
const EXACT = 2 ** 24;

export interface EpilogueShape {
  readonly channels: number;
  /** Largest |bias + map| per channel. */
  readonly added: (channel: number) => number;
  /** The rounding of channel c, monotone. */
  readonly step: (channel: number) => (v: number) => number;
  readonly low: number;
  readonly high: number;
}

/** True when bias and map may be left to the primitive. */
export function floatEpilogueIsExact({ channels, added, step, low, high }: EpilogueShape): boolean {
  for (let c = 0; c < channels; c++) {
    const room = EXACT - added(c);
    if (room <= 0) return false;
    const at = step(c);
    if (at(room) !== high || at(-room) !== low) return false;
  }
  return true;
}
