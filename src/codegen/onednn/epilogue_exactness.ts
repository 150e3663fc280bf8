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
import {
  constantOf,
  type Graph,
  geometryOf,
  type ITensor,
  layoutOf,
  type Node,
  type RequantizationOfNode,
  readerOf,
  requantizationOf,
} from '../../ir/index.ts';
import { stepOf } from '../../numerics/index.ts';
import { fusedOf } from '../../proofs/index.ts';

/** f32 holds every integer up to here. */
const EXACT = 2 ** 24;

/** True when a primitive may do all of a fused product; else its bare sum is finished in int32 by the requantize kernel. */
export function primitiveFinishes(graph: Graph, node: Node): boolean {
  const [fused, r] = [fusedOf(node), requantizationOf(readerOf(graph), node)];
  if (fused === undefined || r === undefined) return true;
  if (!isFiniteTensor(r.multiplier)) return false;
  const [bias, map] = [fused.bias, fused.map].map((id) => constantOf(graph, id)?.data);
  if (bias === undefined && map === undefined && fused.attrs.sourceZeroPoint === 0) return true;
  const { shape } = graph.values[node.id].type;
  const channels = Number(shape[geometryOf(layoutOf(node).kind).channelAxis(shape.length)]);
  const inner = map ? map.length / channels : 0;
  const added = (c: number): number => {
    let largest = 0;
    for (let i = c * inner; i < (c + 1) * inner; i++) largest = Math.max(largest, Math.abs(Number(map?.[i])));
    return Math.abs(Number(bias?.[bias.length === 1 ? 0 : c] ?? 0)) + largest;
  };
  const { low, high } = r;
  return floatEpilogueIsExact({ low, high, channels, added, last: leastFactor(r), step: (c) => stepOf(r, c) });
}

/** The ends of primitives make the largest integer of NaN, and not the least. */
const isFiniteTensor = ({ data }: ITensor<'f32' | 'f64' | 's32'>): boolean => data.every(Number.isFinite);

/** The channel with the least multiplier, where channels differ in nothing else. */
function leastFactor({ multiplier, scale, offset }: RequantizationOfNode): number | undefined {
  if (scale || offset) return undefined;
  let least = 0;
  for (let c = 0; c < multiplier.data.length; c++) if (multiplier.data[c] < multiplier.data[least]) least = c;
  return multiplier.data[least] > 0 ? least : undefined;
}

interface EpilogueShape {
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

/** True when the additions may be left to the primitive. */
function floatEpilogueIsExact({ channels, added, step, last, low, high }: EpilogueShape): boolean {
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
