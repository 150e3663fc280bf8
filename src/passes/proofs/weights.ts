/** Passes over weights: the only work of a proof that grows with the model. Every result is kept as long as the checker. */
import { dtypes, type ITensor, type Node, sizeOf } from '../../ir/index.ts';
import type { Ring } from './ring.ts';
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

export class Weights {
  readonly #sums = new Map<ITensor, Map<string, Float64Array>>();
  readonly #signed = new Map<ITensor, Map<string, SignedSums>>();
  readonly #projections = new Map<ITensor, Map<Vector, Float64Array>>();
  readonly #centred = new Map<ITensor, Map<ITensor, ITensor>>();

  /** Σ over the source channels of w·vector[channel], as [result channel, tap] (matmul: [batch, column]). */
  projection(w: ITensor, layout: Layout, vector: Vector, ring: Ring): Float64Array {
    if (isOnes(vector)) return this.sums(w, layout).map(ring.reduce);
    return remember(this.#projections, w, vector, () => project(w, layout, vector.data, ring));
  }

  /** The same over ones, exact. */
  sums(w: ITensor, layout: Layout): Float64Array {
    return remember(this.#sums, w, JSON.stringify(layout), () => {
      const { sums, signed } = scan(w, layout);
      remember(this.#signed, w, JSON.stringify(layout), () => signed);
      return sums;
    });
  }

  signed(w: ITensor, layout: Layout): SignedSums {
    this.sums(w, layout);
    return this.#signed.get(w)!.get(JSON.stringify(layout))!;
  }

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
      const data = new Int16Array(values.length);
      const single = zeros.length === 1;
      for (let i = 0; i < data.length; i++) data[i] = values[i] - zeros[single ? 0 : indexOf(i)];
      return { dtype: 's16', shape: w.shape, data };
    });
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

function project(w: ITensor, layout: Layout, vector: Float64Array, ring: Ring): Float64Array {
  const { blocks, filters, summed, taps } = geometryOf(w, layout);
  const data = elementsOf(w);
  const out = new Float64Array(blocks * filters * taps);
  // |w| < 2^9 and |vector| < 2^31: that many products add up to less than 2^53
  const small = data instanceof Int8Array || data instanceof Uint8Array || data instanceof Int16Array;
  const chunk = small ? (data instanceof Int16Array ? 2 ** 6 : 2 ** 12) : 1;
  const offset = layout.kind === 'matmul' ? 0 : summed;
  for (let block = 0; block < blocks; block++) {
    for (let filter = 0; filter < filters; filter++) {
      const to = (block * filters + filter) * taps;
      for (let from = 0; from < summed; from += chunk) {
        const end = Math.min(from + chunk, summed);
        const at = start(layout, block, filter, from, filters, summed, taps);
        const step = layout.kind === 'conv_transpose' ? filters * taps : taps;
        if (small) accumulate(out, to, data as Int8Array, at, step, vector, block * offset + from, end - from, taps);
        else
          for (let t = 0; t < taps; t++)
            out[to + t] += ring.mul(ring.reduce(data[at + t]), ring.reduce(vector[block * offset + from]));
        for (let t = 0; t < taps; t++) out[to + t] = ring.reduce(out[to + t]);
      }
    }
  }
  return out;
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

function accumulate(
  out: Float64Array,
  to: number,
  w: Int8Array,
  at: number,
  step: number,
  vector: Float64Array,
  from: number,
  count: number,
  taps: number,
): void {
  if (taps === 1) {
    let sum = out[to];
    for (let c = 0; c < count; c++, at += step) sum += w[at] * vector[from + c];
    out[to] = sum;
    return;
  }
  for (let c = 0; c < count; c++, at += step) {
    const v = vector[from + c];
    for (let t = 0; t < taps; t++) out[to + t] += w[at + t] * v;
  }
}

function scan(w: ITensor, layout: Layout): { sums: Float64Array; signed: SignedSums } {
  const { blocks, filters, summed, taps } = geometryOf(w, layout);
  const data = elementsOf(w) as Int8Array;
  const sums = new Float64Array(blocks * filters * taps);
  const isMatmul = layout.kind === 'matmul';
  const channels = isMatmul ? sums.length : blocks * filters;
  const positive = new Float64Array(channels);
  const step = layout.kind === 'conv_transpose' ? filters * taps : taps;
  for (let block = 0; block < blocks; block++) {
    for (let filter = 0; filter < filters; filter++) {
      const channel = block * filters + filter;
      const to = channel * taps;
      let at = start(layout, block, filter, 0, filters, summed, taps);
      if (isMatmul || taps > 1) {
        let above = 0;
        for (let c = 0; c < summed; c++, at += step) {
          for (let t = 0; t < taps; t++) {
            const v = data[at + t];
            sums[to + t] += v;
            if (isMatmul) positive[to + t] += v > 0 ? v : 0;
            else above += v > 0 ? v : 0;
          }
        }
        if (!isMatmul) positive[channel] = above;
      } else {
        let [total, above] = [0, 0];
        for (let c = 0; c < summed; c++, at += step) {
          const v = data[at];
          total += v;
          above += v > 0 ? v : 0;
        }
        [sums[to], positive[channel]] = [total, above];
      }
    }
  }
  const perChannel = isMatmul || taps === 1 ? sums : totals(sums, taps);
  return { sums, signed: { positive, negative: positive.map((v, i) => perChannel[i] - v) } };
}

function totals(sums: Float64Array, taps: number): Float64Array {
  const out = new Float64Array(sums.length / taps);
  for (let i = 0; i < sums.length; i++) out[Math.floor(i / taps)] += sums[i];
  return out;
}
