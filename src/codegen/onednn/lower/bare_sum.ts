/**
 * The bare s32 sum of a product, exact. Most implementations of oneDNN return s32 by way of f32, which holds integers up to
 * 2^24: beyond it the source channels are taken in parts, whose sums are added in int32.
 */
import { tensor } from '../../../ir/index.ts';
import type { Primitive } from '../binding.ts';
import { offered } from '../offered.ts';
import type { Buffer, Recorder } from '../recorder.ts';
import { boundOfSums, isExact, type Operands, returnsSums } from '../saturation.ts';
import { inLanes } from '../saturation_lanes.ts';
import type { FilterView } from '../saturation_pairs.ts';

/** A primitive that is not recorded yet. */
export interface Created {
  readonly primitive: Primitive;
  readonly record: (destination: Buffer, more?: Readonly<Record<string, Buffer | undefined>>) => void;
  /** The primitive without its attributes, which tells whether sums are exact; absent: the primitive has none. */
  readonly bare?: () => Primitive;
}

/**
 * Records Σx·w, the zero point left out, channels last; undefined where oneDNN cannot be brought to it.
 *
 * @param create the primitive of the s32 sum over the given operands
 */
export function recordBareSum(r: Recorder, given: Operands, create: (given: Operands) => Created): Buffer | undefined {
  // Of s8 sources oneDNN sums x + 128 and subtracts 128·Σw again, in f32 or not.
  if (given.type === 's8') return undefined;
  const parts = boundOfSums(given.view) <= 2 ** 24 ? [given] : [given, ...(given.weights ? [] : partsOf(r, given))];
  const created = parts.map((part) => {
    const made = offered(() => create(part));
    return made && isExact(r, part, made.primitive, made.bare ?? (() => made.primitive)) ? made : undefined;
  });
  const [whole, ...rest] = created;
  if (whole && (parts.length === 1 || returnsSums(whole.primitive.implementation, given))) return recorded(r, whole);
  const made = rest.filter((part) => part !== undefined);
  if (rest.length === 0 || made.length < rest.length) return undefined;
  return made.map((part) => recorded(r, part)).reduce((a, b) => added(r, a, b, given.view.filters));
}

function recorded(r: Recorder, { primitive, record }: Created): Buffer {
  const destination = r.scratch(primitive.descs.destination.bytes);
  record(destination);
  return destination;
}

/** Runs of channels, a multiple of 4 each, whose sums f32 holds. */
function partsOf(r: Recorder, { source, ...given }: Operands): Operands[] {
  const { channels, groups } = given.view;
  const parts: Operands[] = [];
  let known: Buffer | undefined;
  const wholeSource = (): Buffer => (known ??= source());
  for (let first = 0; first < channels; ) {
    let count = channels - first;
    let view = laneRun(given.view, first, count);
    while (count > 4 && boundOfSums(view) > 2 ** 24) {
      count = 4 * Math.ceil(count / 8);
      view = laneRun(given.view, first, count);
    }
    const lanes = laneNumbers(given.view, first, count);
    const part = (): Buffer => {
      const whole = wholeSource();
      const rows = whole.bytes / (groups * channels);
      const destination = r.scratch(rows * lanes.length);
      const gather = { name: 'gather-channels', rows, channels: groups * channels, lanes, flip: false } as const;
      r.kernel(gather, { source: whole, destination });
      return destination;
    };
    parts.push({ ...given, view, source: part });
    first += count;
  }
  return parts;
}

const laneNumbers = ({ channels, groups }: FilterView, first: number, count: number): number[] =>
  Array.from({ length: groups * count }, (_, i) => Math.floor(i / count) * channels + first + (i % count));

const laneRun = (view: FilterView, first: number, count: number): FilterView => {
  const channels = laneNumbers(view, first, count);
  return inLanes(view, { perGroup: count, channels, parts: channels.map(() => 'whole') });
};

/** a + b over s32, wrapping; the channels last. */
function added(r: Recorder, a: Buffer, b: Buffer, channels: number): Buffer {
  const destination = r.scratch(a.bytes);
  r.kernel(
    {
      name: 'requantize',
      type: 's32',
      outer: a.bytes / 4 / channels,
      channels,
      inner: 1,
      groups: channels,
      mapRows: 0,
      zeroPoint: 0,
      low: -(2 ** 31),
      high: 2 ** 31 - 1,
    },
    { source: a, row: b, column: r.data(tensor('s32', new Int32Array(channels).fill(1))), destination },
  );
  return destination;
}
