/**
 * When oneDNN's epilogue computes the same bytes as the int32 recipe.
 *
 * A primitive converts the accumulator to f32 before it adds bias and map, which is exact while all of them stay within
 * 2^24. Beyond that both sides are monotone in the accumulator, so nothing is lost where both have saturated already: with
 * room[c] = 2^24 − |bias[c] + map[c, p]| and step[c] the rounding of the int32 sum
 *
 *   step[c](room[c]) = high   and   step[c](−room[c]) = low
 *
 * Then |v| ≤ room implies exact sums, and any larger |v| is clamped on both sides. Steps that differ in a positive factor
 * alone grow with it: where the channel with the least of them has saturated at the least room, all have.
 */
const EXACT = 2 ** 24;

export interface EpilogueShape {
  readonly channels: number;
  /** Largest |bias + map| per channel. */
  readonly added: (channel: number) => number;
  /** The rounding of channel c, monotone. */
  readonly step: (channel: number) => (v: number) => number;
  /** The channel that saturates last, if known. */
  readonly last?: number | undefined;
  readonly low: number;
  readonly high: number;
}

/** True when bias and map may be left to the primitive. */
export function floatEpilogueIsExact({ channels, added, step, last, low, high }: EpilogueShape): boolean {
  const hasSaturated = (channel: number, room: number): boolean => {
    const at = step(channel);
    return room > 0 && at(room) === high && at(-room) === low;
  };
  let least = EXACT;
  for (let c = 0; c < channels; c++) least = Math.min(least, EXACT - added(c));
  if (last !== undefined && hasSaturated(last, least)) return true;
  for (let c = 0; c < channels; c++) if (!hasSaturated(c, EXACT - added(c))) return false;
  return true;
}
