/** The lanes in which the sum of a layer that would saturate is taken instead. */
import { type FilterView, pairsFit, pairsOf, stepsOf } from './saturation_pairs.ts';

export type Part = 'whole' | 'none' | 'lower half' | 'upper half';

export interface Lanes {
  /** Lanes of one group. */
  readonly perGroup: number;
  /** The source channel, counted over all groups, that each lane reads. */
  readonly channels: readonly number[];
  /** The part of its channel's weights that each lane has. */
  readonly parts: readonly Part[];
}

/** The number of partners that a channel tries. */
const MOST_TRIES = 24;

/**
 * Lanes such that neighbours fit. Of an offending pair the second channel moves away: to the free place beside another
 * channel that it fits, else to new lanes at the end, two by two where they fit each other, alone else. Channels that do
 * not move keep their places, so that a row of the source is copied rather than gathered.
 */
export function pairedLanes(view: FilterView, reach: number): Lanes {
  const groups = Array.from({ length: view.groups }, (_, g) => lanesOfGroup(view, g, reach));
  const longest = groups.reduce((most, lanes) => Math.max(most, lanes.length), 0);
  const perGroup = 4 * Math.ceil(longest / 4);
  const at = (group: number, lane: number): number => groups[group][lane] ?? FREE;
  const all = Array.from({ length: perGroup * view.groups }, (_, i) => [Math.floor(i / perGroup), i % perGroup]);
  return {
    perGroup,
    // A lane without weights may read any channel: the one at its place.
    channels: all.map(([g, lane]) => {
      const channel = at(g, lane);
      return g * view.channels + (channel === FREE ? Math.min(lane, view.channels - 1) : channel);
    }),
    parts: all.map(([g, lane]) => (at(g, lane) === FREE ? 'none' : 'whole')),
  };
}

const FREE = -1;

function lanesOfGroup(view: FilterView, group: number, reach: number): number[] {
  const { channels } = view;
  const agree = (a: number, b: number): boolean => pairsFit(reach, pairsOf(view, group, a, b));
  const lanes = Array.from({ length: channels }, (_, c) => c);
  const moved: number[] = [];
  for (let c = 0; c + 1 < channels; c += 2) {
    if (agree(c, c + 1)) continue;
    moved.push(c + 1);
    lanes[c + 1] = FREE;
  }
  const left = moved.filter((channel) => {
    const places = moved.filter((place) => lanes[place] === FREE).slice(0, MOST_TRIES);
    const place = places.find((p) => p !== channel && agree(p - 1, channel));
    if (place === undefined) return true;
    lanes[place] = channel;
    return false;
  });
  if (left.length > 0 && lanes.length % 2 === 1) lanes.push(FREE);
  for (let next = left.shift(); next !== undefined; next = left.shift()) {
    const channel = next;
    const partner = left.slice(0, MOST_TRIES).find((other) => agree(channel, other));
    if (partner !== undefined) left.splice(left.indexOf(partner), 1);
    lanes.push(channel, partner ?? FREE);
  }
  return lanes;
}

/**
 * Every channel twice, with the weights ⌊w/2⌋ and w − ⌊w/2⌋: at most 64 in magnitude, so that any two fit wherever they
 * meet: 255·128 = 32640. For implementations whose neighbours are not known.
 */
export function halvedLanes({ channels, groups }: FilterView): Lanes {
  const all = Array.from({ length: groups * 2 * channels }, (_, i) => i);
  return {
    perGroup: 2 * channels,
    channels: all.map((i) => Math.floor(i / (2 * channels)) * channels + (i % channels)),
    parts: all.map((i) => (i % (2 * channels) < channels ? 'lower half' : 'upper half')),
  };
}

const partOf: Readonly<Record<Part, (w: number) => number>> = {
  whole: (w) => w,
  none: () => 0,
  'lower half': (w) => w >> 1,
  'upper half': (w) => w - (w >> 1),
};

/** The weights with lanes in the place of channels. */
export function inLanes(view: FilterView, { perGroup, channels, parts }: Lanes): FilterView {
  const { filters, taps, groups } = view;
  const wide = { ...view, channels: perGroup, data: new Int8Array(filters * perGroup * taps) };
  const [from, to] = [stepsOf(view), stepsOf(wide)];
  const each = filters / groups;
  for (let i = 0; i < channels.length; i++) {
    const [group, lane, part] = [Math.floor(i / perGroup), i % perGroup, partOf[parts[i]]];
    const channel = channels[i] - group * view.channels;
    if (parts[i] === 'none') continue;
    for (let o = group * each; o < (group + 1) * each; o++) {
      const [source, destination] = [o * from[0] + channel * from[1], o * to[0] + lane * to[1]];
      for (let t = 0; t < taps; t++) wide.data[destination + t * to[2]] = part(view.data[source + t * from[2]]);
    }
  }
  return wide;
}
