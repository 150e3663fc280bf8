/** Passes over weights: the only work of a proof that grows with the model. Every result is kept as long as the checker. */
import { dtypes, type ITensor, type Node, sizeOf } from '../../ir/index.ts';
import { primeField, type RandomPoints, type Ring, wrapping } from './ring.ts';
import { integers, isOnes, unsupported, type Vector } from './terms.ts';

/** How weights are laid out: [O, C/group, taps…] of a convolution, [C, O/group, taps…] of a transposed one, […, K, N] of a matmul. */
export type Layout =
  | { readonly kind: 'conv' | 'conv_transpose'; readonly group: number }
  | { readonly kind: 'matmul'; readonly group?: undefined };

/** Per result channel (of every batch of a matmul) the sums of its positive and of its negative weights. */
export interface SignedSums {
  readonly positive: Float64Array;
  readonly negative: Float64Array;
}

type Elements = Int8Array | Uint8Array | Int16Array | Float64Array;

/** [outer, middle, summed, inner]: how each layout is walked; the second and the last index make the result. */
function geometryOf({ shape }: ITensor, layout: Layout) {
  if (layout.kind === 'matmul') {
    const [inner, columns] = [shape[shape.length - 2], shape[shape.length - 1]];
    return { blocks: sizeOf(shape.slice(0, -2)), filters: 1, summed: inner, taps: columns };
  }
  const taps = sizeOf(shape.slice(2));
  const { group } = layout;
  return layout.kind === 'conv'
    ? { blocks: group, filters: shape[0] / group, summed: shape[1], taps }
    : { blocks: group, filters: shape[1], summed: shape[0] / group, taps };
}

/** What identities ask of weights. */
export type Projections = Pick<Weights, 'projection' | 'centredFor'>;

export class Weights {
  readonly #sums = new Map<ITensor, Map<string, Sums>>();
  readonly #projections = new Map<ITensor, Map<Vector, Float64Array>>();
  readonly #centred = new Map<ITensor, Map<ITensor, ITensor>>();

  /** Σ over the source channels of w·vector[channel], as [result channel, tap] (matmul: [batch, column]). */
  projection(w: ITensor, layout: Layout, vector: Vector, ring: Ring): Float64Array {
    if (isOnes(vector)) return this.#sumsOf(w, layout).sums.map(ring.reduce);
    return remember(this.#projections, w, vector, () => {
      const { projected, ...sums } = pass(w, layout, vector.data, ring);
      remember(this.#sums, w, JSON.stringify(layout), () => sums);
      return projected;
    });
  }

  signed = (w: ITensor, layout: Layout): SignedSums => this.#sumsOf(w, layout);

  #sumsOf = (w: ITensor, layout: Layout): Sums =>
    remember(this.#sums, w, JSON.stringify(layout), () => pass(w, layout, undefined, wrapping));

  /** w − zw of a quantized product with zero points per result channel. */
  centredFor(node: Node, w: ITensor, zw: ITensor): ITensor {
    const [first, second] = w.shape;
    if (node.op.endsWith('matmul')) {
      const columns = w.shape.length > 1 ? w.shape[w.shape.length - 1] : 1;
      if (sizeOf(zw.shape) > columns) unsupported('zero points per batch');
      return this.#centre(w, zw, (i) => i % columns);
    }
    const taps = sizeOf(w.shape.slice(2));
    if (!node.op.endsWith('transpose')) return this.#centre(w, zw, (i) => Math.floor(i / (second * taps)));
    const perGroup = first / (node.attrs.group as number);
    return this.#centre(w, zw, (i) => {
      const group = Math.floor(i / (second * taps * perGroup));
      return group * second + (Math.floor(i / taps) % second);
    });
  }

  #centre(w: ITensor, zeroPoints: ITensor, indexOf: (i: number) => number): ITensor {
    return remember(this.#centred, w, zeroPoints, () => {
      const [values, zeros] = [w.data as ArrayLike<number>, integers(zeroPoints)];
      if (zeros.every((zero) => zero === 0)) return w;
      const data = new Int16Array(values.length);
      const single = zeros.length === 1;
      for (let i = 0; i < data.length; i++) data[i] = values[i] - zeros[single ? 0 : indexOf(i)];
      return { dtype: 's16', shape: w.shape, data };
    });
  }
}

/**
 * The same with Σ w·v of random vectors v as unknowns of their own, which takes no pass over the weights: sides that are
 * equal whatever these sums are, are equal for what they are. Where sides get one sum from different weights (w split in
 * two, say) they differ here, and the sums themselves have to be known.
 */
export class UnknownProjections implements Projections {
  readonly #weights: Weights;
  readonly #random: RandomPoints;
  readonly #projections = new Map<ITensor, Map<Vector, Float64Array>>();

  constructor(weights: Weights, random: RandomPoints) {
    this.#weights = weights;
    this.#random = random;
  }

  centredFor: Projections['centredFor'] = (node, w, zw) => this.#weights.centredFor(node, w, zw);

  projection(w: ITensor, layout: Layout, vector: Vector, ring: Ring): Float64Array {
    if (ring !== primeField || isOnes(vector) || !this.#random.made(vector))
      return this.#weights.projection(w, layout, vector, ring);
    const { blocks, filters, taps } = geometryOf(w, layout);
    return remember(
      this.#projections,
      w,
      vector,
      () => this.#random.vector(blocks * filters * taps).data as Float64Array,
    );
  }
}

function remember<K, T>(maps: Map<ITensor, Map<K, T>>, w: ITensor, key: K, compute: () => T): T {
  let map = maps.get(w);
  if (map === undefined) {
    map = new Map();
    maps.set(w, map);
  }
  let value = map.get(key);
  if (value === undefined) {
    value = compute();
    map.set(key, value);
  }
  return value;
}

/** 8- and 16-bit weights as they are, others as checked integers. */
const elementsOf = (w: ITensor): Elements =>
  dtypes[w.dtype].bytes <= 2 && dtypes[w.dtype].kind !== 'float' ? (w.data as Elements) : integers(w);

interface Sums extends SignedSums {
  /** Σw by result channel and tap, exact. */
  readonly sums: Float64Array;
}

/** One pass for all that is asked of weights; without a vector for the sums alone. */
function pass(
  w: ITensor,
  layout: Layout,
  vector: Float64Array | undefined,
  ring: Ring,
): Sums & { readonly projected: Float64Array } {
  const { blocks, filters, summed, taps } = geometryOf(w, layout);
  const isMatmul = layout.kind === 'matmul';
  const data = elementsOf(w);
  const count = blocks * filters * taps;
  const [projected, sums, aboves] = [new Float64Array(count), new Float64Array(count), new Float64Array(count)];
  const step = layout.kind === 'conv_transpose' ? filters * taps : taps;
  const small = !(data instanceof Float64Array);
  // |w| < 2^9 and |vector| < 2^31: 2^12 products of them add up to less than 2^53
  const chunk = small ? 2 ** 12 : 1;
  for (let block = 0; block < blocks; block++) {
    for (let filter = 0; filter < filters; filter++) {
      const to = (block * filters + filter) * taps;
      for (let from = 0; from < summed; from += chunk) {
        const length = Math.min(chunk, summed - from);
        const at = start(layout, block, filter, from, filters, summed, taps);
        const first = (isMatmul ? 0 : block * summed) + from;
        if (!small) addLarge(data, at, taps, vector?.[first] ?? 0, ring, projected, sums, aboves, to);
        else {
          for (let t = 0; t < taps; t++) {
            if (vector) addProducts(data as Int8Array, at + t, step, length, vector, first);
            else addLine(data as Int8Array, at + t, step, length);
            projected[to + t] += line[0];
            sums[to + t] += line[1];
            aboves[to + t] += line[2];
          }
        }
        if (vector) for (let t = 0; t < taps; t++) projected[to + t] = ring.reduce(projected[to + t]);
      }
    }
  }
  const positive = isMatmul ? aboves : totals(aboves, taps);
  const perChannel = isMatmul ? sums : totals(sums, taps);
  return { projected, sums, positive, negative: positive.map((v, i) => perChannel[i] - v) };
}

/** The first weight of result channel (block, filter) and source channel `channel`. */
const start = (
  { kind }: Layout,
  block: number,
  filter: number,
  channel: number,
  filters: number,
  summed: number,
  taps: number,
): number =>
  kind === 'conv_transpose'
    ? ((block * summed + channel) * filters + filter) * taps
    : ((block * filters + filter) * summed + channel) * taps;

/** Σw·v, Σw and Σ of the positive w of one tap. */
const line = new Float64Array(3);

/** The first of them. */
function addProducts(w: Int8Array, at: number, step: number, count: number, vector: Float64Array, from: number): void {
  addLine(w, at, step, count);
  let projected = 0;
  for (let c = 0; c < count; c++, at += step) projected += w[at] * vector[from + c];
  line[0] = projected;
}

/** The others: additions of integers, no product. */
function addLine(w: Int8Array, at: number, step: number, count: number): void {
  let sum = 0;
  let above = 0;
  for (const end = at + count * step; at < end; at += step) {
    const v = w[at];
    sum = (sum + v) | 0;
    above = (above + (v & ~(v >> 31))) | 0;
  }
  line[1] = sum;
  line[2] = above;
}

/** One source channel of weights of any size. */
function addLarge(
  w: Float64Array,
  at: number,
  taps: number,
  factor: number,
  ring: Ring,
  projected: Float64Array,
  sums: Float64Array,
  aboves: Float64Array,
  to: number,
): void {
  for (let t = 0; t < taps; t++) {
    const v = w[at + t];
    projected[to + t] += ring.mul(ring.reduce(v), ring.reduce(factor));
    sums[to + t] += v;
    aboves[to + t] += Math.max(v, 0);
  }
}

function totals(sums: ArrayLike<number>, taps: number): Float64Array {
  const out = new Float64Array(sums.length / taps);
  for (let i = 0; i < sums.length; i++) out[Math.floor(i / taps)] += sums[i];
  return out;
}
