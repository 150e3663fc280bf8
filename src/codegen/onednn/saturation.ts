/**
 * Operands of products that keep sums exact when oneDNN has no VNNI (saturation_pairs.ts says when): the operands
 * unchanged, lanes in which neighbours fit, or halved weights. s8 sources become u8, because oneDNN would halve and
 * round their weights.
 */
import { type ByteType, type Graph, type Node, sizeOf, tensor, type ValueId } from '../../ir/index.ts';
import { highest, magnitude, Ranges, Weights } from '../../proofs/index.ts';
import type { OneDnnBinding, Primitive } from './binding.ts';
import { hasVnni } from './machine.ts';
import type { Buffer, Recorder } from './recorder.ts';
import { halvedLanes, inLanes, type Lanes, pairedLanes } from './saturation_lanes.ts';
import { anyPairs, type FilterView, neighbouringPairs, pairsFit, stepsOf } from './saturation_pairs.ts';

/** The operands of Σ (x − zero point)·w: the same sum, whichever lanes it is taken in. */
export interface Operands {
  readonly type: ByteType;
  readonly zeroPoint: number;
  /** The weights, with the lanes of a group in the place of its channels. */
  readonly view: FilterView;
  /** Exact only where no other pairs than 2k and 2k + 1 are added in int16. */
  readonly assumesNeighbours: boolean;
  /** The source, channels last (of a matmul row major). */
  readonly source: () => Buffer;
  /** Weights from run time, row major. */
  readonly weights?: () => Buffer;
}

/**
 * The operands a product may be given, the cheapest first. With VNNI, as they are, and with s8 sources as u8. Without it,
 * in lanes where neighbours do not fit, and the last ones assume nothing.
 */
export function* operandsOf(
  r: Recorder,
  x: ValueId,
  view: FilterView,
  zeroPoint: number,
  axis: 'second' | 'last',
): Generator<Operands> {
  const type = r.byteType(x);
  const layout = axis === 'second' ? 'channels-last' : 'row-major';
  const shape = r.shape(x);
  const channels = axis === 'second' ? shape[1] : shape[shape.length - 1];
  const [flip, shift] = type === 's8' ? [true, 128] : [false, 0];
  const asIs = (): Buffer => r.use(x, layout);
  const gathered = (lanes: readonly number[]) => () => {
    const rows = sizeOf(shape) / channels;
    const destination = r.scratch(rows * lanes.length);
    r.kernel({ name: 'gather-channels', rows, channels, lanes, flip }, { source: asIs(), destination });
    return destination;
  };
  const whole = flip ? gathered(Array.from({ length: channels }, (_, c) => c)) : asIs;
  const unsigned = { type: 'u8', zeroPoint: zeroPoint + shift, view, assumesNeighbours: false, source: whole } as const;
  if (hasVnni(r.binding.isa)) {
    yield { ...unsigned, type, zeroPoint, source: asIs };
    if (flip) yield unsigned;
    return;
  }
  const reach = Math.max(highest(rangesOf(r).of(x)) + shift, unsigned.zeroPoint);
  if (pairsFit(reach, anyPairs(view))) {
    yield unsigned;
    return;
  }
  if (pairsFit(reach, neighbouringPairs(view))) yield { ...unsigned, assumesNeighbours: true };
  const inThose = (lanes: Lanes) => ({ ...unsigned, view: inLanes(view, lanes), source: gathered(lanes.channels) });
  if (view.channels > 1) yield { ...inThose(pairedLanes(view, reach)), assumesNeighbours: true };
  yield inThose(halvedLanes(view));
}

/**
 * Operands of a matmul whose right side is computed at run time: unchanged, or halved like `halvedLanes`, by tables.
 */
export function* halvedAtRunTime(r: Recorder, a: ValueId, b: ValueId, zeroPoint: number): Generator<Operands> {
  const [aShape, bShape] = [r.shape(a), r.shape(b)];
  const [depth, filters] = bShape.slice(-2);
  const batches = sizeOf(bShape.slice(0, -2));
  const type = r.byteType(a);
  const view: FilterView = {
    data: new Int8Array(0),
    filters,
    channels: depth,
    taps: batches,
    groups: 1,
    order: 'channels first',
  };
  if (hasVnni(r.binding.isa)) {
    const [source, weights] = [a, b].map((id) => () => r.use(id, 'row-major'));
    yield { type, zeroPoint, view, assumesNeighbours: false, source, weights };
    return;
  }
  const flip = type === 's8';
  const lanes = halvedLanes(view);
  const source = (): Buffer => {
    const rows = sizeOf(aShape) / depth;
    const destination = r.scratch(rows * lanes.perGroup);
    const gather = { name: 'gather-channels', rows, channels: depth, lanes: lanes.channels, flip } as const;
    r.kernel(gather, { source: r.use(a, 'row-major'), destination });
    return destination;
  };
  const weights = (): Buffer => {
    const matrix = depth * filters;
    const destination = r.scratch(2 * batches * matrix);
    const halves = [(w: number) => w >> 1, (w: number) => w - (w >> 1)];
    halves.forEach((half, i) => {
      const table = r.data(
        tensor(
          's8',
          Int8Array.from({ length: 256 }, (_, byte) => half((byte << 24) >> 24)),
        ),
      );
      const part = r.scratch(batches * matrix);
      r.kernel({ name: 'lut', count: batches * matrix }, { source: r.use(b, 'row-major'), table, destination: part });
      const strides = { sourceStrides: [matrix, 1], destinationStrides: [2 * matrix, 1] };
      const offsets = { sourceOffset: 0, destinationOffset: i * matrix };
      r.kernel(
        { name: 'copy', elementBytes: 1, shape: [batches, matrix], ...strides, ...offsets },
        { source: part, destination },
      );
    });
    return destination;
  };
  const wide = { ...view, channels: lanes.perGroup };
  const shifted = zeroPoint + (flip ? 128 : 0);
  yield { type: 'u8', zeroPoint: shifted, view: wide, assumesNeighbours: false, source, weights };
}

/** Ranges of a graph, as its certificate knows them. */
const ranges = new WeakMap<Graph, Ranges>();
function rangesOf({ graph }: Pick<Recorder, 'graph'>): Ranges {
  let known = ranges.get(graph);
  if (known === undefined) {
    known = new Ranges(graph, new Weights());
    ranges.set(graph, known);
  }
  return known;
}

/**
 * True when an implementation returns s32 sums unchanged: those on brgemm do, for u8 sources without a zero point. All
 * others convert them to f32 and back.
 */
export const returnsSums = (implementation: string, { type, zeroPoint }: Operands): boolean =>
  implementation.startsWith('brg') && type === 'u8' && zeroPoint === 0;

/** True when f32 holds the sums Σ(x − zx)·w of a product: integers up to 2^24. */
export const floatsHoldSums = (r: Pick<Recorder, 'graph'>, node: Node): boolean =>
  magnitude(rangesOf(r).sum(node)) <= 2 ** 24;

/** The largest |Σx·w| over sources of u8. */
export function boundOfSums(view: FilterView): number {
  const { data, filters, channels, taps } = view;
  if (data.length === 0) return channels * 255 * 128;
  const [byFilter, byChannel, byTap] = stepsOf(view);
  let most = 0;
  for (let o = 0; o < filters; o++) {
    let [positive, negative] = [0, 0];
    for (let c = 0; c < channels; c++) {
      for (let t = 0, i = o * byFilter + c * byChannel; t < taps; t++, i += byTap) {
        if (data[i] > 0) positive += data[i];
        else negative -= data[i];
      }
    }
    most = Math.max(most, positive, negative);
  }
  return 255 * most;
}

const knownPairs = new WeakMap<OneDnnBinding, Map<string, boolean>>();

/**
 * True when a primitive meets the assumption of its operands: it adds no other pairs of products in int16 than those of
 * channels 2k and 2k + 1. `sum` makes the primitive of the bare s32 sum. Tried once per implementation, layout and
 * sizes (with one tap no pairs of taps exist, with another padding other ones), on the product itself with sources of
 * 255: with weights ±126 that cancel in such pairs and have random signs otherwise, any other pair would saturate half
 * of the time, and sums would not be twice those with weights ±63. Small products are tried with many signs.
 */
export function isExact(
  r: Recorder,
  { view, ...given }: Operands,
  primitive: Primitive,
  sum: () => Primitive,
): boolean {
  if (!given.assumesNeighbours) return true;
  const known = knownPairs.get(r.binding) ?? new Map<string, boolean>();
  knownPairs.set(r.binding, known);
  const { source, weights, destination } = primitive.descs;
  const sizes = [source, weights, destination].map(({ dims }) => dims.join('x'));
  const key = [primitive.implementation, weights.layout, view.order, view.groups, ...sizes].join();
  let answer = known.get(key);
  if (answer === undefined) {
    const tried = sum();
    const isSame =
      tried.implementation === primitive.implementation &&
      tried.descs.weights.layout === primitive.descs.weights.layout;
    answer = isSame && doubles(r, tried, view);
    known.set(key, answer);
  }
  return answer;
}

function doubles(r: Recorder, primitive: Primitive, view: FilterView): boolean {
  const taps = sizeOf(primitive.descs.weights.dims) / view.filters / view.channels;
  const pairs = view.filters * taps * Math.ceil(view.channels / 2);
  for (let seed = 1; seed <= Math.max(1, Math.ceil(LEAST_PAIRS / pairs)); seed++) {
    const [once, twice] = [63, 126].map((by) => sumsOver255(r, primitive, cancelling({ ...view, taps }, by, seed)));
    if (once.some((sum, i) => 2 * sum !== twice[i])) return false;
  }
  return true;
}

/** The least number of pairs to try: a pair that breaks the assumption shows with probability 1/2. */
const LEAST_PAIRS = 64;

/** ±`by` in channels 2k, the opposite in 2k + 1. */
function cancelling(view: FilterView, by: number, seed: number): Int8Array {
  const { filters, channels, taps } = view;
  const [byFilter, byChannel, byTap] = stepsOf(view);
  const weights = new Int8Array(filters * channels * taps);
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  for (let o = 0; o < filters; o++) {
    for (let c = 0; c < channels; c += 2) {
      for (let t = 0; t < taps; t++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        const at = o * byFilter + c * byChannel + t * byTap;
        weights[at] = state >>> 31 === 0 ? by : -by;
        if (c + 1 < channels) weights[at + byChannel] = -weights[at];
      }
    }
  }
  return weights;
}

function sumsOver255({ binding, threads }: Recorder, primitive: Primitive, weights: Int8Array): Int32Array {
  const { source, destination, weights: packed } = primitive.descs;
  const plain = binding.desc('s8', packed.dims, 'row-major');
  const memory = binding.pack(new Uint8Array(weights.buffer), plain, packed, threads);
  const session = binding.session({
    threads,
    arenaBytes: primitive.scratchpadBytes,
    inputBytes: [source.bytes],
    outputBytes: [destination.bytes],
    commands: [
      {
        kind: 'primitive',
        primitive,
        arguments: {
          source: { space: 'input', index: 0 },
          weights: { space: 'constant', memory },
          destination: { space: 'output', index: 0 },
          ...(primitive.scratchpadBytes > 0 && { scratchpad: { space: 'arena', offset: 0 } }),
        },
      },
    ],
  });
  const sums = new Uint8Array(destination.bytes);
  session.runSync([new Uint8Array(source.bytes).fill(255)], [sums]);
  session.dispose();
  return new Int32Array(sums.buffer);
}

/** Σw of each filter, which a source zero point is folded with in int32. */
export function sumsOfWeights(view: FilterView): Int32Array {
  const { data, filters, channels, taps } = view;
  const [byFilter, byChannel, byTap] = stepsOf(view);
  return Int32Array.from({ length: filters }, (_, o) => {
    let sum = 0;
    for (let c = 0; c < channels; c++)
      for (let t = 0; t < taps; t++) sum += data[o * byFilter + c * byChannel + t * byTap];
    return sum;
  });
}
