/**
 * Sources that a product reads several times. A weight beyond s8 is the sum of several s8, each of which multiplies its own copy of
 * the element that the weight multiplies:
 *
 *   x·200 = x·127 + x·73
 *
 * Copies lie behind one another along the axis of channels. Of a depthwise convolution, which has one channel in each group and has
 * to stay depthwise, they lie side by side along a spatial axis, over which windows then go in wider steps.
 */
import { assert } from '../../diagnostics/index.ts';
import {
  type ByteType,
  byteTypes,
  type ConvAttrs,
  factorsOf,
  geometryOf,
  type ITensor,
  isTensorOf,
  layoutOf,
  type Node,
  nnConcat,
  nnGather,
  nnPad,
  nnSlice,
  sizeOf,
  tensor,
  type Value,
} from '../../ir/index.ts';
import type { Algebra } from '../rewrite/algebra.ts';
import type { GraphEditor } from '../rewrite/editor.ts';
import { present } from '../rewrite/rule.ts';
import { centred, type Operands, type ProductMatch } from './operands.ts';

/** The n-th part of a weight: a whole one is the sum of its parts, all of them s8. */
export const partOf = (weight: number, n: number): number =>
  weight < 0 ? Math.max(-128, Math.min(0, weight + 128 * n)) : Math.min(127, Math.max(0, weight - 127 * n));

/** The number of parts that a weight needs. */
const partsOf = (weight: number): number => Math.max(1, Math.ceil(weight < 0 ? weight / -128 : weight / 127));

/** An element of an axis, which occurs for the n-th time. */
interface Copy {
  readonly index: number;
  readonly n: number;
}

/** The largest number of parts of the weights at each index of an axis. */
function partsAlong(values: Int16Array, shape: readonly number[], axis: number): number[] {
  const [size, inner] = [shape[axis], sizeOf(shape.slice(axis + 1))];
  const most = Array<number>(size).fill(1);
  for (let i = 0; i < values.length; i++) {
    if (values[i] >= -128 && values[i] <= 127) continue;
    const index = Math.floor(i / inner) % size;
    most[index] = Math.max(most[index], partsOf(values[i]));
  }
  return most;
}

/** The weights of the copies along an axis; 0 where there is none. */
function weightsOf(
  values: Int16Array,
  shape: readonly number[],
  axis: number,
  copies: readonly (Copy | undefined)[],
  part: typeof partOf,
): ITensor<'s8'> {
  const [outer, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
  const data = new Int8Array(outer * copies.length * inner);
  let to = 0;
  for (let block = 0; block < outer; block++)
    for (const copy of copies) {
      const from = (block * shape[axis] + (copy?.index ?? 0)) * inner;
      for (let i = from; i < from + inner; i++) data[to++] = copy ? part(values[i], copy.n) : 0;
    }
  return tensor(
    's8',
    data,
    shape.map((size, i) => (i === axis ? copies.length : size)),
  );
}

/** A product of s8 weights, and the source with the copies that they multiply. */
export interface Repeated {
  readonly operands: { readonly x: Source; readonly w: Value<'s8'> };
  readonly attrs: ConvAttrs;
}

type Source = Operands['x'];
type Site = Pick<ProductMatch, 'x' | 'w' | 'zx' | 'attrs' | 'layout'>;

/** The product of `values`, weights less their zero points, of known sizes. */
export function repeated(site: Site, values: Int16Array, a: Algebra, part: typeof partOf = partOf): Repeated {
  const axis = spatialAxis(site);
  return axis === undefined ? byChannel(site, values, a, part) : byTap(site, values, axis, a, part);
}

/** Dilated further, a window would have more zeros than are worth it. */
const FURTHEST = 8;

/** The axis of a depthwise window along which copies can lie side by side, the least dilated one; undefined for any other product. */
function spatialAxis({ x, w, attrs, layout }: Site): number | undefined {
  if (layout.kind !== 'conv' || attrs.group === 1 || w.type.shape[1] !== 1) return undefined;
  const isFit = (axis: number) => attrs.dilations[axis] <= FURTHEST && typeof x.type.shape[axis + 2] === 'number';
  return [...attrs.dilations.keys()].filter(isFit).sort((a, b) => attrs.dilations[a] - attrs.dilations[b])[0];
}

/** Runs of channels that are taken one by one; more of them are gathered. Runtimes move a slice through changes of layout. */
const MOST_SLICES = 4;

/** Copies of channels: behind all channels of the source, or of their group. */
function byChannel({ x, w, attrs, layout }: Site, values: Int16Array, a: Algebra, part: typeof partOf): Repeated {
  const shape = w.type.shape.map(Number);
  const axis = layout.kind === 'matmul' ? shape.length - 2 : 1;
  const parts = partsAlong(values, shape, axis);
  const all = parts.map((_, index): Copy => ({ index, n: 0 }));
  // matrix products have no blocks of channels
  const more = copiesBeyond(parts, layout.kind === 'matmul' ? 1 : BLOCK);
  const weights = a.constant(weightsOf(values, shape, axis, [...all, ...more], part), `${w.id}.parts`);
  const along = geometryOf(layout.kind).sourceAxis(x.type.shape.length);
  const ofGroup = [...all, ...more].map(({ index }) => index);
  const groups = Array.from({ length: attrs.group }, (_, g) => ofGroup.map((index) => g * all.length + index));
  const source =
    more.length === 0
      ? x
      : attrs.group > 1
        ? gathered(x, groups.flat(), along, a)
        : a.emit(nnConcat, { xs: [x, ...copiesOf(x, more, all.length, along, a)] }, { axis: along });
  return { operands: { x: source, w: weights }, attrs };
}

/** Kernels take channels in blocks: copies come in eights where these are few among the channels. */
const BLOCK = 8;

/** The second copies, and the third ones; all of them where half of the channels need one, which is a copy of the source. */
function copiesBeyond(parts: readonly number[], block: number): readonly Copy[] {
  const most = Math.max(1, ...parts);
  return Array.from({ length: most - 1 }, (_, i) => i + 1).flatMap((n) => {
    const needed = parts.flatMap((count, index) => (count > n ? [index] : []));
    const whole = block * Math.ceil(needed.length / block);
    const all = needed.length * 2 >= parts.length ? [...parts.keys()] : needed;
    const taken = whole * BLOCK <= parts.length ? blocks(needed, whole, parts.length) : all;
    return taken.map((index) => ({ index, n }));
  });
}

/** The copies of channels that a product of known weights needs, as a share of its channels; undefined for computed weights. */
export function shareOfCopies(graph: GraphEditor, node: Node): number | undefined {
  const { w, zw } = factorsOf(node) ?? {};
  const [weights, zeros] = [graph.constant(w), graph.constant(zw)].map((t) => t && asBytes(t));
  if (weights === undefined || weights.shape.length < 2) return undefined;
  const layout = layoutOf(node);
  const axis = layout.kind === 'matmul' ? weights.shape.length - 2 : 1;
  const parts = partsAlong(present(centred(weights, zeros, layout, -255, 255)), weights.shape, axis);
  return parts.reduce((sum, count) => sum + count - 1, 0) / parts.length;
}

const asBytes = (t: ITensor): ITensor<ByteType> | undefined => (isTensorOf(t, ...byteTypes) ? t : undefined);

/** As many channels, the needed ones among them: a run of neighbours where that is possible. */
function blocks(needed: readonly number[], count: number, channels: number): readonly number[] {
  const start = Math.min(needed[0], channels - count);
  const run = Array.from({ length: count }, (_, i) => start + i);
  if (needed[needed.length - 1] < start + count) return run;
  const others = [...Array(channels).keys()].filter((index) => !needed.includes(index));
  return [...needed, ...others.slice(0, count - needed.length)];
}

function copiesOf(x: Source, more: readonly Copy[], channels: number, axis: number, a: Algebra): readonly Source[] {
  const runs: { start: number; end: number }[] = [];
  for (const { index } of more) {
    const last = runs.at(-1);
    if (last?.end === index) last.end++;
    else runs.push({ start: index, end: index + 1 });
  }
  if (runs.length > MOST_SLICES) {
    const indices = more.map(({ index }) => index);
    return [gathered(x, indices, axis, a)];
  }
  return runs.map(({ start, end }) =>
    end - start === channels ? x : a.emit(nnSlice, { x }, { starts: [start], ends: [end], axes: [axis], steps: [1] }),
  );
}

/**
 * Copies side by side along a spatial axis, as many of every element as the weight that needs most of them. Dilated taps move apart
 * and have 0 between them, since a copy lies next to its element. The source is padded first, where a zero point has to be written
 * out, and then copied.
 */
function byTap({ x, w, zx, attrs }: Site, values: Int16Array, axis: number, a: Algebra, part: typeof partOf): Repeated {
  const shape = w.type.shape.map(Number);
  const count = Math.max(1, ...partsAlong(values, shape, axis + 2));
  if (count === 1)
    return {
      operands: {
        x,
        w: a.constant(
          tensor(
            's8',
            Int8Array.from(values, (v) => part(v, 0)),
            shape,
          ),
        ),
      },
      attrs,
    };
  const [taps, dilation] = [shape[axis + 2], attrs.dilations[axis]];
  const copies = copied(dilation * (taps - 1) + 1, count).map(({ index, n }) =>
    index % dilation === 0 ? { index: index / dilation, n } : undefined,
  );
  const weights = a.constant(weightsOf(values, shape, axis + 2, copies, part), `${w.id}.parts`);
  const rank = attrs.strides.length;
  const isPadded = zx !== undefined && attrs.pads.some((pad) => pad > 0);
  const padded = isPadded ? a.emit(nnPad, { x, value: zx }, { pads: padsOf(attrs), mode: 'constant' }) : x;
  const size = padded.type.shape[axis + 2];
  assert(typeof size === 'number', 'copies lie along an axis of known size');
  const indices = copied(size, count).map(({ index }) => index);
  const wider = (sizes: readonly number[]) => sizes.map((n, i) => (i % rank === axis ? n * count : n));
  return {
    operands: { x: gathered(padded, indices, axis + 2, a), w: weights },
    attrs: {
      ...attrs,
      strides: wider(attrs.strides),
      dilations: attrs.dilations.map((d, i) => (i === axis ? 1 : d)),
      pads: isPadded ? attrs.pads.map(() => 0) : wider(attrs.pads),
    },
  };
}

/** Every element as often, side by side. */
const copied = (size: number, count: number): Copy[] =>
  Array.from({ length: size * count }, (_, i) => ({ index: Math.floor(i / count), n: i % count }));

/** The pads of a window as pads of all axes. */
function padsOf({ pads }: ConvAttrs): readonly number[] {
  const rank = pads.length / 2;
  return [0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)];
}

const gathered = (x: Source, indices: readonly number[], axis: number, a: Algebra): Source =>
  a.emit(
    nnGather,
    { x, indices: a.constant(tensor('s64', BigInt64Array.from(indices, BigInt), [indices.length])) },
    { axis },
  );
